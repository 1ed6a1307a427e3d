"""On the media socket the emulator speaks, listens and judges as the carriers do."""

import asyncio
import base64
import json
import time

import numpy as np
import pytest

from emulator import Audio, Digits, HangUp, PhoneNetwork, Wait, tone
from emulator.line.codecs import decode
from tests.fake_bot import FakeBot, Line

TWILIO = '<Connect><Stream url="wss://HOST/ws"/></Connect>'
TELNYX = '<Connect><Stream url="wss://HOST/ws?a=1" bidirectionalMode="rtp"/></Connect>'


async def call(talk, script=(), carrier="twilio", document=None, **options):
    document = document or (TWILIO if carrier == "twilio" else TELNYX)
    async with FakeBot(talk, {f"/{carrier}/voice": document}) as bot, PhoneNetwork(carrier) as network:
        return await network.call(bot.url, script, **options), bot


async def listen(line: Line) -> None:
    await line.until_closed()


async def test_twilios_frames_have_their_documented_shape():
    result, bot = await call(
        listen,
        [Wait(0.3), Digits("5", after_reply=False), HangUp()],
        document='<Connect><Stream url="wss://HOST/ws"><Parameter name="k" value="v"/></Stream></Connect>',
    )
    line = bot.lines[0]
    connected, start, first, *_ = line.messages
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    sid = start["streamSid"]
    assert sid.startswith("MZ")
    assert len(sid) == 34
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": sid,
        "start": {
            "streamSid": sid,
            "accountSid": "AC00000000000000000000000000000001",
            "callSid": result.report.call_id,
            "tracks": ["inbound"],
            "customParameters": {"k": "v"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    payload = first["media"].pop("payload")
    assert base64.b64decode(payload) == b"\xff" * 160
    media = {"track": "inbound", "chunk": "1", "timestamp": "20"}
    assert first == {"event": "media", "sequenceNumber": "2", "streamSid": sid, "media": media}
    (dtmf,) = line.of("dtmf")
    assert dtmf["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert line.messages[-1]["event"] == "stop"
    assert line.messages[-1]["stop"] == {
        "accountSid": start["start"]["accountSid"],
        "callSid": result.report.call_id,
    }
    numbers = [int(message["sequenceNumber"]) for message in line.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    upgrade = bot.upgrades[0].headers
    assert upgrade["User-Agent"] == "Twilio.TmeWs/1.0"
    assert not {"Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} & upgrade.keys()


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_telnyx_frames_have_their_documented_shape(codec):
    script = [Wait(0.2), Audio(tone(100), after_reply=False), Digits("#", after_reply=False), HangUp()]
    result, bot = await call(listen, script, "telnyx", codec=codec)
    line = bot.lines[0]
    connected, start, first, *_ = line.messages
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert start["sequence_number"] == "1"
    assert start["start"]["call_control_id"] == result.report.call_id
    assert start["start"]["call_control_id"].startswith("v3:")
    assert start["start"]["from"] == "+12025550143"
    assert start["start"]["media_format"] == {"encoding": codec, "sample_rate": 8000, "channels": 1}
    assert "stream_id" not in start["start"]
    assert first["stream_id"] == start["stream_id"]
    assert first["media"]["chunk"] == "1"
    spoken = np.concatenate(
        [decode(codec, base64.b64decode(m["media"]["payload"])) for m in line.of("media")]
    )
    assert np.abs(spoken).max() > 9000
    (dtmf,) = line.of("dtmf")
    assert dtmf["dtmf"] == {"digit": "#"}
    assert dtmf["occurred_at"].endswith("Z")
    assert line.messages[-1]["stop"]["call_control_id"] == result.report.call_id
    assert bot.upgrades[0].url.endswith("/ws?a=1")


async def test_frames_come_every_20_ms_without_drift():
    times: list[float] = []

    async def talk(line: Line) -> None:
        while (message := await line.receive()) is not None:
            if message["event"] == "media":
                times.append(time.monotonic())

    await call(talk, [Wait(2.0), HangUp()])
    assert 95 <= len(times) <= 105
    mean = (times[-1] - times[0]) / (len(times) - 1)
    assert 0.0195 < mean < 0.0205


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_mark_returns_when_its_audio_was_played_and_not_before(carrier):
    returned: dict[str, float] = {}

    async def talk(line: Line) -> None:
        begin = time.monotonic()
        await line.mark("empty")
        await line.beep(400)
        await line.mark("first")
        await line.beep(400)
        await line.mark("second")
        while len(returned) < 3 and (message := await line.until("mark")) is not None:
            returned[message["mark"]["name"]] = time.monotonic() - begin

    result, _ = await call(talk, [Wait(5)], carrier)
    assert list(returned) == ["empty", "first", "second"]
    assert returned["empty"] < 0.2
    assert 0.39 < returned["first"] < 0.6
    assert 0.79 < returned["second"] < 1.0
    assert (result.report.marks_sent, result.report.marks_returned) == (3, 3)
    assert result.report.underruns == 0
    assert np.array_equal(decode("PCMU", b"\xff"), result.heard[-1:])


async def test_clear_returns_all_marks_and_the_caller_hears_no_more():
    async def talk(line: Line) -> None:
        await line.beep(5000)
        await line.mark("a")
        await line.beep(5000)
        await line.mark("b")
        await asyncio.sleep(0.3)
        await line.clear()
        names = [(await line.until("mark"))["mark"]["name"] for _ in range(2)]
        assert names == ["a", "b"]
        await asyncio.sleep(0.2)

    result, _ = await call(talk, [Wait(5)])
    heard_ms = np.count_nonzero(result.heard) / 8
    assert 200 < heard_ms < 600
    (entry,) = result.timeline.of("clear")
    assert entry.data["audible_ms"] > 9000
    assert (result.report.marks_sent, result.report.marks_returned) == (2, 2)


async def test_a_stalling_bot_has_underruns():
    async def talk(line: Line) -> None:
        for _ in range(3):
            await line.beep(100)
            await asyncio.sleep(0.25)
        await asyncio.sleep(0.6)

    result, _ = await call(talk, [Wait(5)])
    assert result.report.underruns == 2
    assert len(result.timeline.of("underrun")) == 2


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x00\x01", "31950"),
        ("not json", "31951"),
        ("[]", "31951"),
        ({"event": "media", "streamSid": "SID", "media": {"payload": "####"}}, "31951"),
        ({"event": "media", "streamSid": "SID", "media": {"payload": 5}}, "31951"),
        ({"event": "media", "streamSid": "SID", "media": {"payload": "AAAA", "track": "outbound"}}, "31951"),
        ({"event": "media", "streamSid": "MZ0", "media": {"payload": "AAAA"}}, "31951"),
        ({"event": "media", "media": {"payload": "AAAA"}}, "31951"),
        ({"event": "mark", "streamSid": "SID", "mark": {}}, "31951"),
        ({"event": "mark", "streamSid": "SID", "mark": {"name": 7}}, "31951"),
        ({"event": "clear", "streamSid": "SID", "extra": 1}, "31951"),
        ({"event": "hangup", "streamSid": "SID"}, "31951"),
    ],
)
async def test_twilio_warns_once_a_stream_of_a_message_that_is_not_exactly_right(raw, code):
    async def talk(line: Line) -> None:
        for _ in range(2):
            if isinstance(raw, bytes):
                await line.socket.send_bytes(raw)
            else:
                text = raw if isinstance(raw, str) else json.dumps(raw)
                await line.socket.send_str(
                    text.replace("SID", line.start["streamSid"], 2).replace("streamMZ", "streamSid")
                )
        await line.mark("still alive")
        assert await line.until("mark") is not None

    result, _ = await call(talk, [Wait(3)])
    warnings = [error for error in result.report.errors if error.startswith(code)]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("not json", 100003),
        ({"event": "dance"}, 100003),
        ({"event": "media"}, 100003),
        ({"event": "media", "media": {"payload": "####"}}, 100004),
    ],
)
async def test_telnyx_answers_a_bad_message_with_an_error_frame(raw, code):
    async def talk(line: Line) -> None:
        await line.socket.send_str(raw if isinstance(raw, str) else json.dumps(raw))
        error = await line.until("error")
        assert error is not None
        assert error["payload"]["code"] == code
        assert error["stream_id"] == line.start["stream_id"]

    result, bot = await call(talk, [Wait(3)], "telnyx")
    assert [error for error in result.report.errors if error.startswith(str(code))]
    assert bot.lines[0].of("error")


async def test_raw_audio_is_not_heard_in_telnyx_mp3_mode_which_is_the_default():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await asyncio.sleep(0.4)

    document = '<Connect><Stream url="wss://HOST/ws"/></Connect>'
    result, _ = await call(talk, [Wait(3)], "telnyx", document)
    assert not result.heard.any()
    assert [error for error in result.report.errors if "mp3 mode" in error]


async def test_a_telnyx_bot_may_send_another_codec_than_the_leg_has():
    async def talk(line: Line) -> None:
        assert line.start["start"]["media_format"]["encoding"] == "PCMA"
        await line.beep(200, "PCMU")
        await asyncio.sleep(0.4)

    result, _ = await call(talk, [Wait(3)], "telnyx", codec="PCMA")
    level = np.abs(result.heard[np.flatnonzero(result.heard)]).mean()
    assert 4000 < level < 8000
    assert result.report.errors == []


async def test_a_telnyx_message_shorter_than_20_ms_is_warned_of():
    async def talk(line: Line) -> None:
        await line.play(tone(10))
        await line.mark("m")
        await line.until("mark")

    result, _ = await call(talk, [Wait(3)], "telnyx")
    assert [error for error in result.report.errors if error.startswith("length")]


async def test_telnyx_dials_a_broken_socket_again_but_not_a_closed_one():
    async def talk(line: Line) -> None:
        if len(line.bot.lines) == 1:
            line.socket._req.transport.abort()

    result, bot = await call(talk, [Wait(5)], "telnyx")
    assert len(bot.lines) == 2
    assert bot.lines[0].start["start"]["call_control_id"] == bot.lines[1].start["start"]["call_control_id"]
    assert result.report.ended_by == "bot"
    document = (
        '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp" enableReconnect="false"/></Connect>'
    )
    result, bot = await call(talk, [Wait(5)], "telnyx", document)
    assert len(bot.lines) == 1
    assert result.report.ended_by == "error"


async def test_line_noise_is_constant_and_soft():
    result, _ = await call(listen, [Wait(0.5), HangUp()], noise_db=-50)
    assert 50 < np.std(result.said.astype(float)) < 200
