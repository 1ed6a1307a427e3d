"""A media stream is lost in the middle of a call, and the caller is not."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from calls.states import EndedBy
from emulator import Digits, Wait
from tests.talking_bot import talking

LINES = pytest.mark.parametrize(
    ("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")]
)


def answers(words: str) -> list:
    return [("end_call", {"farewell": "Bye."})] if "2" in words else [f"You said {words}."]


def heard(call) -> list[str]:
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@LINES
async def test_the_conversation_goes_on_where_it_was(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        script = [Digits("1#"), Wait(7), Digits("2#")]
        calling = asyncio.create_task(bot.network.call(bot.url, script, mode=mode))
        await until(lambda: bot.store.list() and len(heard(bot.store.list()[0])) == 2)
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await until(lambda: "Back again." in heard(call))
        await calling
        await until(lambda: call.is_over)
    assert heard(call) == ["Hello.", "You said DTMF: 1#.", "Back again.", "Bye."]
    assert [event.data["reason"] for event in call.events if event.kind == "resumed"] == ["lost"]
    assert (call.state, call.ended_by) == ("completed", EndedBy.BOT)
    # The model still knows what was said before.
    assert "You said DTMF: 1#." in str(bot.contexts[-1])


@LINES
async def test_a_stream_that_is_lost_again_and_again_ends_the_call(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(30)], mode=mode))
        await until(lambda: bot.store.list() and heard(bot.store.list()[0]))
        (call,) = bot.store.list()
        for time in range(1, 5):
            await until(lambda time=time: len(heard(call)) == time)
            await bot.lose_streams(call)
        result = await calling
        await until(lambda: call.is_over)
    assert heard(call) == ["Hello.", "Back again.", "Back again.", "Back again."]
    assert (call.state, call.ended_by) == ("completed", EndedBy.ERROR)
    assert bool(result.timeline.of("say")) is (mode == "")
