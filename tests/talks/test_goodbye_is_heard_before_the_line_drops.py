"""A caller hears the whole goodbye, and then the line drops: in this order, on both carriers, whatever fails."""

import pytest

from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from emulator.line.impairments import IDEAL
from tests.talking_bot import MS_PER_CHARACTER, talking

FAREWELL = "Thank you for calling. Goodbye."


def says_goodbye(words):
    return [("end_call", {"farewell": FAREWELL})]


def last_speech_ms(result):
    """How long the last thing that the caller heard was."""
    speech = [entry.data for entry in result.timeline.entries if entry.kind == "bot_speech"]
    last = [data for data in speech if data["edge"] == "stop"][-1]
    return last["end_ms"] - last["start_ms"]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_line_drops_after_the_last_word_was_played(monkeypatch, tmp_path, carrier):
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye) as bot:
        result = await bot.network.call(bot.url, [Digits("1#")])
    report = result.report
    assert report.errors == []
    assert report.ended_by == "bot"
    assert report.goodbye_heard
    assert report.marks_returned == report.marks_sent
    assert 0 <= report.hangup_after_goodbye_ms < 1500

    (call,) = bot.store.list()
    assert call.state is CallState.COMPLETED
    assert call.ended_by is EndedBy.BOT
    before = [event.kind for event in call.events].index("hang_up")
    assert [event.data["text"] for event in call.events[:before] if event.kind == "bot_heard"] == [
        "Hello.",
        FAREWELL,
    ]
    # As long on the earpiece as it was made: nothing was cut off at its end.
    assert last_speech_ms(result) == pytest.approx(len(FAREWELL) * MS_PER_CHARACTER, abs=150)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_an_ear_that_is_behind_the_carrier_hears_the_last_word_too(monkeypatch, tmp_path, carrier):
    line = IDEAL.but(ear=0.16)
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, line=line) as bot:
        report = (await bot.network.call(bot.url, [Digits("1#")])).report
    assert report.goodbye_heard, report.errors
    assert report.seams[-1].unplayed_ms == 0

    async with talking(
        monkeypatch, tmp_path, carrier, says_goodbye, line=line, HANG_UP_PAUSE_SECS="0"
    ) as bot:
        # A busy machine hangs up so late that the word is heard all the same, but not each time.
        calls = [await bot.network.call(bot.url, [Digits("1#")]) for _ in range(3)]
    assert not all(call.report.goodbye_heard for call in calls)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_gaps_in_the_delivery_tear_no_holes_into_what_is_said(monkeypatch, tmp_path, carrier):
    line = IDEAL.but(burst=0.29, burst_every=0.2)
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, line=line) as bot:
        # The first call loads what is loaded once.
        await bot.network.call(bot.url, [HangUp(after_reply=True)])
        report = (await bot.network.call(bot.url, [Digits("1#")])).report
    assert report.goodbye_heard
    assert report.underruns == 0


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_caller_who_presses_keys_over_the_goodbye_still_hears_all_of_it(
    monkeypatch, tmp_path, carrier
):
    script = [Digits("1#"), Digits("ww23#", after_reply=False)]
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye) as bot:
        result = await bot.network.call(bot.url, script)
    assert result.report.ended_by == "bot"
    assert result.report.goodbye_heard
    assert last_speech_ms(result) == pytest.approx(len(FAREWELL) * MS_PER_CHARACTER, abs=150)
    assert texts(bot.store.list()[0], "bot_heard")[-1] == FAREWELL


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(
            {
                name: ""
                for name in (
                    "TWILIO_ACCOUNT_SID",
                    "TWILIO_AUTH_TOKEN",
                    "TWILIO_API_KEY",
                    "TWILIO_API_SECRET",
                    "TELNYX_API_KEY",
                    "TELNYX_PUBLIC_KEY",
                    "TELNYX_CONNECTION_ID",
                    "TELNYX_ACCOUNT_SID",
                )
            },
            id="no credentials",
        ),
        pytest.param({"TWILIO_API_BASE_URL": "http://127.0.0.1:9"}, id="carrier does not answer"),
    ],
)
async def test_without_the_carrier_s_help_the_goodbye_is_heard_and_the_socket_closed(
    monkeypatch, tmp_path, environment
):
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, **environment) as bot:
        result = await bot.network.call(bot.url, [Digits("1#")])
    assert result.report.ended_by == "bot"
    assert result.report.goodbye_heard
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.BOT
    assert "hang_up_failed" in [event.kind for event in call.events]


async def test_a_caller_who_hangs_up_during_the_goodbye_ended_the_call(monkeypatch, tmp_path):
    script = [Digits("1#"), Wait(0.7), HangUp()]
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye) as bot:
        result = await bot.network.call(bot.url, script)
    assert result.report.ended_by == "caller"
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.CALLER
    assert FAREWELL not in texts(call, "bot_heard")


async def test_the_caller_may_hang_up_first(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye) as bot:
        result = await bot.network.call(bot.url, [HangUp(after_reply=True)])
    assert result.report.ended_by == "caller"
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.CALLER
    assert "hang_up" not in [event.kind for event in call.events]
