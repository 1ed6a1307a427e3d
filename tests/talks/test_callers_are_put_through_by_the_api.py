"""The operator's own program puts a caller through, over a server that takes the carrier's webhooks."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from calls.events.lifecycle import HangUpFailed, TransferStarted
from calls.states import EndedBy
from emulator import Colleague, Digits, HangUp, Wait
from tests.talking_bot import API_KEY, Talking, talking

DESK, BOSS = "+12025550111", "+12025550112"

LINES = pytest.mark.parametrize(
    ("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")]
)


def answers(words: str) -> list:
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["Anything else?"]


def texts(call) -> list[str]:
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


async def ask(bot: Talking, path: str, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        return await http.post(f"{bot.url}/calls/{path}", json=body, headers=headers)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def greeted(bot: Talking):
    await until(lambda: bot.store.list() and "Hello." in texts(bot.store.list()[0]))
    return bot.store.list()[0]


@LINES
async def test_a_caller_who_cannot_be_put_through_is_told_and_so_is_the_model(
    monkeypatch, tmp_path, carrier, mode
):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        calling = asyncio.create_task(
            bot.network.call(
                bot.url, [Wait(5), Digits("2#")], colleagues=[Colleague(DESK, 0.2, "busy")], mode=mode
            )
        )
        call = await greeted(bot)
        answer = await ask(bot, f"{call.id}/transfer", destination="desk", reason="a refund")
        assert answer.status_code == 202
        second = await ask(bot, f"{call.id}/transfer", destination="boss")
        assert (second.status_code, "being put through" in second.json()["error"]) == (409, True)
        result = await calling
    assert result.report.errors == []
    assert [one.outcome for one in result.colleagues] == ["busy"]
    assert texts(call) == ["Hello.", "One moment.", "It is busy.", "Anything else?", "Bye."]
    assert [e.data["outcome"] for e in call.events if e.kind == "transfer_ended"] == ["busy"]
    assert "busy" in str(bot.contexts[0])
    assert (call.state, call.ended_by) == ("completed", EndedBy.BOT)


@LINES
async def test_a_caller_talks_with_a_colleague_until_one_of_them_hangs_up(
    monkeypatch, tmp_path, carrier, mode
):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        desk = Colleague(DESK, 0.2, "answers", [Wait(3), HangUp()])
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(30)], colleagues=[desk], mode=mode))
        call = await greeted(bot)
        assert (await ask(bot, f"{call.id}/transfer", destination="desk")).status_code == 202
        await until(lambda: call.state == "transferred")
        result = await calling
        await until(lambda: call.is_over)
    assert result.report.errors == []
    assert (call.state, call.ended_by) == ("completed", EndedBy.HUMAN)
    assert [e.data["outcome"] for e in call.events if e.kind == "transfer_ended"] == ["connected"]
    assert [one.outcome for one in result.colleagues] == ["completed"]


@LINES
@pytest.mark.parametrize("destination", ["desk", "boss"])
async def test_a_hang_up_stops_the_colleagues_phone(monkeypatch, tmp_path, carrier, mode, destination):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        people = [Colleague(DESK, behaviour="no_answer"), Colleague(BOSS, behaviour="no_answer")]
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(30)], colleagues=people, mode=mode))
        call = await greeted(bot)
        assert (await ask(bot, f"{call.id}/transfer", destination=destination)).status_code == 202
        legs = bot.store.list
        if destination == "desk":
            await until(lambda: call.state == "transferring")
            await asyncio.sleep(0.7)
        else:
            await until(lambda: any(leg.state == "ringing" for leg in legs() if leg is not call))
        answer = await ask(bot, f"{call.id}/hangup")
        assert (answer.status_code, answer.json()["ended_by"]) == (200, "human")
        result = await calling
        await until(lambda: all(leg.is_over for leg in legs()))
    assert (call.state, call.ended_by, call.has(HangUpFailed)) == ("completed", EndedBy.HUMAN, False)
    assert all(one.answered_ms is None for one in result.colleagues)
    assert result.report.errors == []


async def test_an_unknown_destination_is_refused_with_the_names_that_there_are(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", answers) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(2), Digits("2#")]))
        call = await greeted(bot)
        for destination in ("cellar", "+12025550143"):
            answer = await ask(bot, f"{call.id}/transfer", destination=destination)
            assert (answer.status_code, "desk, boss" in answer.json()["error"]) == (422, True)
        assert (await ask(bot, f"{call.id}/transfer")).status_code == 422
        await calling
        assert not call.has(TransferStarted)
        answer = await ask(bot, f"{call.id}/transfer", destination="desk")
        assert (answer.status_code, "has ended" in answer.json()["error"]) == (409, True)
