"""A voice of a list that fails: the next one says what is unsaid, and nothing twice. Through Pipecat's services."""

from itertools import pairwise

import pytest

from calls.states import EndedBy
from emulator import Digits, Wait
from tests import fake_services as fake
from tests.failing_over import NEXT_SECS, failed_over, failing_over, speech, texts
from tests.fake_services import endpoint, socket_service
from tests.fake_voices import cartesia_voice, deepgram_voice


def answers(words):
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["We are open from nine to five every day."]


BY_SOCKET = {
    "refuses the key": 401,
    "has too many requests": 429,
    "has a fault": 500,
    "is silent": deepgram_voice("is silent"),
    "gives no audio": deepgram_voice("gives no audio"),
    "closes": deepgram_voice("closes"),
    "aborts": deepgram_voice("aborts"),
}


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("way", BY_SOCKET)
async def test_from_the_greeting_on(monkeypatch, tmp_path, carrier, way):
    async with (
        socket_service(BY_SOCKET[way]) as first,
        endpoint(fake.audio(1.0)) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "tts",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open from nine to five every day.", "Bye."]
    assert [one[:3] for one in failed_over(call)] == [("tts", "deepgram", "openai")]
    assert [request["input"] for request in second.requests] == texts(call)
    assert speech(result)[0][0] < NEXT_SECS


SENTENCE = "We are open from nine to five every day."
# Made anew for each call: they count what they have said.
IN_MID_SENTENCE = {
    "over HTTP, closes": ("openai", lambda: fake.audio_that("close")),
    "over HTTP, stalls": ("openai", lambda: fake.audio_that("stall")),
    "Deepgram stalls": ("deepgram", lambda: deepgram_voice("speaks", "stops in mid-audio")),
    "Deepgram aborts": ("deepgram", lambda: deepgram_voice("speaks", "aborts in mid-audio")),
    "Cartesia stalls": ("cartesia", lambda: cartesia_voice("speaks", "stops in mid-words")),
}


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("way", IN_MID_SENTENCE)
async def test_in_the_middle_of_a_sentence(monkeypatch, tmp_path, carrier, way):
    name, made = IN_MID_SENTENCE[way]
    peer = made()
    if name == "openai":
        services = (endpoint(fake.audio(0.4), peer), socket_service(deepgram_voice("speaks")))
        names = ["openai", "deepgram"]
    else:
        services = (socket_service(peer), endpoint(fake.audio(1.0)))
        names = [name, "openai"]
    async with (
        services[0] as first,
        services[1] as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "tts",
            names,
            answers,
            at={names[0]: first.url, names[1]: second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Digits("1#"), Wait(4), Digits("2#")])
    (call,) = bot.store.list()
    said = texts(call, "bot_said")
    assert " ".join(said) == f"Hello. {SENTENCE} Bye.", "once, in whatever pieces"
    assert [one[:3] for one in failed_over(call)] == [("tts", *names)]
    if names[1] == "openai":
        rest = second.requests[0]["input"]
        assert SENTENCE.endswith(rest)
        assert len(rest) < len(SENTENCE)
    keys = [entry.at_ms / 1000 for entry in result.timeline.entries if entry.text == "#"]
    pieces = [piece for piece in speech(result) if keys[0] < piece[0] < keys[1]]
    gaps = [begins - ends for (_, ends), (begins, _) in pairwise(pieces)]
    assert all(gap < NEXT_SECS for gap in gaps)
    assert sum(ends - begins for begins, ends in pieces) > 0.7, "the rest of the sentence follows"


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_goodbye_is_said_by_the_next_voice(monkeypatch, tmp_path, carrier):
    async with (
        socket_service(deepgram_voice("speaks", "closes")) as first,
        endpoint(fake.audio(1.0)) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "tts",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Bye."]
    assert call.ended_by is EndedBy.BOT
    assert result.report.goodbye_heard


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_every_voice_is_down(monkeypatch, tmp_path, carrier):
    """At last the carrier's own voice apologises."""
    async with (
        socket_service(401) as first,
        endpoint(fake.status(401)) as second,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "tts",
            ["deepgram", "openai"],
            answers,
            at={"deepgram": first.url, "openai": second.url},
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Wait(6)])
    (call,) = bot.store.list()
    spoken = [entry.text for entry in result.timeline.entries if entry.kind == "say"]
    assert any("technical problem" in text for text in spoken)
    assert call.ended_by is EndedBy.ERROR


async def test_at_last_the_local_voice_speaks(monkeypatch, tmp_path):
    async with (
        socket_service(401) as first,
        failing_over(
            monkeypatch,
            tmp_path,
            "twilio",
            "tts",
            ["deepgram"],
            answers,
            at={"deepgram": first.url},
            local=True,
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Digits("2#")])
    (call,) = bot.store.list()
    assert failed_over(call) == [("tts", "deepgram", "local", "failed")]
    assert texts(call) == ["Hello.", "Bye."]
    assert result.report.goodbye_heard
