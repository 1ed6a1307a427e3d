"""Every message of both carriers' media sockets, towards the pipeline and towards the carrier."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest
from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
)

from serializers import (
    MediaFormat,
    SerializerOptions,
    StreamStart,
    UnsupportedEncoding,
    serializer_for,
)
from serializers.codecs import codec_for
from serializers.frames import MarkFrame, MarkReturnedFrame, StreamErrorFrame, StreamStoppedFrame
from serializers.telnyx import TelnyxSerializer
from serializers.twilio import TwilioSerializer

TWILIO = StreamStart(carrier="twilio", stream_id="MZ1", call_id="CA1")
TELNYX = StreamStart(carrier="telnyx", stream_id="6b4f", call_id="v3:abc")
STREAM_KEY = {"twilio": "streamSid", "telnyx": "stream_id"}

both_carriers = pytest.mark.parametrize("start", [TWILIO, TELNYX], ids=["twilio", "telnyx"])


def incoming(start, event, /, **fields):
    return json.dumps({"event": event, STREAM_KEY[start.carrier]: start.stream_id, **fields})


def media(start, payload, **fields):
    text = base64.b64encode(payload).decode()
    return incoming(start, "media", media={"track": "inbound", "timestamp": "5", "payload": text, **fields})


def payload_of(message):
    return base64.b64decode(json.loads(message)["media"]["payload"])


def speech(ms, rate=8000):
    return OutputAudioRawFrame(audio=b"\x10\x20" * (rate * ms // 1000), sample_rate=rate, num_channels=1)


def telnyx(options=None, **media_format):
    start = StreamStart("telnyx", "6b4f", "v3:abc", MediaFormat(**media_format))
    return TelnyxSerializer(start, options)


# --- towards the pipeline ---------------------------------------------------------------------------------------------


@both_carriers
async def test_media_becomes_audio_of_the_pipelines_rate(start):
    serializer = serializer_for(start)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=8000))
    frame = await serializer.deserialize(media(start, b"\xff\x00" * 80, chunk="1"))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.sample_rate, frame.num_channels) == (8000, 1)
    assert frame.audio == codec_for("PCMU").decode(b"\xff\x00" * 80)
    assert not serializer.ignored


@both_carriers
async def test_media_is_resampled_when_the_pipeline_is_faster(start):
    serializer = serializer_for(start)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=16000))
    frames = [await serializer.deserialize(media(start, b"\x80" * 160, chunk=str(n))) for n in range(1, 51)]
    heard = sum(len(frame.audio) for frame in frames if frame)
    assert {frame.sample_rate for frame in frames if frame} == {16000}
    assert 0.9 * 32000 < heard <= 32000  # one second; the resampler keeps a little in its filter


@both_carriers
async def test_audio_works_before_setup(start):
    frame = await serializer_for(start).deserialize(media(start, b"\xff" * 160, chunk="1"))
    assert frame.sample_rate == 8000


@both_carriers
@pytest.mark.parametrize("key", "0123456789*#")
async def test_dtmf_becomes_a_keypress(start, key):
    frame = await serializer_for(start).deserialize(
        incoming(start, "dtmf", dtmf={"track": "inbound_track", "digit": key})
    )
    assert isinstance(frame, InputDTMFFrame)
    assert frame.button is KeypadEntry(key)


@both_carriers
async def test_mark_comes_back_with_its_name(start):
    frame = await serializer_for(start).deserialize(incoming(start, "mark", mark={"name": "g1-3"}))
    assert isinstance(frame, MarkReturnedFrame)
    assert frame.mark == "g1-3"


@both_carriers
async def test_stop_is_told_to_the_pipeline(start):
    assert isinstance(
        await serializer_for(start).deserialize(incoming(start, "stop", stop={})), StreamStoppedFrame
    )


@both_carriers
async def test_handshake_messages_are_known_and_carry_nothing(start):
    serializer = serializer_for(start)
    assert await serializer.deserialize('{"event":"connected","version":"1.0.0"}') is None
    assert await serializer.deserialize(incoming(start, "start", start={})) is None
    assert not serializer.ignored


@both_carriers
async def test_outbound_media_is_not_the_caller(start):
    serializer = serializer_for(start)
    assert await serializer.deserialize(media(start, b"\xff" * 160, track="outbound")) is None
    assert serializer.ignored == {"outbound_track": 1}


@both_carriers
async def test_messages_of_another_stream_are_ignored(start):
    serializer = serializer_for(start)
    other = json.loads(media(start, b"\xff" * 160)) | {STREAM_KEY[start.carrier]: "other"}
    assert await serializer.deserialize(json.dumps(other)) is None
    assert serializer.ignored == {"foreign_stream": 1}


@pytest.mark.parametrize(
    "shape",
    [
        {"payload": {"code": 100003, "title": "malformed_frame", "detail": "no event"}},
        {
            "sequence_number": "7",
            "error": {"code": "100003", "title": "malformed_frame", "detail": "no event"},
        },
    ],
    ids=["payload", "error"],
)
async def test_telnyx_errors_are_told_in_both_documented_shapes(shape):
    frame = await telnyx().deserialize(incoming(TELNYX, "error", **shape))
    assert isinstance(frame, StreamErrorFrame)
    assert (frame.code, frame.title, frame.detail) == ("100003", "malformed_frame", "no event")


async def test_an_incomplete_telnyx_error_is_still_an_error():
    frame = await telnyx().deserialize(
        incoming(TELNYX, "error", payload={"detail": "two\nlines" + "x" * 999})
    )
    assert (frame.code, frame.title) == (None, "unknown_error")
    assert frame.detail.startswith("two lines")
    assert len(frame.detail) == 256


async def test_twilio_has_no_error_message():
    serializer = TwilioSerializer(TWILIO)
    assert await serializer.deserialize(incoming(TWILIO, "error", payload={"title": "x"})) is None
    assert serializer.ignored == {"unknown_event": 1}


# --- towards the carrier ----------------------------------------------------------------------------------------------


async def test_twilio_messages_have_exactly_the_documented_keys():
    serializer = TwilioSerializer(TWILIO)
    audio = json.loads(await serializer.serialize(speech(20)))
    assert audio.pop("media").keys() == {"payload"}
    assert audio == {"event": "media", "streamSid": "MZ1"}
    mark = json.loads(await serializer.serialize(MarkFrame(mark="g1-1")))
    assert mark == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "g1-1"}}
    clear = json.loads(await serializer.serialize(InterruptionFrame()))
    assert clear == {"event": "clear", "streamSid": "MZ1"}


async def test_telnyx_messages_have_exactly_the_documented_keys():
    serializer = telnyx()
    audio = json.loads(await serializer.serialize(speech(20)))
    assert audio.pop("media").keys() == {"payload"}
    assert audio == {"event": "media"}
    mark = json.loads(await serializer.serialize(MarkFrame(mark="g1-1")))
    assert mark == {"event": "mark", "mark": {"name": "g1-1"}}
    assert json.loads(await serializer.serialize(InterruptionFrame())) == {"event": "clear"}


@both_carriers
@pytest.mark.parametrize("frame", [EndFrame(), CancelFrame(), TextFrame("hi")], ids=repr)
async def test_other_frames_send_nothing(start, frame):
    serializer = serializer_for(start)
    assert await serializer.serialize(frame) is None
    assert not serializer.ignored


@both_carriers
@pytest.mark.parametrize("kind", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame])
async def test_application_messages_never_reach_the_carrier(start, kind):
    serializer = serializer_for(start)
    assert await serializer.serialize(kind(message={"label": "rtvi-ai", "type": "bot-ready"})) is None
    assert not serializer.ignored  # Pipecat's own chatter is expected
    for message in ({"event": "custom"}, "text", None, []):
        assert await serializer.serialize(kind(message=message)) is None
    assert serializer.ignored == {"not_sendable": 4}


@both_carriers
async def test_audio_that_is_not_mono_or_not_whole_samples(start):
    serializer = serializer_for(start)
    stereo = OutputAudioRawFrame(audio=b"\0" * 640, sample_rate=8000, num_channels=2)
    assert await serializer.serialize(stereo) is None
    odd = OutputAudioRawFrame(audio=b"\0" * 321, sample_rate=8000, num_channels=1)
    assert payload_of(await serializer.serialize(odd)) == b"\xff" * 160
    assert serializer.ignored == {"not_mono": 1, "odd_bytes": 1}


@both_carriers
async def test_a_frame_of_another_rate_does_not_stop_the_voice(start):
    serializer = serializer_for(start)
    for rate in (24000, 16000, 8000, 24000):
        sent = [await serializer.serialize(speech(100, rate)) for _ in range(5)]
        assert sum(len(payload_of(message)) for message in sent if message) > 2000


@both_carriers
async def test_nothing_of_interrupted_words_is_heard_after_the_clear(start):
    serializer = serializer_for(start)
    loud = OutputAudioRawFrame(audio=b"\x00\x70" * 2400, sample_rate=24000, num_channels=1)
    await serializer.serialize(loud)
    await serializer.serialize(InterruptionFrame())
    quiet = OutputAudioRawFrame(audio=b"\0\0" * 2400, sample_rate=24000, num_channels=1)
    for _ in range(3):
        message = await serializer.serialize(quiet)
        pcm = np.frombuffer(codec_for("PCMU").decode(payload_of(message) if message else b""), dtype="<i2")
        assert np.all(np.abs(pcm) <= 16)  # the resampler dithers


# --- encodings --------------------------------------------------------------------------------------------------------


async def test_telnyx_hears_in_the_legs_encoding_and_speaks_in_ours():
    serializer = telnyx(encoding="PCMA")
    heard = await serializer.deserialize(media(TELNYX, b"\x12" * 160, chunk="1"))
    assert heard.audio == codec_for("PCMA").decode(b"\x12" * 160)
    assert payload_of(await serializer.serialize(speech(20))) == codec_for("PCMU").encode(speech(20).audio)

    spoken = await telnyx(SerializerOptions(outbound_encoding="PCMA")).serialize(speech(20))
    assert payload_of(spoken) == codec_for("PCMA").encode(speech(20).audio)


@pytest.mark.parametrize("byte_order", ["little", "big"])
async def test_telnyx_l16_both_ways(byte_order):
    options = SerializerOptions("L16", l16_enabled=True, l16_byte_order=byte_order, l16_sample_rate=16000)
    serializer = telnyx(options, encoding="L16", sample_rate=16000)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=16000))
    samples = b"\x01\x02" * 320
    on_wire = samples if byte_order == "little" else b"\x02\x01" * 320
    assert (await serializer.deserialize(media(TELNYX, on_wire, chunk="1"))).audio == samples
    frame = OutputAudioRawFrame(audio=samples, sample_rate=16000, num_channels=1)
    assert payload_of(await serializer.serialize(frame)) == on_wire
    assert await serializer.deserialize(media(TELNYX, b"\0" * 641, chunk="2")) is None
    assert serializer.ignored == {"bad_samples": 1}


@pytest.mark.parametrize(
    ("start", "options", "says"),
    [
        (
            StreamStart("telnyx", "s", "c", MediaFormat("OPUS", 16000)),
            None,
            "sends .* as OPUS.*set the stream's codec",
        ),
        (StreamStart("telnyx", "s", "c", MediaFormat("AMR-WB", 16000)), None, "AMR-WB"),
        (StreamStart("telnyx", "s", "c", MediaFormat("G722", 8000)), None, "G722"),
        (StreamStart("telnyx", "s", "c", MediaFormat("L16", 16000)), None, "TELNYX_CODEC=L16"),
        (StreamStart("telnyx", "s", "c", MediaFormat("PCMU", 8000, 2)), None, "2 channels"),
        (TELNYX, SerializerOptions("L16"), "not enabled"),
        (TELNYX, SerializerOptions("MP3"), "MP3"),
        (StreamStart("twilio", "s", "c", MediaFormat("L16", 16000)), None, "audioFormat"),
        (StreamStart("twilio", "s", "c", MediaFormat("PCMU", 8000, 2)), None, "2 channel"),
    ],
)
def test_an_unusable_encoding_is_refused_before_the_call_begins(start, options, says):
    with pytest.raises(UnsupportedEncoding, match=says):
        serializer_for(start, options=options)


def test_an_unknown_carrier_is_refused():
    with pytest.raises(ValueError, match="acme"):
        serializer_for(StreamStart("acme", "s", "c"))


# --- the least length of a Telnyx message -----------------------------------------------------------------------------


async def test_telnyx_audio_shorter_than_20_ms_is_joined():
    serializer = telnyx()
    assert await serializer.serialize(speech(10)) is None
    assert len(payload_of(await serializer.serialize(speech(10)))) == 160
    assert await serializer.serialize(speech(15)) is None
    assert len(payload_of(await serializer.serialize(speech(30)))) == 360
    assert serializer.flush() is None


@pytest.mark.parametrize(("encoding", "silence"), [("PCMU", b"\xff"), ("PCMA", b"\xd5"), ("L16", b"\0\0")])
async def test_telnyx_rest_is_flushed_with_silence_before_a_mark(encoding, silence):
    options = SerializerOptions(encoding, l16_enabled=True, l16_sample_rate=8000)
    serializer = telnyx(options)
    await serializer.serialize(speech(5))
    flushed = payload_of(serializer.flush())
    said = codec_for(encoding).encode(speech(5).audio)
    assert flushed == said + silence * 120
    assert serializer.flush() is None


async def test_telnyx_rest_is_forgotten_when_interrupted():
    serializer = telnyx()
    await serializer.serialize(speech(10))
    await serializer.serialize(InterruptionFrame())
    assert serializer.flush() is None


async def test_twilio_audio_of_any_length_is_sent_at_once():
    serializer = TwilioSerializer(TWILIO)
    assert len(payload_of(await serializer.serialize(speech(5)))) == 40
    assert serializer.flush() is None


# --- the log ----------------------------------------------------------------------------------------------------------


@both_carriers
async def test_each_reason_is_logged_once_and_without_content(start):
    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="DEBUG", format="{level} {message}")
    try:
        serializer = serializer_for(start)
        for _ in range(100):
            await serializer.deserialize("+15550100 is not json")
            await serializer.deserialize(incoming(start, "dtmf", dtmf={"digit": "+15550101"}))
    finally:
        logger.remove(sink)
    assert serializer.ignored == {"not_json": 100, "unknown_digit": 100}
    assert len(lines) == 2
    assert all(line.startswith("WARNING") for line in lines)
    assert "+1555" not in "".join(lines)
