"""A process lets go of a caller at a moment at which they hardly notice, and whoever comes next goes on."""

import asyncio

from calls.transfer import ResumeReason
from conversation.leaving import MOMENT_SECS
from conversation.session import attached_to
from desk.handing_over import hand_over
from emulator import Digits, Wait
from tests.talking_bot import talking
from tests.talks.test_lost_streams_come_back import LINES, heard, until

LONG = "This is the first of three sentences. And here is the second one. The third one ends."
FIRST, SECOND, THIRD = LONG.replace(". ", ".|").split("|")


def answers(words: str) -> list:
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return [LONG] if "3" in words else ["One word."]


async def on_the_line(bot, script, mode=""):
    calling = asyncio.create_task(bot.network.call(bot.url, script, mode=mode))
    await until(lambda: bot.store.list() and heard(bot.store.list()[0]))
    (call,) = bot.store.list()
    return calling, call


def reasons(call) -> list[str]:
    return [event.data["reason"] for event in call.events if event.kind == "resumed"]


@LINES
async def test_between_turns_the_caller_hears_nothing_of_it(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        calling, call = await on_the_line(bot, [Wait(7), Digits("1#"), Wait(3), Digits("2#"), Wait(9)], mode)
        # The one who goes on is this process: there is no other one
        assert not await hand_over(bot.app.state.service, attached_to(call))
        assert attached_to(call) is not None
        await calling
        await until(lambda: call.is_over)
    assert heard(call) == ["Hello.", "One word.", "Bye."]
    assert reasons(call) == [ResumeReason.HANDED_OVER]
    assert not [event for event in call.events if event.kind == "error"]


async def test_a_long_answer_goes_on_with_its_next_sentence(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", answers) as bot:
        calling, call = await on_the_line(bot, [Digits("3#"), Wait(20), Digits("2#"), Wait(9)])
        await until(lambda: "3" in str([event.data for event in call.events if event.kind == "caller_said"]))
        await until(lambda: attached_to(call).playout.pending)
        await hand_over(bot.app.state.service, attached_to(call))
        await calling
    (left,) = [event for event in call.events if event.kind == "handed_over"]
    assert (left.unsaid, left.amid) == (f"{SECOND} {THIRD}", "")
    assert heard(call) == ["Hello.", FIRST, f"{SECOND} {THIRD}", "Bye."]


async def test_a_tool_is_not_cut(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", answers) as bot:
        calling, call = await on_the_line(bot, [Wait(8), Digits("2#"), Wait(9)])
        session = attached_to(call)
        monkeypatch.setattr(type(session.floor), "may_not_be_cut", True)
        began = asyncio.get_running_loop().time()
        assert not await hand_over(bot.app.state.service, session)
        assert asyncio.get_running_loop().time() - began >= MOMENT_SECS
        assert attached_to(call) is session
        await calling
    assert heard(call) == ["Hello.", "Bye."]
