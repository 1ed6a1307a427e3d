"""One service hears, answers and speaks: greeting, answers, tools and the goodbye are as with three."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from tests.fake_realtime import HZ, Calls, RealtimeModel, Says, last_text
from tests.fake_services import socket_service
from tests.talking_bot import QUICK_AGENT, talking

CARRIERS = ["twilio", "telnyx"]
WORD_FOR_WORD = "word for word, in the caller's hearing, and nothing else: "


def answers(items):
    words = last_text(items)
    if WORD_FOR_WORD in words:
        return Says(words.partition(WORD_FOR_WORD)[2])
    if "2" in words:
        return Calls("end_call", {"farewell": "Thank you for calling. Goodbye."})
    return Says("We are open.")


@asynccontextmanager
async def calling(monkeypatch, tmp_path, carrier, model, *, more="", services="", tool="end_call", **limits):
    async with socket_service(*([model] if isinstance(model, int) else [model.talk])) as service:
        agent = QUICK_AGENT.replace('"end_call"', f'"{tool}"') + (
            f'{more}[services]\nvoice = "openai-realtime"\n{services}'
            f'[services.options.voice]\nbase_url = "{service.url}"\n'
        )
        async with talking(
            monkeypatch, tmp_path, carrier, lambda _: [], agent=agent, OPENAI_API_KEY="k", **limits
        ) as bot:
            yield bot


def texts(call, kind="bot_heard"):
    return [event.data["text"] for event in call.events if event.kind == kind]


async def until(condition, secs=25):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.02)


def heard(bot, text):
    return lambda: any(text in texts(call) for call in bot.store.list())


def assert_answered_and_said_goodbye(bot, report):
    """The key 1 was answered, the key 2 ended the call, and all was heard to its end."""
    assert report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Thank you for calling.", "Goodbye."]
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    assert report.goodbye_heard
    assert report.marks_returned == report.marks_sent


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_greeting_is_the_agents_own(monkeypatch, tmp_path, carrier):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(bot.url, [Wait(3), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello."]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_are_answered_and_the_goodbye_is_heard_before_the_line_drops(
    monkeypatch, tmp_path, carrier
):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
    assert_answered_and_said_goodbye(bot, result.report)


async def test_what_the_caller_says_is_heard_answered_and_written_down(monkeypatch, tmp_path):
    model = RealtimeModel(answers, turns=["When are you open?"])
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(6), HangUp()]))
        await until(heard(bot, "Hello."))
        await model.caller_speaks()
        await asyncio.sleep(0.3)
        await model.caller_pauses()
        await until(heard(bot, "We are open."))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call, "caller_said") == ["When are you open?"]
    assert len(model.heard) > HZ, "the caller's sound reaches the model"


async def test_a_barge_in_leaves_what_was_heard(monkeypatch, tmp_path):
    story = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
    model = RealtimeModel(lambda items: Says(story) if "1" in last_text(items) else answers(items))
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(1.5), Digits("1#"), Wait(12), HangUp()]))
        await until(heard(bot, "We are open from nine to six."))
        await model.caller_speaks()
        await until(lambda: any(event.kind == "interrupted" for event in bot.store.list()[0].events))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert "On Sundays we are closed." not in texts(call)
    assert model.of("conversation.item.truncate"), "the model is told as well"


async def test_keys_stop_an_answer_that_the_service_goes_on_sending(monkeypatch, tmp_path):
    story = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
    model = RealtimeModel(
        lambda items: Says(story) if "1" in last_text(items) else answers(items), word_secs=0.35
    )
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        script = [Wait(2), Digits("1#"), Wait(2), Digits("3#", after_reply=False), Wait(12), HangUp()]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    said = texts(call, "bot_said")
    assert "On Sundays we are closed." not in said
    assert said[-1] == "We are open."
    assert not any(event.kind == "dead_air" for event in call.events), "the answer to keys is not lost"


async def test_a_silent_caller_is_asked_and_then_said_goodbye(monkeypatch, tmp_path):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, "telnyx", model, silence_secs=1.5) as bot:
        result = await bot.network.call(bot.url, [Wait(15)])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Still there?", "Hello again?", "I hear nothing."]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "silence")


async def test_a_socket_that_drops_in_mid_sentence_leaves_nobody_in_silence(monkeypatch, tmp_path):
    long = "This answer is never said to its end because the line to the model breaks before it is over"
    model = RealtimeModel(lambda items: Says(long, ends=False) if "1" in last_text(items) else answers(items))
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = await bot.network.call(bot.url, [Wait(1.5), Digits("1#"), Wait(20)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
