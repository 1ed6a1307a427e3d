"""Callers are put through, and come back, also on a host that has media sockets and nothing else."""

import pytest

from calls.events.lifecycle import Accepted, TransferEnded
from calls.states import CallState
from emulator import Digits, HangUp, Wait
from emulator.line.colleague import Colleague
from tests.talking_bot import talking

DESK, BOSS = "+12025550111", "+12025550112"


def puts_through(words):
    if "1" in words:
        return [("transfer_call", {"destination": "desk", "reason": "a question"})]
    if "(" in words:
        return ["Anything else?"]
    return [("end_call", {"farewell": "Bye."})]


def asks_the_boss(words):
    if "1" in words:
        return [("transfer_call", {"destination": "boss", "reason": "a refund"})]
    if "5" in words:
        return ["Five."]
    if "(" in words or "async_tool" in words:
        return ["Anything else?"]
    return [("end_call", {"farewell": "Bye."})]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_caller_whose_colleague_is_busy_is_back_with_a_bot_that_knows_it(
    monkeypatch, tmp_path, carrier
):
    async with talking(monkeypatch, tmp_path, carrier, puts_through, webhooks=False) as bot:
        result = await bot.network.call(
            bot.url.replace("http", "ws") + "/ws",
            [Digits("1#"), Wait(12), Digits("2#")],
            colleagues=[Colleague(DESK, 0.2, "busy")],
        )
        (call,) = bot.store.list()
    assert result.report.errors == []
    assert [one.outcome for one in result.colleagues] == ["busy"]
    assert call.last(TransferEnded).data["outcome"] == "busy"
    # The carrier's list is some seconds old: nobody waits for it in silence.
    filler = "One moment."
    heard = ["Hello.", "One moment.", filler, "It is busy.", "Anything else?", "Bye."]
    assert texts(call, "bot_heard") == heard
    assert call.state is CallState.COMPLETED


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_colleague_who_accepts_gets_the_caller(monkeypatch, tmp_path, carrier):
    async with talking(monkeypatch, tmp_path, carrier, asks_the_boss, webhooks=False) as bot:
        bot.network.add_person(Colleague(BOSS, 0.3, "answers", [Wait(1), Digits("1"), Wait(4), HangUp()]))
        result = await bot.network.call(bot.url.replace("http", "ws") + "/ws", [Digits("1#")])
        calls = {call.direction.value: call for call in bot.store.list()}
    caller, colleague = calls["inbound"], calls["outbound"]
    assert result.report.errors == []
    assert caller.last(TransferEnded).data["outcome"] == "connected"
    assert colleague.has(Accepted)
