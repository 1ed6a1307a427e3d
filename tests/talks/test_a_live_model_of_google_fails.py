"""Google's Live API falls silent, comes late or loses its connection, and nobody sits in silence."""

import asyncio

import pytest

from calls.states import EndedBy
from emulator import Digits, HangUp, Wait
from tests.fake_gemini_live import LiveModel, text_of
from tests.fake_realtime import Says
from tests.talks.test_a_live_model_of_google_talks import (
    WORD_FOR_WORD,
    answers,
    calling,
    heard,
    texts,
    until,
)

SHORT = """
[dead_air]
filler_secs = 0.8
way_on_secs = 3
fallback_secs = 6
filler = "One moment."
way_on = "Please say it again."
"""


def only_lines(contents):
    return answers(contents) if WORD_FOR_WORD in text_of(contents[-1]) else None


def stages(call):
    return [event.data["stage"] for event in call.events if event.kind == "dead_air"]


async def says(model):
    """The caller says something, as the server hears it."""
    await model.caller_speaks()
    await asyncio.sleep(0.2)
    await model.caller_pauses()


async def test_a_model_that_falls_silent_after_the_callers_words_is_covered_for(monkeypatch, tmp_path):
    model = LiveModel(only_lines, turns=["When are you open?"])
    async with calling(monkeypatch, tmp_path, "twilio", model, more=SHORT) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(25)]))
        await until(heard(bot, "Hello."))
        await says(model)
        await until(heard(bot, "Please say it again."))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert stages(call) == ["filler", "way_on", "fallback"]
    assert texts(call)[:3] == ["Hello.", "One moment.", "Please say it again."]
    assert call.ended_by is EndedBy.ERROR
    assert "technical problem" in " ".join(texts(call)[3:]), "the fallback's apology is heard"
    assert texts(call, "caller_said") == ["When are you open?"]


async def test_a_model_that_falls_wholly_silent_lets_the_carrier_speak(monkeypatch, tmp_path):
    greets = LiveModel(
        lambda contents: answers(contents) if "Hello." in text_of(contents[-1]) else None,
        turns=["When are you open?"],
    )
    async with calling(monkeypatch, tmp_path, "telnyx", greets, more=SHORT) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(25)]))
        await until(heard(bot, "Hello."))
        await says(greets)
        timeline = (await result).timeline
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in timeline.entries if entry.kind == "say"] == ["say"]


async def test_a_caller_leaves_a_message_though_the_model_does_not_answer(monkeypatch, tmp_path):
    wants = SHORT + 'fallback = "take_message"\nmessage_prompt = "Please leave a message."\n'
    model = LiveModel(only_lines, turns=["When are you open?", "This is Anna.", "Call me back."])
    async with calling(monkeypatch, tmp_path, "twilio", model, more=wants) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(40)]))
        await until(heard(bot, "Hello."))
        await says(model)
        await until(heard(bot, "Please leave a message."))
        await says(model)
        await asyncio.sleep(0.5)
        await says(model)
        await result
    (call,) = bot.store.list()
    (message,) = [event.data["message"] for event in call.events if event.kind == "message_taken"]
    assert message == "This is Anna. Call me back."
    assert call.ended_by is EndedBy.ERROR


@pytest.mark.parametrize("late_secs", [0.3, 1.2])
async def test_words_that_come_later_than_their_answer_ask_for_none(monkeypatch, tmp_path, late_secs):
    model = LiveModel(answers, turns=["When are you open?"], transcript_secs=late_secs)
    async with calling(monkeypatch, tmp_path, "twilio", model, more=SHORT) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(8), HangUp()]))
        await until(heard(bot, "Hello."))
        await says(model)
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open."]
    assert stages(call) == []
    assert texts(call, "caller_said") == ["When are you open?"]


def breaks_off_once():
    broken = []

    def answer(contents):
        if "1#" in text_of(contents[-1]) and not broken:
            broken.append(True)
            return Says(
                "This answer is never said to its end because the line to the model breaks", ends=False
            )
        return answers(contents)

    return answer


@pytest.mark.parametrize("resumable", [False, True])
async def test_an_answer_that_a_lost_connection_breaks_off_is_given_again(monkeypatch, tmp_path, resumable):
    model = LiveModel(breaks_off_once(), resumable=resumable)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        script = [Wait(2), Digits("1#"), Wait(8), Digits("2#"), Wait(10)]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert model.sessions == 2
    assert texts(call)[-3:] == ["We are open.", "Thank you for calling.", "Goodbye."]
    assert result.report.goodbye_heard
    assert stages(call) == []
    handle = model.setup.session_resumption.handle
    assert handle == ("handle-1" if resumable else None)
    assert any("1#" in text_of(content) for content in model.contents), (
        "the second session knows of the first"
    )


async def test_a_connection_that_is_lost_in_a_pause_is_made_again_without_a_word(monkeypatch, tmp_path):
    story = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
    model = LiveModel(
        lambda contents: Says(story) if "1#" in text_of(contents[-1]) else answers(contents), plays_out=True
    )
    async with calling(monkeypatch, tmp_path, "telnyx", model) as bot:
        script = [Wait(2), Digits("1#"), Wait(9), Digits("2#"), Wait(10)]
        result = asyncio.create_task(bot.network.call(bot.url, script))
        await until(heard(bot, "We are open from nine to six."))
        await model.caller_speaks()
        await until(lambda: any(event.kind == "interrupted" for event in bot.store.list()[0].events))
        await asyncio.sleep(1)
        await model.drop()
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert model.sessions == 2
    assert stages(call) == []
    assert texts(call)[-2:] == ["Thank you for calling.", "Goodbye."]
    told = " ".join(text_of(content) for content in model.contents)
    assert "We are open from nine to six." in told, "the new session is told what was heard"
    assert "On Sundays we are closed." not in told, "and not what the barge-in took back"


async def test_a_service_that_is_gone_for_good_lets_the_carrier_speak(monkeypatch, tmp_path):
    model = LiveModel(answers, keeps_dropping=True)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = await bot.network.call(bot.url, [Wait(25)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
    assert sum(event.kind == "error" for event in call.events) < 10, "it is not reported once for each sound"


async def test_a_key_that_is_refused_lets_the_carrier_speak(monkeypatch, tmp_path):
    async with calling(monkeypatch, tmp_path, "twilio", 401) as bot:
        result = await bot.network.call(bot.url, [Wait(25)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
