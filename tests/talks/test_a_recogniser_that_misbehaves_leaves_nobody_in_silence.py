"""Whatever a hosted recogniser does or does not do, a caller who speaks is answered: at least that the line is bad."""

from contextlib import asynccontextmanager
from functools import partial

import pytest

from calls.states import EndedBy
from conversation import pipeline
from conversation.turns.ear import Ear
from emulator import Audio, Digits, tone
from tests import fake_services as fake
from tests.fake_ears import deepgram_ears
from tests.fake_services import endpoint, socket_service
from tests.hosted import IMPATIENT_AGENT, SOON, hosted_at, openai_ears, socket_ears
from tests.talking_bot import talking
from tests.tone_services import ToneActivity

APOLOGY = "I am broken. Bye."
BAD_LINE = "A bad line."
SPEECH = Audio(tone(1500), "What are your hours?")
WORDS = "what are your hours"

LIMIT_SECS = 3.0
SLACK = 1.0
"""How much later a loaded machine may be, in seconds."""

ALL_TURNS_ANSWERED = (["Hello.", BAD_LINE, BAD_LINE, APOLOGY], ["Hello.", BAD_LINE, APOLOGY])

OVER_HTTP = {
    "500": fake.status(500),
    "429 with a minute to wait": fake.status(429, "Retry-After: 60"),
    "no answer": fake.no_answer(),
    "headers and no answer": fake.only_headers(),
    "a closed connection": fake.closes(),
    "garbage": fake.garbage(),
    "no words": fake.transcript(""),
}
BY_SOCKET = ["is silent", "closes", "aborts", "sends garbage"]


def answers(words):
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["We are open."] if "hours" in words or "1" in words else ["Pardon?"]


def calling(monkeypatch, tmp_path, ears, carrier="twilio"):
    monkeypatch.setattr(pipeline, "open_ear", lambda *_, **__: Ear(ToneActivity()))
    keys = {"OPENAI_API_KEY": "k", "DEEPGRAM_API_KEY": "k"}
    times = {name.upper(): str(secs) for name, secs in SOON.items()}
    return talking(monkeypatch, tmp_path, carrier, answers, agent=IMPATIENT_AGENT, ears=ears, **keys, **times)


@asynccontextmanager
async def calling_deepgram(monkeypatch, tmp_path, *peers, carrier="twilio"):
    async with socket_service(*peers) as service:
        hosted_at(monkeypatch, "stt", "deepgram", service.url)
        async with calling(monkeypatch, tmp_path, lambda: socket_ears("deepgram"), carrier) as bot:
            yield bot


def texts(call):
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


def is_told_and_let_go(bot, result):
    """Told in time that the line is bad, twice unless it is lost before, and then said goodbye to."""
    (call,) = bot.store.list()
    assert texts(call) in ALL_TURNS_ANSWERED
    ends, begins = turns(result)
    print("spoken to after", [f"{begin - end:.2f} s" for end, begin in zip(ends, begins, strict=False)])
    assert begins[0] - ends[0] < LIMIT_SECS + SLACK
    fired = [(event.data["stage"], event.data["cause"]) for event in call.events if event.kind == "dead_air"]
    assert [stage for stage, _ in fired] in (["way_on", "way_on", "fallback"], ["way_on", "fallback"])
    assert {cause for _, cause in fired} <= {"recogniser_silent", "recogniser_failed"}
    assert call.ended_by is EndedBy.ERROR
    assert call.end_cause.startswith(("dead air: recogniser_", "STT failed"))


def turns(result):
    """When the caller ended a turn, and when the bot began to speak after it; in seconds."""
    entries = result.timeline.entries
    ends = [
        entry.at_ms / 1000 for entry in entries if entry.kind == "caller_speech" and "stops" in entry.text
    ]
    starts = [
        entry.at_ms / 1000 for entry in entries if entry.kind == "bot_speech" and "starts" in entry.text
    ]
    return ends, [next((start for start in starts if start > end), 99.0) for end in ends]


@pytest.mark.parametrize("what", OVER_HTTP)
async def test_for_ever_over_http(monkeypatch, tmp_path, what):
    async with endpoint(OVER_HTTP[what]) as service:
        async with calling(monkeypatch, tmp_path, lambda: openai_ears(service.url)) as bot:
            result = await bot.network.call(bot.url, [SPEECH, SPEECH, SPEECH])
    is_told_and_let_go(bot, result)


@pytest.mark.parametrize("what", ["500", "429 with a minute to wait", "a closed connection", "garbage"])
async def test_once_over_http_costs_a_moment(monkeypatch, tmp_path, what):
    async with endpoint(OVER_HTTP[what], fake.transcript(WORDS)) as service:
        async with calling(monkeypatch, tmp_path, lambda: openai_ears(service.url), "telnyx") as bot:
            await bot.network.call(bot.url, [SPEECH, Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Bye."]


@pytest.mark.parametrize("where", ["connecting", "shaking hands"])
async def test_a_connection_that_hangs_over_http(monkeypatch, tmp_path, where):
    async with fake.full_port() if where == "connecting" else fake.mute_socket() as port:
        url = f"{'http' if where == 'connecting' else 'https'}://127.0.0.1:{port}/v1"
        async with calling(monkeypatch, tmp_path, lambda: openai_ears(url)) as bot:
            result = await bot.network.call(bot.url, [SPEECH, SPEECH, SPEECH])
    is_told_and_let_go(bot, result)


@pytest.mark.parametrize(("way", "carrier"), list(zip(BY_SOCKET, ["twilio", "telnyx"] * 2, strict=True)))
async def test_for_ever_over_a_socket(monkeypatch, tmp_path, way, carrier):
    async with calling_deepgram(monkeypatch, tmp_path, deepgram_ears(WORDS, way), carrier=carrier) as bot:
        result = await bot.network.call(bot.url, [SPEECH, SPEECH, SPEECH])
    is_told_and_let_go(bot, result)


@pytest.mark.parametrize("way", BY_SOCKET)
async def test_once_over_a_socket_is_asked_for_again(monkeypatch, tmp_path, way):
    ears = deepgram_ears(WORDS, way, "understands")
    async with calling_deepgram(monkeypatch, tmp_path, ears) as bot:
        result = await bot.network.call(bot.url, [SPEECH, SPEECH, Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", BAD_LINE, "We are open.", "Bye."]
    assert result.report.goodbye_heard


@pytest.mark.parametrize("where", ["connecting", "shaking hands"])
async def test_a_socket_that_hangs_holds_no_greeting_up_and_keys_work(monkeypatch, tmp_path, where):
    async with fake.full_port() if where == "connecting" else fake.mute_socket() as port:
        hosted_at(monkeypatch, "stt", "deepgram", f"ws://127.0.0.1:{port}")
        ears = partial(socket_ears, "deepgram", connect_secs=3)
        async with calling(monkeypatch, tmp_path, ears) as bot:
            result = await bot.network.call(bot.url, [SPEECH, Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", BAD_LINE, "We are open.", "Bye."]
    opened = next(entry.at_ms for entry in result.timeline.entries if entry.kind == "stream_open")
    print(f"greeted after {(result.report.first_audio_ms - opened) / 1000:.2f} s")
    assert result.report.first_audio_ms - opened < 1500, "the greeting does not wait for the recogniser"


async def test_a_key_that_is_rejected(monkeypatch, tmp_path):
    async with calling_deepgram(monkeypatch, tmp_path, 401) as bot:
        result = await bot.network.call(bot.url, [SPEECH])
    (call,) = bot.store.list()
    assert texts(call)[-1] == APOLOGY
    assert result.report.goodbye_heard
    assert (call.ended_by, call.end_cause) == (EndedBy.ERROR, "STT failed")
    assert [event.data["cause"] for event in call.events if event.kind == "dead_air"] == ["recogniser_failed"]
