"""On a bare media socket, as on Pipecat Cloud, the called number chooses the agent where nothing else does."""

import asyncio

import pytest

from calls.events.talk import BotHeard
from calls.store import CallStore
from carriers.carrier import CarrierCall
from conversation.lookup import learn_numbers, who_calls
from emulator import HangUp, Wait
from emulator.network import BOT_NUMBER
from settings import load_settings
from tests.talking_bot import talking

AGENT = 'greeting = "Hello from {{ agent }}."\ninstructions = "x"\n[limits]\nsilence_secs = 30\n'
LISTENS = [Wait(4), HangUp()]


def bind(tmp_path):
    (tmp_path / "sales.toml").write_text(f'numbers = ["{BOT_NUMBER}"]\n{AGENT}')
    (tmp_path / "other.toml").write_text(AGENT)


def greeting(store):
    (call,) = [call for call in store.list() if call.has(BotHeard)]
    return call.last(BotHeard).data["text"], call.agent


def nothing(_):
    return []


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("webhooks", [False, True])
async def test_the_number_that_was_called_chooses_the_agent(monkeypatch, tmp_path, carrier, webhooks):
    # Twilio's `start` has no numbers: the carrier is asked for them
    bind(tmp_path)
    async with talking(
        monkeypatch,
        tmp_path,
        carrier,
        nothing,
        agent=AGENT,
        webhooks=webhooks,
        ALLOW_TOKENLESS_STREAMS="true",
    ) as bot:
        path = f"/ws/{carrier}" if webhooks else "/ws"
        await bot.network.call(bot.url.replace("http", "ws") + path, LISTENS)
        assert greeting(bot.store) == ("Hello from sales.", "sales")


async def test_an_agent_that_the_service_host_names_wins(monkeypatch, tmp_path):
    bind(tmp_path)
    async with talking(monkeypatch, tmp_path, "telnyx", nothing, agent=AGENT, webhooks=False) as bot:
        url = bot.url.replace("http", "ws") + "/ws?serviceHost=other.my-org"
        await bot.network.call(url, LISTENS)
        assert greeting(bot.store) == ("Hello from other.", "other")


async def test_a_service_host_that_is_no_agent_of_ours_does_not(monkeypatch, tmp_path):
    bind(tmp_path)
    async with talking(monkeypatch, tmp_path, "telnyx", nothing, agent=AGENT, webhooks=False) as bot:
        url = bot.url.replace("http", "ws") + "/ws?serviceHost=a-deployment.my-org"
        await bot.network.call(url, LISTENS)
        assert greeting(bot.store) == ("Hello from sales.", "sales")


class Line:
    """A carrier that takes its time over the numbers."""

    def __init__(self, secs):
        self.secs, self.asked = secs, 0

    async def fetch_call(self, call_id):
        self.asked += 1
        await asyncio.sleep(self.secs)
        return CarrierCall(call_id, None, from_number="+12025550143", to_number=BOT_NUMBER)


async def test_the_carrier_is_asked_once_and_the_greeting_waits_for_one_budget():
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1")
    line, settings = Line(0.4), load_settings(caller_lookup_budget_ms=200)
    clock = asyncio.get_running_loop().time
    began = clock()
    asked_secs = await learn_numbers(call, line, settings)
    assert 0.15 < asked_secs
    await who_calls(call, line, settings, asked_secs=asked_secs)
    assert clock() - began < 0.38
    async with asyncio.timeout(5):
        while call.to_number is None:
            await asyncio.sleep(0.01)
    assert line.asked == 1
