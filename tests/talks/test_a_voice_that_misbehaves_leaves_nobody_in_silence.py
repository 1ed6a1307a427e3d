"""Whatever a hosted voice does or does not do, the caller hears something: at last the carrier's own voice."""

from contextlib import asynccontextmanager
from functools import partial

import pytest

from calls.states import EndedBy
from emulator import Digits, Wait
from emulator.line.colleague import Colleague
from tests import fake_services as fake
from tests.fake_services import endpoint, socket_service
from tests.fake_voices import SPEAKS, cartesia_voice, deepgram_voice
from tests.hosted import IMPATIENT_AGENT, SOON, hosted_at, openai_voice, socket_voice
from tests.talking_bot import talking

APOLOGY = "I am broken. Bye."
TIMES = SOON | {"first_audio_secs": 1.5, "connect_secs": 1.2}
FIRST_AUDIO = TIMES["first_audio_secs"]
SLACK = 2.0
"""How much later than its time-out a loaded machine may be, in seconds."""

OVER_HTTP = {
    "no audio": fake.no_sound(),
    "500": fake.status(500),
    "401": fake.status(401),
    "429 with a minute to wait": fake.status(429, "Retry-After: 60"),
    "no answer": fake.no_answer(),
    "headers and no audio": fake.only_headers(),
    "a closed connection": fake.closes(),
    "garbage": fake.garbage(),
}

OVER_DEEPGRAM = [
    "gives no audio",
    "is silent",
    "closes",
    "says that it goes away",
    "aborts",
    "sends garbage",
]
OVER_CARTESIA = [
    "gives no audio",
    "is silent",
    "closes",
    "says that it goes away",
    "aborts",
    "reports an error",
]
BY_SOCKET = [("deepgram", way) for way in OVER_DEEPGRAM] + [("cartesia", way) for way in OVER_CARTESIA]
NOTICED = [pair for pair in BY_SOCKET if pair[1] not in ("is silent", "sends garbage")]
"""What a service reports, so that it can be asked again in time."""
PEERS = {"deepgram": deepgram_voice, "cartesia": cartesia_voice}
CARRIERS = ["twilio", "telnyx"]


def answers(words):
    return [("end_call", {"farewell": "Bye."})] if "2" in words else ["We are open."]


def calling(monkeypatch, tmp_path, voice, carrier="twilio", agent=IMPATIENT_AGENT):
    keys = {"OPENAI_API_KEY": "k", "DEEPGRAM_API_KEY": "k", "CARTESIA_API_KEY": "k"}
    times = {name.upper(): str(secs) for name, secs in TIMES.items()}
    return talking(monkeypatch, tmp_path, carrier, answers, agent=agent, voice=voice, **keys, **times)


@asynccontextmanager
async def calling_over_socket(monkeypatch, tmp_path, vendor, *peers, carrier="twilio", agent=IMPATIENT_AGENT):
    async with socket_service(*peers) as service:
        url = service.url
        hosted_at(monkeypatch, "tts", vendor, url)
        async with calling(
            monkeypatch, tmp_path, lambda: socket_voice(vendor, **TIMES), carrier, agent
        ) as bot:
            yield bot, service


def texts(call, kind="bot_heard"):
    return [event.data["text"] for event in call.events if event.kind == kind]


def owed(call):
    """What was heard of the answers, whatever filled a moment before them."""
    return [text for text in texts(call) if text in ("Hello.", "We are open.", "Bye.")]


def at(result, kind):
    return next(entry.at_ms / 1000 for entry in result.timeline.entries if entry.kind == kind)


def the_carrier_speaks(bot, result, *, heard, due_at, within=FIRST_AUDIO):
    """The caller hears the carrier's voice, soon after the bot's was due."""
    (call,) = bot.store.list()
    said = [entry for entry in result.timeline.entries if entry.kind == "say"]
    assert [entry.text for entry in said] == [APOLOGY]
    silent = said[0].at_ms / 1000 - due_at
    print(f"silent for {silent:.2f} s")
    assert silent < within + SLACK
    assert texts(call) == heard, "what made no sound was not heard"
    fired = [(event.data["stage"], event.data["cause"]) for event in call.events if event.kind == "dead_air"]
    assert fired[-1][0] == "fallback"
    assert fired[-1][1] in ("voice_silent", "voice_failed")
    assert (call.ended_by, call.end_cause) in (
        (EndedBy.ERROR, "voice failed"),
        (EndedBy.ERROR, "TTS failed"),
    )


def greeting_due(result):
    return at(result, "stream_open")


def answer_due(result):
    return next(entry.at_ms / 1000 for entry in reversed(result.timeline.entries) if entry.kind == "digits")


@pytest.mark.parametrize(("what", "carrier"), list(zip(OVER_HTTP, CARRIERS * 4, strict=True)))
async def test_a_greeting_for_ever_over_http(monkeypatch, tmp_path, what, carrier):
    async with endpoint(OVER_HTTP[what]) as service:
        async with calling(monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES), carrier) as bot:
            result = await bot.network.call(bot.url, [Wait(8)])
    the_carrier_speaks(bot, result, heard=[], due_at=greeting_due(result))
    assert len(service.requests) == 2, "asked once more, not for ever"


@pytest.mark.parametrize("what", OVER_HTTP)
async def test_an_answer_for_ever_over_http(monkeypatch, tmp_path, what):
    async with endpoint(fake.audio(0.3), OVER_HTTP[what]) as service:
        async with calling(
            monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES), "telnyx"
        ) as bot:
            result = await bot.network.call(bot.url, [Digits("1#"), Wait(8)])
    the_carrier_speaks(bot, result, heard=["Hello."], due_at=answer_due(result))


@pytest.mark.parametrize("what", OVER_HTTP)
async def test_a_goodbye_for_ever_over_http(monkeypatch, tmp_path, what):
    async with endpoint(fake.audio(0.3), OVER_HTTP[what]) as service:
        async with calling(monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES)) as bot:
            result = await bot.network.call(bot.url, [Digits("2#"), Wait(8)])
    (call,) = bot.store.list()
    assert [entry.text for entry in result.timeline.entries if entry.kind == "say"] == [APOLOGY]
    assert at(result, "say") - answer_due(result) < FIRST_AUDIO + SLACK
    assert texts(call) == ["Hello."]
    assert (call.ended_by, call.end_cause) == (EndedBy.ERROR, "voice failed")


@pytest.mark.parametrize("what", OVER_HTTP)
@pytest.mark.parametrize("before", [0, 1, 2], ids=["greeting", "answer", "goodbye"])
async def test_once_over_http_costs_a_moment_and_no_words(monkeypatch, tmp_path, what, before):
    script = [*[fake.audio(0.3)] * before, OVER_HTTP[what], fake.audio(0.3)]
    async with endpoint(*script) as service:
        async with calling(
            monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES), "telnyx"
        ) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert owed(call) == ["Hello.", "We are open.", "Bye."]
    assert call.ended_by is EndedBy.BOT


async def test_a_goodbye_that_the_model_writes(monkeypatch, tmp_path):
    monkeypatch.setattr(f"{__name__}.answers", lambda _: ["Good night.", ("end_call", {"farewell": ""})])
    voice = deepgram_voice(SPEAKS, "aborts")
    async with calling_over_socket(monkeypatch, tmp_path, "deepgram", voice) as (bot, _):
        result = await bot.network.call(bot.url, [Digits("1#"), Wait(8)])
    the_carrier_speaks(bot, result, heard=["Hello."], due_at=answer_due(result))


@pytest.mark.parametrize("ends", ["stall", "close"])
async def test_a_greeting_that_stops_in_its_middle_over_http(monkeypatch, tmp_path, ends):
    async with endpoint(fake.audio_that(ends), fake.audio(0.3)) as service:
        async with calling(monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES)) as bot:
            result = await bot.network.call(bot.url, [Wait(4), Digits("2#")])
    (call,) = bot.store.list()
    assert "Wait." in texts(call) or "Say it again?" in texts(call), "the caller is spoken to after it"
    assert texts(call)[-1] == "Bye."
    assert result.report.goodbye_heard


@pytest.mark.parametrize("where", ["connecting", "shaking hands"])
async def test_a_connection_that_hangs_over_http(monkeypatch, tmp_path, where):
    async with fake.full_port() if where == "connecting" else fake.mute_socket() as port:
        scheme = "http" if where == "connecting" else "https"
        voice = partial(openai_voice, f"{scheme}://127.0.0.1:{port}/v1", **TIMES)
        async with calling(monkeypatch, tmp_path, voice) as bot:
            result = await bot.network.call(bot.url, [Wait(8)])
    the_carrier_speaks(bot, result, heard=[], due_at=greeting_due(result))


@pytest.mark.parametrize(("voice", "carrier"), list(zip(BY_SOCKET, CARRIERS * 6, strict=True)))
async def test_a_greeting_for_ever_over_a_socket(monkeypatch, tmp_path, voice, carrier):
    vendor, way = voice
    async with calling_over_socket(monkeypatch, tmp_path, vendor, PEERS[vendor](way), carrier=carrier) as (
        bot,
        _,
    ):
        result = await bot.network.call(bot.url, [Wait(8)])
    the_carrier_speaks(bot, result, heard=[], due_at=greeting_due(result))


@pytest.mark.parametrize(("vendor", "way"), BY_SOCKET)
async def test_an_answer_for_ever_over_a_socket(monkeypatch, tmp_path, vendor, way):
    async with calling_over_socket(monkeypatch, tmp_path, vendor, PEERS[vendor](SPEAKS, way)) as (bot, _):
        result = await bot.network.call(bot.url, [Digits("1#"), Wait(8)])
    the_carrier_speaks(bot, result, heard=["Hello."], due_at=answer_due(result))


@pytest.mark.parametrize(("vendor", "way"), NOTICED)
@pytest.mark.parametrize("before", [0, 1, 2], ids=["greeting", "answer", "goodbye"])
async def test_once_over_a_socket_costs_a_moment_and_no_words(monkeypatch, tmp_path, vendor, way, before):
    voice = PEERS[vendor](*[SPEAKS] * before, way, SPEAKS)
    async with calling_over_socket(monkeypatch, tmp_path, vendor, voice) as (bot, _):
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert owed(call) == ["Hello.", "We are open.", "Bye."]
    assert call.ended_by is EndedBy.BOT


@pytest.mark.parametrize("vendor", PEERS)
@pytest.mark.parametrize(
    "what", ["refuses", "rejects the key", "hangs in connecting", "hangs in the handshake"]
)
async def test_a_socket_that_cannot_be_opened(monkeypatch, tmp_path, vendor, what):
    @asynccontextmanager
    async def place():
        if what in ("refuses", "rejects the key"):
            async with socket_service(503 if what == "refuses" else 401) as service:
                yield service.url
        elif what == "hangs in connecting":
            async with fake.full_port() as port:
                yield f"ws://127.0.0.1:{port}"
        else:
            async with fake.mute_socket() as port:
                yield f"ws://127.0.0.1:{port}"

    async with place() as url:
        hosted_at(monkeypatch, "tts", vendor, url)
        async with calling(monkeypatch, tmp_path, lambda: socket_voice(vendor, **TIMES)) as bot:
            result = await bot.network.call(bot.url, [Wait(8)])
    the_carrier_speaks(bot, result, heard=[], due_at=greeting_due(result))


async def test_a_handshake_that_fails_once_costs_a_moment(monkeypatch, tmp_path):
    async with calling_over_socket(monkeypatch, tmp_path, "deepgram", 503, deepgram_voice(SPEAKS)) as (
        bot,
        _,
    ):
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert owed(call) == ["Hello.", "We are open.", "Bye."]


@pytest.mark.parametrize("vendor", PEERS)
async def test_an_answer_that_stops_in_its_middle_over_a_socket(monkeypatch, tmp_path, vendor):
    voice = PEERS[vendor]("stops in mid-audio", SPEAKS)
    async with calling_over_socket(monkeypatch, tmp_path, vendor, voice) as (bot, _):
        await bot.network.call(bot.url, [Wait(5), Digits("2#")])
    (call,) = bot.store.list()
    assert "Wait." in texts(call) or "Say it again?" in texts(call), "the caller is spoken to after it"


async def test_a_fallback_that_needs_no_voice(monkeypatch, tmp_path):
    agent = IMPATIENT_AGENT + 'fallback = "desk"\n'
    async with endpoint(fake.status(500)) as service:
        async with calling(
            monkeypatch, tmp_path, lambda: openai_voice(service.url, **TIMES), agent=agent
        ) as bot:
            result = await bot.network.call(
                bot.url, [Wait(4)], colleagues=[Colleague("+12025550111", 0.2, "answers")]
            )
    assert [one.outcome for one in result.colleagues] == ["completed"]
