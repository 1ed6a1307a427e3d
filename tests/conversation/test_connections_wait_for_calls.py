"""With PRECONNECT, a voice's connection is open before a call needs it; without, requests share what is open."""

import asyncio

import pytest
from websockets.asyncio.client import connect

from conversation.ahead import connections
from conversation.ahead.connections import Spares, shared_http_client
from conversation.services import build_llm, build_tts, resolve
from conversation.services.readiness import _Speaking
from settings import load_settings
from tests.conversation.test_services_are_chosen_by_name import agent
from tests.fake_services import socket_service
from tests.fake_voices import SPEAKS, cartesia_voice, deepgram_voice, elevenlabs_voice
from tests.hosted import hosted_at

PEERS = {"cartesia": cartesia_voice, "elevenlabs": elevenlabs_voice, "deepgram": deepgram_voice}
HANDSHAKE_SECS = 0.3


async def stays(socket):
    await socket.wait_closed()


async def until(condition, secs=5.0):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.01)


async def one_call(vendor, **given):
    """The voice of a call that says one word and ends."""
    settings = load_settings(**{f"{vendor}_api_key": "k"}, connect_secs=5, first_audio_secs=6, **given)
    who = agent(tts=vendor)
    voice = build_tts(resolve(who, settings), who, settings)
    async with _Speaking(voice, 8000):
        await until(lambda: voice._websocket is not None)
        return voice._websocket


@pytest.mark.parametrize("vendor", ["cartesia", "elevenlabs"])
async def test_the_next_call_gets_a_connection_that_is_open(monkeypatch, vendor):
    async with socket_service(PEERS[vendor](SPEAKS), late_secs=HANDSHAKE_SECS) as service:
        hosted_at(monkeypatch, "tts", vendor, service.url)
        await one_call(vendor, preconnect=2)
        await until(lambda: service.connections >= 3)
        (spares,) = connections._spares[asyncio.get_running_loop()].values()
        await until(lambda: len(spares._waiting) == 2)
        ready = {connection for _, connection in spares._waiting}
        assert await one_call(vendor, preconnect=2) in ready
        await until(lambda: len(spares._waiting) == 2)
        assert service.connections == 4, "one was taken, and one has taken its place"
        spares._keeping.cancel()


@pytest.mark.parametrize(("vendor", "preconnect"), [("deepgram", 2), ("cartesia", 0)])
async def test_none_waits_where_a_provider_does_not_say_so_or_nobody_wants_it(
    monkeypatch, vendor, preconnect
):
    async with socket_service(PEERS[vendor](SPEAKS)) as service:
        hosted_at(monkeypatch, "tts", vendor, service.url)
        for _ in range(2):
            await one_call(vendor, preconnect=preconnect)
        assert service.connections == 2


async def test_one_is_replaced_before_its_provider_closes_it():
    async with socket_service(stays) as service:
        spares = Spares(lambda: connect(service.url), 1, idle_secs=0.4)
        assert spares.take() is None
        await until(lambda: service.connections >= 3)
        assert len(spares._waiting) <= 2
        spares._keeping.cancel()


async def test_one_that_was_closed_is_not_handed_out():
    async def closes(socket):
        await asyncio.sleep(0.1)
        await socket.close()

    async with socket_service(closes, stays) as service:
        spares = Spares(lambda: connect(service.url), 1, idle_secs=60)
        assert spares.take() is None
        await until(lambda: bool(spares._waiting))
        await asyncio.sleep(0.3)
        assert spares.take() is None, "the call opens its own"
        await until(lambda: bool(spares._waiting))
        assert spares.take() is not None
        spares._keeping.cancel()


async def test_a_provider_that_refuses_is_not_asked_again_and_again():
    async with socket_service(429) as service:
        spares = Spares(lambda: connect(service.url), 2, idle_secs=60)
        for _ in range(5):
            assert spares.take() is None
            await asyncio.sleep(0.05)
        assert service.connections == 1
        spares._keeping.cancel()


async def test_calls_share_the_connections_of_their_models_and_voices():
    settings = load_settings(openai_api_key="k", anthropic_api_key="k")
    who = agent(llm="openai", tts="openai")
    choice = resolve(who, settings)
    built = [
        build_llm(choice, who, settings),
        build_llm(choice, who, settings),
        build_tts(choice, who, settings),
    ]
    assert {id(service._client._client) for service in built} == {id(shared_http_client())}
    assert (built[0]._client.timeout.read, built[2]._client.timeout.read) == (4, 3), (
        "with time-outs of their own"
    )
    who = agent(llm="anthropic")
    claude = build_llm(resolve(who, settings), who, settings)
    assert claude._client._client is shared_http_client("anthropic")
