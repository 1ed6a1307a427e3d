"""What travels in the address of a media socket, or with a request to dial, is a variable of the agent's texts."""

import base64
import json

import httpx
import pytest

from calls.events.talk import Attached, BotHeard
from calls.states import CallState
from emulator import HangUp, Wait
from emulator.line.colleague import Colleague
from tests.talking_bot import API_KEY, talking

AGENT = """
greeting = "Hello {{ customer or user.firstName or 'stranger' }}."
instructions = "Answer in one word."
[limits]
silence_secs = 30
"""

LISTENS = [Wait(4), HangUp()]


def nothing(_):
    return []


def greeting_of(store):
    (call,) = [call for call in store.list() if call.has(BotHeard)]
    return call, call.last(BotHeard).data["text"]


def encoded(body):
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


async def test_a_telnyx_address_on_our_server_names_the_customer(monkeypatch, tmp_path):
    async with talking(
        monkeypatch, tmp_path, "telnyx", nothing, agent=AGENT, ALLOW_TOKENLESS_STREAMS="true"
    ) as bot:
        url = bot.url.replace("http", "ws") + "/ws/telnyx?serviceHost=quick.my-org&customer=Ann"
        result = await bot.network.call(url, LISTENS)
        _, greeting = greeting_of(bot.store)
    assert result.report.errors == []
    assert greeting == "Hello Ann."


async def test_a_nested_body_reaches_the_agent_on_pipecat_cloud(monkeypatch, tmp_path):
    # At Twilio an address has no query: there the parameters of its document are all.
    body = {"user": {"id": "user123", "firstName": "John"}, "campaign": "renewal_reminder"}
    async with talking(monkeypatch, tmp_path, "telnyx", nothing, agent=AGENT, webhooks=False) as bot:
        url = f"{bot.url.replace('http', 'ws')}/ws?body={encoded(body)}"
        result = await bot.network.call(url, LISTENS)
        _, greeting = greeting_of(bot.store)
    assert result.report.errors == []
    assert greeting == "Hello John."


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_nested_parameter_of_a_request_to_dial_reaches_the_agent(monkeypatch, tmp_path, carrier):
    number = "+12025550143"
    async with talking(
        monkeypatch,
        tmp_path,
        carrier,
        nothing,
        agent=AGENT,
        CALLER_ID="+12025550100",
        ALLOW_TOKENLESS_STREAMS="true",
    ) as bot:
        bot.network.add_person(Colleague(number, 0.2, "answers", LISTENS))
        async with httpx.AsyncClient(
            base_url=bot.url, headers={"Authorization": f"Bearer {API_KEY}"}
        ) as http:
            order = {
                "to": number,
                "carrier": carrier,
                "machine_detection": False,
                "parameters": {"user": {"firstName": "John"}},
            }
            placed = await http.post("/calls", json=order)
        assert placed.status_code in (200, 201, 202), placed.text
        await bot.network.next_result(number)
        _, greeting = greeting_of(bot.store)
    assert greeting == "Hello John."


@pytest.mark.parametrize(
    "query",
    [
        "role=colleague&for_call={id}",
        "call_id={id}",
        "body={body}",
        "body=" + encoded({"call_id": {"no": "text"}}),
        "peer=x&destination=desk&about=money&customer=Eve",
    ],
)
async def test_a_stranger_cannot_become_a_colleague_or_another_call_by_an_address(
    monkeypatch, tmp_path, query
):
    async with talking(
        monkeypatch, tmp_path, "telnyx", nothing, agent=AGENT, ALLOW_TOKENLESS_STREAMS="true"
    ) as bot:
        victim = bot.store.open(
            carrier="telnyx", carrier_call_id="v3:victim", direction="inbound", parameters={"customer": "Vic"}
        )
        victim.move(CallState.IN_PROGRESS, cause="test")
        private = encoded({"role": "colleague", "for_call": victim.id, "call_id": victim.id})
        url = bot.url.replace("http", "ws") + "/ws/telnyx?" + query.format(id=victim.id, body=private)
        await bot.network.call(url, LISTENS)
        call, greeting = greeting_of(bot.store)
    assert call is not victim
    assert not set(call.parameters) & {"role", "for_call", "peer", "destination", "about", "call_id"}
    assert greeting in ("Hello stranger.", "Hello Eve.")
    assert not victim.has(Attached)
    assert victim.parameters == {"customer": "Vic"}
