"""The scripted caller waits like a person, and the report says how the call went."""

import asyncio
import json

import numpy as np
import pytest
from aiohttp import web

from emulator import Audio, Digits, HangUp, PhoneNetwork, Say, Wait, tone
from emulator.errors import EmulatorError
from emulator.line.caller import Manners, audible_span
from emulator.report import Report, Turn
from emulator.timeline import Timeline, clock_text
from tests.fake_bot import FakeBot, Line

STREAM = '<Connect><Stream url="wss://HOST/ws"/></Connect>'
QUICK = Manners(patience=0.3, reply_timeout=1.0, goodbye_timeout=1.0)
KEYS = {
    "carrier",
    "call_id",
    "answered",
    "first_audio_ms",
    "turns",
    "ended_by",
    "goodbye_heard",
    "hangup_after_goodbye_ms",
    "underruns",
    "marks_sent",
    "marks_returned",
    "recording",
    "errors",
    "seams",
}


async def call(talk, script, manners=QUICK, documents=None, **options):
    documents = {"/twilio/voice": STREAM} | (documents or {})
    async with (
        FakeBot(talk, documents) as bot,
        PhoneNetwork(transcribe=options.pop("transcribe", None)) as network,
    ):
        return await network.call(bot.url, script, manners=manners, **options)


async def good_bot(line: Line) -> None:
    await line.beep(200)
    for _ in range(2):
        await line.caller_spoke()
        await line.beep(300)
    await line.mark("goodbye")
    await line.until("mark")


async def test_a_good_call_passes_and_its_report_has_exactly_the_promised_keys():
    result = await call(good_bot, [Audio(tone(200), "one"), Audio(tone(200), "two")])
    report = result.report
    assert report.passed, report.shortcomings
    assert set(report.as_dict()) == KEYS
    assert set(report.as_dict()["turns"][0]) == {
        "caller_said",
        "bot_understood",
        "bot_replied",
        "heard_by_caller",
        "response_ms",
    }
    assert [turn.caller_said for turn in report.turns] == [None, "one", "two"]
    # The bot waits for 200 ms of silence; what is above that is the way there and back.
    assert all(180 <= turn.response_ms <= 500 for turn in report.turns[1:])
    assert report.hangup_after_goodbye_ms < 300
    json.dumps(report.as_dict())


async def test_the_caller_waits_until_the_bot_was_silent_for_a_while():
    async def talk(line: Line) -> None:
        await line.beep(300)
        await asyncio.sleep(0.5)
        await line.beep(300)
        await line.caller_spoke()
        await line.beep(100)
        await asyncio.sleep(0.3)

    result = await call(talk, [Audio(tone(200), "hello")], Manners(patience=0.4))
    (start,) = [entry for entry in result.timeline.of("caller_speech") if entry.data["edge"] == "start"]
    # The second beep ends about 800 ms after the answer (the first one's pause is shorter than the patience).
    assert 1180 <= start.at_ms <= 3000


async def test_a_line_may_be_said_over_the_bot():
    async def talk(line: Line) -> None:
        await line.beep(3000)
        await line.caller_spoke()
        await line.clear()
        await asyncio.sleep(0.8)
        await line.beep(200)
        await asyncio.sleep(0.4)

    result = await call(talk, [Wait(0.5), Audio(tone(200), "stop", after_reply=False)], Manners())
    turn = result.report.turns[1]
    # Not the rest of the interrupted sentence is the reply, but what came after it
    assert 900 < turn.response_ms < 1500
    assert result.report.goodbye_heard


async def test_the_caller_gives_up_on_a_silent_bot_and_at_last_hangs_up():
    async def talk(line: Line) -> None:
        await line.until_closed()

    result = await call(talk, [Audio(tone(100), "one"), Audio(tone(100), "two"), Audio(tone(100), "three")])
    report = result.report
    assert report.ended_by == "caller"
    assert [error for error in report.errors if "said nothing" in error and "goes on" in error]
    assert [error for error in report.errors if "said nothing" in error and "hangs up" in error]
    assert [error for error in report.errors if error.startswith("unfinished script: 2 line")]
    assert not report.passed


async def test_a_bot_that_does_not_hang_up_is_hung_up_on():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await line.caller_spoke()
        await line.beep(200)
        await line.until_closed()

    result = await call(talk, [Audio(tone(200), "bye")])
    assert result.report.ended_by == "caller"
    assert [error for error in result.report.errors if "did not hang up" in error]
    assert result.report.turns[1].response_ms is not None
    assert not result.report.passed


async def test_a_bot_that_hangs_up_early_leaves_the_script_unfinished():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await line.mark("m")
        await line.until("mark")

    result = await call(talk, [Audio(tone(200), "one")])
    assert result.report.ended_by == "bot"
    assert result.report.errors == ["unfinished script: 1 line(s) of the caller were never said"]


async def test_a_goodbye_that_is_cut_by_closing_the_socket_was_not_heard():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await line.caller_spoke()
        await line.beep(2000)
        await asyncio.sleep(0.3)

    result = await call(talk, [Audio(tone(200), "bye")])
    assert (result.report.ended_by, result.report.goodbye_heard) == ("bot", False)
    assert [error for error in result.report.errors if "last words" in error]


async def test_a_broken_socket_is_an_error_not_a_goodbye():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await line.caller_spoke()
        line.socket._req.transport.abort()

    result = await call(talk, [Audio(tone(200), "bye")])
    assert result.report.ended_by == "error"
    assert [error for error in result.report.errors if "1006" in error]


async def test_keys_are_a_line_of_the_caller():
    async def talk(line: Line) -> None:
        await line.beep(200)
        for _ in range(3):
            await line.until("dtmf")
        await line.beep(200)
        await line.mark("m")
        await line.until("mark")

    result = await call(talk, [Digits("1w2#")])
    assert result.report.passed, result.report.shortcomings
    assert result.report.turns[1].caller_said == "(keys 1w2#)"
    pressed = result.timeline.of("digits")
    assert [entry.text for entry in pressed] == ["1", "2", "#"]
    assert pressed[1].at_ms - pressed[0].at_ms >= 700


async def test_what_was_heard_between_two_lines_is_written_down_as_the_reply():
    spans: list[int] = []

    def transcribe(samples: np.ndarray) -> str:
        spans.append(int(np.count_nonzero(samples)) // 8)
        return f"{spans[-1]} ms"

    result = await call(good_bot, [Audio(tone(200), "one"), Audio(tone(200), "two")], transcribe=transcribe)
    assert all(abs(span - expected) < 30 for span, expected in zip(spans, (200, 300, 300), strict=True))
    assert result.report.turns[2].heard_by_caller == f"{spans[2]} ms"


async def test_the_servers_own_words_are_in_the_report():
    asked: list[str] = []
    events: list[dict] = []

    async def talk(line: Line) -> None:
        def tell(kind: str, **data: str) -> None:
            events.append({"at": now(), "kind": kind, **data})

        await line.beep(200)
        tell("bot_said", text="Hello.")
        await line.caller_spoke()
        tell("caller_said", text="when are you open")
        await line.beep(300)
        tell("bot_said", text="Nine to five.")
        tell("bot_said", text="Anything else?")
        await line.until("dtmf")
        tell("dtmf", digits="1")
        await line.beep(300)
        tell("bot_said", text="Bye.")
        await line.mark("m")
        await line.until("mark")

    async def told(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        # One of the two forms in which an event may be told: its details beside the kind, or in `data`
        listed = [
            {"at": e["at"], "kind": e["kind"], "data": {k: e[k] for k in e if k in ("text", "digits")}}
            for e in events
        ]
        return web.json_response({"id": "call_1", "events": listed})

    bot = FakeBot(talk, {"/twilio/voice": STREAM})
    original = bot._serve

    async def serve(request: web.Request) -> web.StreamResponse:
        return await told(request) if request.path.startswith("/calls/") else await original(request)

    bot._serve = serve  # type: ignore[method-assign]
    async with bot, PhoneNetwork() as network:
        script = [Audio(tone(200), "When are you open?"), Digits("1")]
        result = await network.call(bot.url, script, manners=QUICK, api_key="secret")
    assert set(asked) == {"Bearer secret"}
    assert [(turn.bot_understood, turn.bot_replied) for turn in result.report.turns] == [
        (None, "Hello."),
        ("when are you open", "Nine to five. Anything else?"),
        ("1", "Bye."),
    ]
    assert result.report.passed, result.report.shortcomings


async def test_live_events_of_the_server_are_passed_on_and_a_wrong_key_is_told():
    live: list[tuple[str, str]] = []

    async def events(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Bearer right":
            return web.json_response({"detail": "no"}, status=401)
        if not request.path.endswith("/events"):
            return web.json_response({"events": []})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for kind, text in (("bot_said", "Hello."), ("ended", "")):
            body = json.dumps({"at": now(), "kind": kind, "text": text})
            await response.write(f": keep\nevent: {kind}\ndata: {body}\n\n".encode())
        return response

    for key in ("right", "wrong"):
        bot = FakeBot(good_bot, {"/twilio/voice": STREAM})
        original = bot._serve

        async def serve(request: web.Request, original=original) -> web.StreamResponse:
            return await events(request) if request.path.startswith("/calls/") else await original(request)

        bot._serve = serve  # type: ignore[method-assign]
        async with bot, PhoneNetwork() as network:
            result = await network.call(
                bot.url,
                [Wait(0.6), HangUp()],
                manners=QUICK,
                api_key=key,
                on_server_event=lambda event: live.append((event.kind, event.text)),
            )
        if key == "wrong":
            assert [error for error in result.report.errors if "--api-key" in error]
    assert live == [("bot_said", "Hello."), ("ended", "")]


def now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="milliseconds")


def report_of(**changes) -> Report:
    values = {
        "carrier": "twilio",
        "call_id": "CA1",
        "answered": True,
        "first_audio_ms": 100,
        "turns": [Turn(None), Turn("Hello?", "hello", "Hi.", "Hi.", 500)],
        "ended_by": "bot",
        "goodbye_heard": True,
        "hangup_after_goodbye_ms": 100,
        "underruns": 0,
        "marks_sent": 1,
        "marks_returned": 1,
        "recording": None,
    }
    return Report(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"answered": False}, "not answered"),
        ({"turns": [Turn(None), Turn("Hello?")]}, "no reply"),
        ({"turns": [Turn(None), Turn("Hello?", "", "", "Hi.", 500)]}, "understood '' instead"),
        ({"turns": [Turn(None), Turn("Good morning.", "Yeah, holy cow.", "", "Hi.", 500)]}, "instead of"),
        (
            {
                "turns": [
                    Turn(None),
                    Turn("What are your opening hours?", "What are your opening hours?", "Hi.", "", 500),
                ]
            },
            "not about what was asked",
        ),
        ({"turns": [Turn(None), Turn("Hello?", None, None, "", 500)]}, "could not be understood"),
        ({"ended_by": "caller"}, "ended by"),
        ({"goodbye_heard": False}, "last words"),
        ({"errors": ["31951 x"]}, "31951"),
    ],
)
def test_each_shortcoming_fails_the_call(changes, why):
    assert report_of().passed
    report = report_of(**changes)
    assert not report.passed
    assert any(why in text for text in report.shortcomings)


def test_a_caller_who_hangs_up_as_planned_makes_no_bad_call():
    assert report_of(ended_by="caller", goodbye_heard=False, left_as_planned=True).passed
    unanswered = report_of(ended_by="caller", left_as_planned=True, turns=[Turn(None), Turn("Hello?")])
    assert not unanswered.passed


async def test_sentences_need_a_voice():
    async with PhoneNetwork() as network:
        with pytest.raises(EmulatorError, match="no voice"):
            await network.call("http://127.0.0.1:9", [Say("Hello."), HangUp()])


def test_the_audible_part_of_a_recording_is_found():
    quiet = np.zeros(1600, dtype=np.int16)
    assert audible_span(np.concatenate([quiet, tone(100), quiet])) == (200, 300)
    assert audible_span(quiet) == (0, 200)


def test_the_timeline_counts_from_the_answer_and_sorts_by_time():
    clock = iter([0.0, 1.0, 2.0, 2.5]).__next__
    timeline = Timeline(clock)
    timeline.note("webhook", "a")
    timeline.answered()
    timeline.note("later", "c")
    timeline.note("earlier", "b", at_ms=100)
    assert [(entry.at_ms, entry.text) for entry in timeline.entries] == [(-1000, "a"), (100, "b"), (500, "c")]
    assert [clock_text(ms) for ms in (-400, 3240, 61_000, 600_000)] == [
        "[-00:00.4]",
        "[00:03.2]",
        "[01:01.0]",
        "[10:00.0]",
    ]
