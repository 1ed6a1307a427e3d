"""A service that has to stop while people are on the line tells them goodbye, and hangs up as after any goodbye."""

import asyncio

from calls.states import EndedBy
from conversation.lines.fixed import english
from emulator import Digits, Wait
from tests.talking_bot import talking
from tests.talks.test_lost_streams_come_back import LINES, answers, heard, until


@LINES
async def test_who_is_left_at_the_deadline_hears_a_goodbye(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, answers, DRAIN_SECS="0.5") as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(60)], mode=mode))
        await until(lambda: bot.store.list() and heard(bot.store.list()[0]))
        (call,) = bot.store.list()
        await bot.app.state.service.drain.finish()
        result = await calling
        await until(lambda: call.is_over)
    assert heard(call) == ["Hello.", english("lines", "stopping")]
    assert (call.state, call.ended_by, call.end_cause) == (
        "completed",
        EndedBy.LIMIT,
        "the service is being stopped",
    )
    assert result.timeline.of("say") == []


@LINES
async def test_a_call_that_ends_in_time_is_left_to_it(monkeypatch, tmp_path, carrier, mode):
    """Its stream is lost meanwhile, too: another one of a running call is no new call."""
    async with talking(monkeypatch, tmp_path, carrier, answers, DRAIN_SECS="60") as bot:
        script = [Digits("1#"), Wait(7), Digits("2#")]
        calling = asyncio.create_task(bot.network.call(bot.url, script, mode=mode))
        await until(lambda: bot.store.list() and heard(bot.store.list()[0]))
        (call,) = bot.store.list()
        finishing = asyncio.create_task(bot.app.state.service.drain.finish())
        await until(lambda: len(heard(call)) == 2)
        await bot.lose_streams(call)
        await calling
        await asyncio.wait_for(finishing, 10)
    assert heard(call) == ["Hello.", "You said DTMF: 1#.", "Back again.", "Bye."]
    assert (call.state, call.ended_by) == ("completed", EndedBy.BOT)
