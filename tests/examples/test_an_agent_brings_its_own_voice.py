"""`examples/own_voice`: the class beside the agent's file speaks on a call, and fails as any voice does."""

import shutil
from functools import partial

import pytest

from conversation.agents.files import load_agent
from conversation.services import build_tts, check, resolve
from emulator import HangUp, Wait
from settings import ROOT, load_settings
from tests import fake_services as fake
from tests.fake_services import endpoint
from tests.hosted import SOON
from tests.talking_bot import talking

EXAMPLE = ROOT / "examples" / "own_voice"
AGENT = (EXAMPLE / "reception.toml").read_text(encoding="utf-8")
GREETING = "Hello, this is the workshop. What can I do for you?"


def voice(folder):
    settings = load_settings(**SOON, agents_dir=folder)
    who = load_agent("quick", folder)
    choice = resolve(who, settings)
    check(choice, settings)
    return build_tts(choice, who, settings)


def calling(monkeypatch, tmp_path, carrier, url):
    shutil.copy(EXAMPLE / "my_voice.py", tmp_path)
    agent = AGENT.replace("http://127.0.0.1:5002/speak", url)
    assert agent != AGENT
    times = {name.upper(): str(secs) for name, secs in SOON.items()}
    return talking(
        monkeypatch, tmp_path, carrier, lambda _: [], agent=agent, voice=partial(voice, tmp_path), **times
    )


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_caller_hears_it(monkeypatch, tmp_path, carrier):
    async with endpoint(fake.audio(0.8)) as server:
        async with calling(monkeypatch, tmp_path, carrier, server.url) as bot:
            result = await bot.network.call(bot.url, [Wait(4), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    heard = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    assert " ".join(heard) == GREETING
    assert [request["voice"] for request in server.requests] == ["anna"] * len(server.requests)
    assert " ".join(request["text"] for request in server.requests) == GREETING


async def test_a_server_that_fails_is_asked_again_and_then_the_carrier_speaks(monkeypatch, tmp_path):
    async with endpoint(fake.status(500)) as server:
        async with calling(monkeypatch, tmp_path, "twilio", server.url) as bot:
            result = await bot.network.call(bot.url, [Wait(8)])
    assert len(server.requests) == 2
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
