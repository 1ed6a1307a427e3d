"""Ultravox hears, answers and speaks: greeting, keys, tools and the goodbye are as with three services."""

import asyncio
import re
import textwrap
from contextlib import asynccontextmanager

import pytest

from calls.events.lifecycle import TransferEnded
from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from emulator.line.colleague import Colleague
from tests.fake_realtime import Calls, Says
from tests.fake_ultravox import Forced, ToolResult, Ultravox, UserText, served
from tests.talking_bot import QUICK_AGENT, talking
from tests.talks.test_a_speech_to_speech_model_talks import (
    CARRIERS,
    assert_answered_and_said_goodbye,
    heard,
    texts,
    until,
)
from tests.talks.test_dial_out_leaves_a_message_or_talks import THEM, dial
from tests.talks.test_transfer_without_webhooks import DESK

STORY = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
BYE = "Thank you for calling. Goodbye."


def answers(words):
    if "2" in words:
        return Calls("end_call", {"farewell": BYE})
    return Says("We are open.")


@asynccontextmanager
async def calling(
    monkeypatch, tmp_path, carrier, vendor, *, more="", services="", base=QUICK_AGENT, **limits
):
    async with served(vendor):
        agent = base + (
            f'{more}[services]\nvoice = "ultravox"\n{services}'
            f'[services.options.voice]\nbase_url = "{vendor.url}"\n'
        )
        async with talking(
            monkeypatch,
            tmp_path,
            carrier,
            lambda _: [],
            agent=agent,
            ULTRAVOX_API_KEY="k",
            OPENAI_API_KEY="k",
            **limits,
        ) as bot:
            yield bot


@pytest.mark.parametrize("plays_out", [True, False])
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_are_answered_and_the_goodbye_is_heard_before_the_line_drops(
    monkeypatch, tmp_path, carrier, plays_out
):
    vendor = Ultravox(answers, plays_out=plays_out)
    async with calling(monkeypatch, tmp_path, carrier, vendor) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
    assert_answered_and_said_goodbye(bot, result.report)
    assert [line.content for line in vendor.of(Forced)] == ["Hello.", BYE], "fixed lines are not rewritten"
    assert vendor.of(Forced)[-1].uninterruptible
    assert len(vendor.said) == 2, "the model adds nothing to them"


async def test_the_model_is_told_of_the_agent_and_its_tools_when_the_call_is_made(monkeypatch, tmp_path):
    vendor = Ultravox(answers)
    async with calling(monkeypatch, tmp_path, "twilio", vendor) as bot:
        await bot.network.call(bot.url, [Wait(2), HangUp()])
    (made,) = vendor.made
    assert "Answer in one word." in made.system_prompt
    names = {one.temporary_tool.model_tool_name for one in made.selected_tools}
    assert names == {"end_call", "take_message", "transfer_call", "send_digits"}
    assert made.language_hint == "en"
    (call,) = bot.store.list()
    assert texts(call) == ["Hello."]


async def test_what_the_caller_says_is_heard_answered_and_written_down(monkeypatch, tmp_path):
    vendor = Ultravox(answers, turns=["When are you open?"])
    async with calling(monkeypatch, tmp_path, "twilio", vendor) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(6), HangUp()]))
        await until(heard(bot, "Hello."))
        await vendor.caller_speaks()
        await asyncio.sleep(0.3)
        await vendor.caller_pauses()
        await until(heard(bot, "We are open."))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call, "caller_said") == ["When are you open?"]
    assert len(vendor.heard) > 48000, "the caller's sound reaches the model"


async def test_a_barge_in_leaves_what_was_heard(monkeypatch, tmp_path):
    vendor = Ultravox(lambda words: Says(STORY) if "1" in words else answers(words), plays_out=False)
    async with calling(monkeypatch, tmp_path, "twilio", vendor) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(1.5), Digits("1#"), Wait(8), HangUp()]))
        await until(heard(bot, "We are open from nine to six."))
        await vendor.caller_speaks()
        await until(lambda: any(event.kind == "interrupted" for event in bot.store.list()[0].events))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert "On Sundays we are closed." not in texts(call)


@pytest.mark.parametrize("plays_out", [True, False])
async def test_keys_stop_the_answer_that_is_being_given(monkeypatch, tmp_path, plays_out):
    vendor = Ultravox(lambda words: Says(STORY) if "1" in words else answers(words), plays_out=plays_out)
    async with calling(monkeypatch, tmp_path, "telnyx", vendor) as bot:
        script = [Wait(2), Digits("1#"), Wait(2), Digits("3#", after_reply=False), Wait(6), HangUp()]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    heard_in_all = texts(call)
    assert "On Sundays we are closed." not in heard_in_all
    assert heard_in_all[-1] == "We are open."
    assert vendor.interruptions == 1, "the vendor stops as well"
    assert not any(event.kind == "dead_air" for event in call.events), "the answer to keys is not lost"


async def test_a_silent_caller_is_asked_and_then_said_goodbye(monkeypatch, tmp_path):
    vendor = Ultravox(answers)
    async with calling(monkeypatch, tmp_path, "telnyx", vendor, silence_secs=1.5) as bot:
        result = await bot.network.call(bot.url, [Wait(15)])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Still there?", "Hello again?", "I hear nothing."]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "silence")
    assert vendor.said == []


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_tool_that_speaks_is_not_waited_for_and_its_result_is_told(monkeypatch, tmp_path, carrier):
    def puts_through(words):
        if "Go on" in words:
            return Says("Anything else?")
        if "1" in words:
            return Calls("transfer_call", {"destination": "desk", "reason": "a question"})
        return answers(words)

    vendor = Ultravox(puts_through)
    async with calling(monkeypatch, tmp_path, carrier, vendor) as bot:
        result = await bot.network.call(
            bot.url,
            [Wait(2), Digits("1#"), Wait(14), Digits("2#"), Wait(10)],
            colleagues=[Colleague(DESK, 0.2, "busy")],
        )
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert call.last(TransferEnded).data["outcome"] == "busy"
    said = ["Hello.", "One moment.", "It is busy.", "Anything else?", "Thank you for calling.", "Goodbye."]
    assert texts(call) == said
    assert call.state is CallState.COMPLETED


TOOLS = """
import asyncio

async def look_up(params) -> str:
    "Look something up."
    await asyncio.sleep({secs})
    return "blue"
"""


@pytest.mark.parametrize("secs", [0.1, 3.5])
async def test_a_tool_may_take_longer_than_the_vendor_waits(monkeypatch, tmp_path, secs):
    def looks_up(words):
        if "blue" in words:
            return Says("It is blue.")
        return Calls("look_up", {}) if "1" in words else answers(words)

    (tmp_path / "quick.py").write_text(textwrap.dedent(TOOLS.format(secs=secs)))
    vendor = Ultravox(looks_up)
    base = re.sub("tools = .*", "", QUICK_AGENT)
    async with calling(monkeypatch, tmp_path, "twilio", vendor, base=base) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(8), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call)[-1] == "It is blue."
    assert "(the tool took too long)" not in vendor.told
    assert len(vendor.of(ToolResult)) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_lost_stream_comes_back_to_a_model_that_knows_what_was_said(monkeypatch, tmp_path, carrier):
    vendor = Ultravox(answers)
    async with calling(monkeypatch, tmp_path, carrier, vendor) as bot:
        script = [Wait(2), Digits("1#"), Wait(9), Digits("2#"), Wait(10)]
        result = asyncio.create_task(bot.network.call(bot.url, script))
        await until(heard(bot, "We are open."))
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await until(heard(bot, "Back again."))
        await result
    assert texts(call) == ["Hello.", "We are open.", "Back again.", "Thank you for calling.", "Goodbye."]
    before = [(message.role, message.text) for message in vendor.made[-1].initial_messages]
    assert ("MESSAGE_ROLE_AGENT", "We are open.") in before


async def test_a_voice_of_its_own_says_the_fixed_lines_and_the_model_knows_them(monkeypatch, tmp_path):
    vendor = Ultravox(answers)
    async with calling(monkeypatch, tmp_path, "telnyx", vendor, services='tts = "openai"\n') as bot:
        script = [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", BYE]
    assert result.report.goodbye_heard
    assert vendor.of(Forced) == []
    first = vendor.of(UserText)[0]
    assert "Hello." in first.text and first.urgency == "later"


async def test_a_person_whom_we_call_is_greeted_after_their_hello(monkeypatch, tmp_path):
    vendor = Ultravox(answers, turns=["Hello?", "When are you open?"])
    dial_out = '[dial_out]\ngreeting = "Hello Anna."\nwait_for_hello_secs = 4\n'
    async with calling(monkeypatch, tmp_path, "twilio", vendor, more=dial_out) as bot:
        dialling = asyncio.create_task(dial(bot, Colleague(THEM, 0.3, "answers", [Wait(12), HangUp()])))
        await until(lambda: vendor.heard)
        await vendor.caller_speaks()
        await vendor.caller_pauses()
        await until(heard(bot, "Hello Anna."))
        await vendor.caller_speaks()
        await vendor.caller_pauses()
        await until(heard(bot, "We are open."))
        _, call = await dialling
    assert texts(call) == ["Hello Anna.", "We are open."]


@pytest.mark.parametrize("end", ["drop", "hang_up"])
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_lost_connection_lets_the_carrier_speak(monkeypatch, tmp_path, carrier, end):
    vendor = Ultravox(lambda words: Says(STORY, ends=False) if "1" in words else answers(words))
    async with calling(monkeypatch, tmp_path, carrier, vendor) as bot:
        script = [Wait(2), Digits("1#"), Wait(20)] if end == "drop" else [Wait(20)]
        calling_us = asyncio.create_task(bot.network.call(bot.url, script))
        await until(heard(bot, "Hello."))
        if end == "hang_up":
            await vendor.hang_up()
        result = await calling_us
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
    assert len([event for event in call.events if event.kind == "error"]) <= 3, (
        "it is said once, not for all sound"
    )


@pytest.mark.parametrize("status", [401, 500])
async def test_a_call_that_is_not_made_lets_the_carrier_speak(monkeypatch, tmp_path, status):
    vendor = Ultravox(answers, makes_calls=status)
    async with calling(monkeypatch, tmp_path, "twilio", vendor) as bot:
        result = await bot.network.call(bot.url, [Wait(25)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
