"""The greeting of a hosted voice that is 400 ms away begins with the media stream, once the voice has said it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from calls.transcript import Role, heard_messages
from conversation.agents.files import load_agent
from conversation.services import build_tts, kept_lines, resolve
from emulator import HangUp, Wait
from settings import load_settings
from tests import fake_services as fake
from tests.fake_services import endpoint, socket_service
from tests.fake_voices import SPEAKS, cartesia_voice, deepgram_voice, elevenlabs_voice
from tests.hosted import hosted_at, openai_voice, socket_voice
from tests.talking_bot import QUICK_AGENT, talking

LATE_SECS = 0.4
"""How far away the voices are."""

AT_ONCE_MS = 390
"""What is asked live cannot be heard by then; the rest is for busy machines. The figures: docs/conversation.md."""

GREETING = "Hello."

PATIENT = {"first_audio_secs": 6, "connect_secs": 5, "stall_secs": 5}
"""A busy machine is no fault of the voice."""

SOCKETS = {"deepgram": deepgram_voice, "cartesia": cartesia_voice, "elevenlabs": elevenlabs_voice}


def greeted_after_ms(result):
    """From the opening of the media stream to the first sound that the caller hears."""
    entries = result.timeline.entries
    opened = next(entry.at_ms for entry in entries if entry.kind == "stream_open")
    return next(entry.at_ms for entry in entries if entry.kind == "bot_speech") - opened


@asynccontextmanager
async def voice_at(monkeypatch, vendor, carrier_rate=None):
    """A vendor's voice on this machine: what builds Pipecat's service for it, and what tells how often it was asked."""
    if vendor == "openai":
        async with endpoint(fake.late(LATE_SECS, fake.audio(0.5))) as service:
            yield lambda: openai_voice(service.url, **PATIENT), lambda: len(service.requests)
        return
    asked = []
    speaks = SOCKETS[vendor](SPEAKS, late_secs=LATE_SECS, asked=asked)
    async with socket_service(speaks) as service:
        hosted_at(monkeypatch, "tts", vendor, service.url)
        yield lambda: socket_voice(vendor, **PATIENT), lambda: len(asked)


@pytest.mark.parametrize(
    ("vendor", "carrier"),
    [("openai", "twilio"), ("deepgram", "telnyx"), ("cartesia", "twilio"), ("elevenlabs", "telnyx")],
)
async def test_the_second_call_does_not_wait_for_the_voice(monkeypatch, tmp_path, vendor, carrier):
    monkeypatch.setenv("VOICE_CACHE_MB", "8")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    async with voice_at(monkeypatch, vendor) as (voice, times_asked):
        async with talking(monkeypatch, tmp_path, carrier, lambda _: ["Yes."], voice=voice) as bot:
            results = [await bot.network.call(bot.url, [Wait(3), HangUp()]) for _ in range(3)]
    first, *others = [greeted_after_ms(result) for result in results]
    print(vendor, first, others)
    assert first > LATE_SECS * 1000
    assert max(others) < AT_ONCE_MS
    assert times_asked() == 1
    for call in bot.store.list():
        said = [one.text for one in heard_messages(call.events) if one.role is Role.BOT]
        assert said == [GREETING], "what is kept is told of as what the voice says live"


def starting(monkeypatch, tmp_path, url):
    """A server whose agent names a voice at an address, and is built as it is."""

    def voice():
        settings = load_settings(**PATIENT)
        who = load_agent("quick", tmp_path)
        return build_tts(resolve(who, settings), who, settings)

    monkeypatch.setenv("VOICE_CACHE_MB", "8")
    agent = QUICK_AGENT + '[services]\ntts = "openai"\n'
    return talking(
        monkeypatch, tmp_path, "twilio", lambda _: ["Yes."], voice=voice, agent=agent, OPENAI_BASE_URL=url
    )


async def test_the_first_call_does_not_wait_either_when_the_start_has_had_the_time(monkeypatch, tmp_path):
    async with endpoint(fake.late(LATE_SECS, fake.audio(0.5))) as service:
        async with starting(monkeypatch, tmp_path, service.url) as bot:
            async with asyncio.timeout(30):
                while not kept_lines(load_settings()).entries():
                    await asyncio.sleep(0.05)
            result = await bot.network.call(bot.url, [Wait(3), HangUp()])
    print(greeted_after_ms(result))
    assert greeted_after_ms(result) < AT_ONCE_MS
    assert [one["input"] for one in service.requests].count(GREETING) == 1


async def test_a_start_neither_waits_for_the_provider_nor_fails_with_it(monkeypatch, tmp_path):
    refuses = fake.late(1.0, fake.status(500))
    async with endpoint(refuses, refuses, fake.audio(0.5)) as service:
        async with starting(monkeypatch, tmp_path, service.url) as bot:
            async with asyncio.timeout(30):
                while len(service.requests) < 2:
                    await asyncio.sleep(0.05)
            result = await bot.network.call(bot.url, [Wait(3), HangUp()])
    print(greeted_after_ms(result))
    (call,) = bot.store.list()
    said = [one.text for one in heard_messages(call.events) if one.role is Role.BOT]
    assert said == [GREETING], "the voice is asked live"
    assert kept_lines(load_settings(data_dir=tmp_path)).entries()
