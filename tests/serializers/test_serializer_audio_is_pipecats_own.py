"""For the same input our serializers give the same audio, byte for byte, as Pipecat's own that never clear a resampler.

Towards the pipeline that holds for Pipecat's resampler at its quickest setting; its default would delay the caller's
voice.

Pipecat's resampler dithers with a random seed, so that even two of its own serializers differ by a bit here and there.
The exact comparison therefore takes the dither away on both sides; a second one leaves everything as it is and allows
for it.
"""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soxr
from pipecat.audio.resamplers.soxr_stream_resampler import SOXRStreamAudioResampler
from pipecat.frames.frames import OutputAudioRawFrame
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

from serializers import MediaFormat, SerializerOptions, StreamStart, serializer_for
from serializers.codecs import codec_for

RATES = [8000, 16000, 24000]


class Undithered(SOXRStreamAudioResampler):
    """Pipecat's resampler on floats, which soxr does not dither."""

    def _initialize(self, in_rate, out_rate):
        super()._initialize(in_rate, out_rate)
        self._soxr_stream = soxr.ResampleStream(in_rate, out_rate, 1, quality=self._quality, dtype="float32")

    async def resample(self, audio, in_rate, out_rate):
        if in_rate == out_rate:
            return audio
        stream = self._maybe_initialize_sox_stream(in_rate, out_rate)
        floats = stream.resample_chunk(np.frombuffer(audio, dtype=np.int16).astype(np.float32))
        return np.clip(np.rint(floats), -32768, 32767).astype(np.int16).tobytes()


@pytest.fixture
def undithered(monkeypatch):
    """Take the dither away; returns the settings that every resampler was made with."""
    made = []

    def create(**settings):
        made.append(settings)
        return Undithered(**settings)

    for module in ("pipecat.serializers.twilio", "pipecat.serializers.telnyx", "serializers.base"):
        monkeypatch.setattr(f"{module}.create_stream_resampler", create)
    return made


def pair(carrier, heard="PCMU", spoken="PCMU"):
    """Pipecat's serializer and ours for the same stream; `heard` is what the caller's audio comes in."""
    start = StreamStart(carrier, "MZ1", "c", MediaFormat(heard))
    ours = serializer_for(start, options=SerializerOptions(outbound_encoding=spoken))
    if carrier == "twilio":
        params = TwilioFrameSerializer.InputParams(auto_hang_up=False, resampler_clear_after_secs=None)
        return TwilioFrameSerializer("MZ1", params=params), ours
    # Pipecat names both from the carrier's side.
    params = TelnyxFrameSerializer.InputParams(auto_hang_up=False, resampler_clear_after_secs=None)
    return TelnyxFrameSerializer("MZ1", outbound_encoding=heard, inbound_encoding=spoken, params=params), ours


CASES = [("twilio", "PCMU"), ("telnyx", "PCMU"), ("telnyx", "PCMA")]


def voice(rate, ms):
    """A sweep with noise, loud enough to clip now and then."""
    time = np.arange(rate * ms // 1000) / rate
    noise = np.random.default_rng(7).normal(0, 3000, len(time))
    wave = 30000 * np.sin(2 * np.pi * (200 + 400 * time) * time) + noise
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


def payload_of(message):
    return base64.b64decode(json.loads(message)["media"]["payload"]) if message else b""


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("carrier", "encoding"), CASES)
@pytest.mark.parametrize("frame_ms", [20, 40])
async def test_the_bot_sounds_the_same(carrier, encoding, rate, frame_ms, undithered):
    theirs, ours = pair(carrier, spoken=encoding)
    setup = SimpleNamespace(audio_in_sample_rate=rate)
    await theirs.setup(setup)
    await ours.setup(setup)
    audio = voice(rate, 2000)
    size = rate * frame_ms // 1000 * 2
    expected, sent = [], []
    for at in range(0, len(audio), size):
        frame = OutputAudioRawFrame(audio=audio[at : at + size], sample_rate=rate, num_channels=1)
        expected.append(payload_of(await theirs.serialize(frame)))
        sent.append(payload_of(await ours.serialize(frame)))
    assert len(b"".join(expected)) > 15000
    if carrier == "twilio":
        assert sent == expected  # message by message
    else:
        assert all(len(payload) >= 160 for payload in sent if payload)
        assert b"".join(sent) + ours._pending == b"".join(expected)
    outputs = [settings for settings in undithered if settings.get("quality") != "QQ"]
    assert len(outputs) == len(undithered) - 1
    assert all(settings == outputs[0] for settings in outputs)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("carrier", "encoding"), CASES)
async def test_the_caller_sounds_the_same(carrier, encoding, rate, undithered):
    theirs, ours = pair(carrier, heard=encoding)
    theirs._input_resampler = Undithered(**{**undithered[0], "quality": "QQ"})
    setup = SimpleNamespace(audio_in_sample_rate=rate)
    await theirs.setup(setup)
    await ours.setup(setup)
    wire = np.random.default_rng(3).integers(0, 256, 16000, dtype=np.uint8).tobytes()
    heard = 0
    for number, at in enumerate(range(0, len(wire), 160), start=1):
        payload = base64.b64encode(wire[at : at + 160]).decode()
        message = json.dumps(
            {"event": "media", "media": {"track": "inbound", "chunk": str(number), "payload": payload}}
        )
        expected, frame = await theirs.deserialize(message), await ours.deserialize(message)
        assert (frame and frame.audio) == (expected and expected.audio)
        if frame:
            assert (frame.sample_rate, frame.num_channels) == (expected.sample_rate, expected.num_channels)
            heard += frame.num_frames
    assert heard > 1.8 * rate
    assert not ours.ignored


@pytest.mark.parametrize(("carrier", "encoding"), CASES)
async def test_the_caller_is_heard_at_once(carrier, encoding):
    _, ours = pair(carrier, heard=encoding)
    await ours.setup(SimpleNamespace(audio_in_sample_rate=16000))
    said = np.frombuffer(voice(8000, 1000), dtype="<i2") // 4
    wire = codec_for(encoding).encode(said.tobytes())
    heard, lengths = b"", []
    for number, at in enumerate(range(0, len(wire), 160), start=1):
        payload = base64.b64encode(wire[at : at + 160]).decode()
        media = {"track": "inbound", "chunk": str(number), "payload": payload}
        frame = await ours.deserialize(json.dumps({"event": "media", "media": media}))
        heard += frame.audio
        lengths.append(frame.num_frames)
    assert set(lengths[1:]) == {320}  # each message's 20 ms at once, and not in lumps
    samples = np.frombuffer(heard, dtype="<i2").astype(float)[::2]
    shared = min(len(samples), len(said)) - 80
    like = [np.corrcoef(samples[late : late + shared], said[:shared])[0, 1] for late in range(80)]
    assert np.argmax(like) <= 8  # of 8 kHz: a millisecond
    assert max(like) > 0.99


@pytest.mark.parametrize(("carrier", "encoding"), CASES)
async def test_the_bot_sounds_the_same_but_for_dither(carrier, encoding):
    theirs, ours = pair(carrier, spoken=encoding)
    audio = voice(24000, 1000)
    expected, sent = b"", b""
    for at in range(0, len(audio), 1920):
        frame = OutputAudioRawFrame(audio=audio[at : at + 1920], sample_rate=24000, num_channels=1)
        expected += payload_of(await theirs.serialize(frame))
        sent += payload_of(await ours.serialize(frame))
    sent += getattr(ours, "_pending", b"")
    codec = codec_for(encoding)
    heard = [np.frombuffer(codec.decode(wire), dtype="<i2").astype(int) for wire in (expected, sent)]
    assert len(heard[0]) == len(heard[1]) > 7000
    # One code apart at most: a step of G.711 is never more than 1/12 of where its segment starts, or 16.
    assert np.all(np.abs(heard[0] - heard[1]) <= np.abs(heard[0]) / 12 + 16)


@pytest.mark.parametrize("heard_or_said", ["heard", "said"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("carrier", "encoding"), CASES)
async def test_audio_that_comes_late_has_no_hole(
    carrier, encoding, rate, heard_or_said, undithered, monkeypatch
):
    """Pipecat's resampler clears itself by the clock: a gap of 0.2 s in the delivery would cost part of a word."""
    clock = [1000.0]
    monkeypatch.setattr("pipecat.audio.resamplers.soxr_stream_resampler.time.time", lambda: clock[0])
    _, prompt = pair(carrier, encoding, encoding)
    _, late = pair(carrier, encoding, encoding)
    passed = []
    for serializer, gap_secs in ((prompt, 0.02), (late, 0.5)):
        await serializer.setup(SimpleNamespace(audio_in_sample_rate=rate))
        audio = b""
        for number, at in enumerate(range(0, 2 * rate, rate // 25), start=1):
            clock[0] += gap_secs if number == 21 else 0.02
            if heard_or_said == "said":
                frame = OutputAudioRawFrame(voice(rate, 1000)[at : at + rate // 25], rate, 1)
                audio += payload_of(await serializer.serialize(frame))
                continue
            wire = codec_for(encoding).encode(voice(8000, 1000)[320 * (number - 1) : 320 * number])
            media = {"track": "inbound", "chunk": str(number), "payload": base64.b64encode(wire).decode()}
            frame = await serializer.deserialize(json.dumps({"event": "media", "media": media}))
            audio += frame.audio if frame else b""
        passed.append(audio)
    assert len(passed[0]) > (0.85 * 8000 if heard_or_said == "said" else 1.85 * rate)
    assert passed[1] == passed[0]
