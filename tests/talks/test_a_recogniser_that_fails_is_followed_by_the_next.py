"""A recogniser of a list that fails: the next one gets the caller's sound, and nothing has to be said again."""

import pytest

from calls.states import EndedBy
from emulator import Audio, Digits, tone
from tests import fake_services as fake
from tests.failing_over import NEXT_SECS, failed_over, failing_over, texts
from tests.fake_ears import deepgram_ears
from tests.fake_services import endpoint, socket_service

SPEECH = Audio(tone(1500), "What are your hours?")
WORDS = "What are your hours?"

WAYS = {
    "refuses the key": 401,
    "has too many requests": 429,
    "has a fault": 500,
    "is silent": deepgram_ears(WORDS, "is silent"),
    "closes in mid-speech": deepgram_ears(WORDS, "closes"),
    "aborts in mid-speech": deepgram_ears(WORDS, "aborts"),
    "sends garbage": deepgram_ears(WORDS, "sends garbage"),
}


def answers(words):
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["We are open."] if "hours" in words else ["Pardon?"]


def after_speech(result):
    """How long after the caller's speech the bot was heard, in seconds."""
    entries = result.timeline.entries
    stops = next(entry.at_ms for entry in entries if entry.kind == "caller_speech" and "stops" in entry.text)
    starts = [entry.at_ms for entry in entries if entry.kind == "bot_speech" and "starts" in entry.text]
    return (next(start for start in starts if start > stops) - stops) / 1000


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("way", WAYS)
async def test_nothing_has_to_be_said_again(monkeypatch, tmp_path, carrier, way):
    async with (
        socket_service(WAYS[way]) as first,
        endpoint(fake.transcript(WORDS)) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "stt",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [SPEECH, Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Bye."]
    assert texts(call, "caller_said")[0] == WORDS
    assert [one[:3] for one in failed_over(call)] == [("stt", "deepgram", "openai")]
    assert after_speech(result) < NEXT_SECS


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_first_of_two_over_http(monkeypatch, tmp_path, carrier):
    async with (
        endpoint(fake.no_answer()) as first,
        socket_service(deepgram_ears(WORDS, "understands")) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "stt",
            ["openai", "deepgram"],
            answers,
            at={"openai": first.url, "deepgram": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [SPEECH, Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Bye."]
    assert after_speech(result) < NEXT_SECS


async def test_a_noise_is_no_fault_of_the_recognisers(monkeypatch, tmp_path):
    """Where the second one hears no words either, the first one stays, and new calls take it as before."""
    async with (
        socket_service(deepgram_ears("Nothing.", "is silent", "understands")) as first,
        endpoint(fake.transcript("")) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            "twilio",
            "stt",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        await bot.network.call(bot.url, [SPEECH, Digits("2#")])
    (call,) = bot.store.list()
    assert failed_over(call) == []
    assert len(second.requests) >= 1


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_every_recogniser_is_down(monkeypatch, tmp_path, carrier):
    async with (
        socket_service(401) as first,
        endpoint(fake.status(401)) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "stt",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [SPEECH, SPEECH, SPEECH])
    (call,) = bot.store.list()
    greeting, *bad_lines, apology = texts(call)
    assert greeting == "Hello."
    assert 1 <= len(bad_lines) <= 2
    assert all("the line is bad" in line for line in bad_lines)
    assert apology.startswith("I'm sorry, I have a technical problem.")
    assert call.ended_by is EndedBy.ERROR
    assert result.report.goodbye_heard
