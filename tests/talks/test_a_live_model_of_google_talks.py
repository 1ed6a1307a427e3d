"""Google's Live API hears, answers and speaks: greeting, keys, tools and the goodbye are as with three services."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from calls.events.talk import OpeningDecided, VoicemailLeft
from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from emulator.line.colleague import Colleague
from tests.fake_gemini_live import LiveModel, certificate, text_of, tls
from tests.fake_realtime import Calls, Says
from tests.fake_services import socket_service
from tests.talking_bot import QUICK_AGENT, talking
from tests.talks.test_a_speech_to_speech_model_talks import (
    CARRIERS,
    WORD_FOR_WORD,
    assert_answered_and_said_goodbye,
    heard,
    texts,
    until,
)
from tests.talks.test_dial_out_leaves_a_message_or_talks import MESSAGE, THEM, dial


def answers(contents):
    words = text_of(contents[-1])
    if WORD_FOR_WORD in words:
        return Says(words.rpartition(WORD_FOR_WORD)[2])
    if "2" in words:
        return Calls("end_call", {"farewell": "Thank you for calling. Goodbye."})
    return Says("We are open.")


@asynccontextmanager
async def calling(monkeypatch, tmp_path, carrier, model, *, more="", **limits):
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with socket_service(model if isinstance(model, int) else model.talk, tls=tls(file)) as service:
        agent = QUICK_AGENT + (
            f'{more}[services]\nvoice = "gemini-live"\n[services.options.voice.http_options]\n'
            f'base_url = "{service.url.replace("wss", "https")}"\n'
        )
        async with talking(
            monkeypatch,
            tmp_path,
            carrier,
            lambda _: [],
            agent=agent,
            GOOGLE_API_KEY="k",
            OPENAI_API_KEY="k",
            **limits,
        ) as bot:
            yield bot
    assert isinstance(model, int) or model.faults == []


@pytest.mark.parametrize("plays_out", [False, True])
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_are_answered_and_the_goodbye_is_heard_before_the_line_drops(
    monkeypatch, tmp_path, carrier, plays_out
):
    model = LiveModel(answers, plays_out=plays_out)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
    assert_answered_and_said_goodbye(bot, result.report)


async def test_the_model_is_told_of_the_agent_and_its_tools(monkeypatch, tmp_path):
    model = LiveModel(answers)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        await bot.network.call(bot.url, [Wait(2), HangUp()])
    assert "Answer in one word." in str(model.setup.system_instruction)
    assert "end_call" in str(model.setup.tools)


@pytest.mark.parametrize("think_secs", [0, 0.3])
async def test_a_goodbye_is_heard_once_where_the_model_would_answer_the_tools_result(
    monkeypatch, tmp_path, think_secs
):
    def polite(contents):
        if any(part.function_response for part in contents[-1].parts or []):
            return Says("It was nice to talk to you, and I wish you a very good day. Bye bye.")
        return answers(contents)

    model = LiveModel(polite, think_secs=think_secs)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("2#"), Wait(10)])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call, "bot_said") == texts(call) == ["Hello.", "Thank you for calling.", "Goodbye."]
    assert result.report.goodbye_heard


async def test_a_goodbye_that_the_server_cuts_off_for_the_callers_sake_is_said_again(monkeypatch, tmp_path):
    model = LiveModel(answers, plays_out=True)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(2), Digits("2#"), Wait(12)]))
        await until(lambda: "Thank" in str(model.saying))
        await model.caller_speaks()
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call)[-2:] == ["Thank you for calling.", "Goodbye."]
    assert call.ended_by is EndedBy.BOT
    assert (await result).report.goodbye_heard


async def test_what_the_caller_says_is_heard_answered_and_written_down(monkeypatch, tmp_path):
    model = LiveModel(answers, turns=["When are you open?"])
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
    assert len(model.heard) > 16000, "the caller's sound reaches the model"


async def test_a_barge_in_leaves_what_was_heard(monkeypatch, tmp_path):
    story = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
    model = LiveModel(
        lambda contents: Says(story) if "1" in text_of(contents[-1]) else answers(contents), plays_out=True
    )
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(1.5), Digits("1#"), Wait(12), HangUp()]))
        await until(heard(bot, "We are open from nine to six."))
        await model.caller_speaks()
        await until(lambda: any(event.kind == "interrupted" for event in bot.store.list()[0].events))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call)[:2] == ["Hello.", "We are open from nine to six."]
    assert "On Sundays we are closed." not in texts(call)
    (cut,) = [event.data["heard"] for event in call.events if event.kind == "interrupted"]
    assert "On Saturdays we are open until noon.".startswith(cut)


async def test_a_silent_caller_is_asked_and_then_said_goodbye(monkeypatch, tmp_path):
    model = LiveModel(answers)
    async with calling(monkeypatch, tmp_path, "telnyx", model, silence_secs=1.5) as bot:
        result = await bot.network.call(bot.url, [Wait(15)])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Still there?", "Hello again?", "I hear nothing."]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "silence")


BOX = """
[dial_out]
greeting = "Hello {{ name }}."
on_voicemail = "leave_message"
voicemail_message = "Hello {{ name }}, please call us back when you can. Thank you."
"""


async def test_a_box_is_known_by_its_words_and_gets_the_whole_message(monkeypatch, tmp_path):
    model = LiveModel(answers, turns=["You have reached Anna. Please leave a message after the tone."])
    async with calling(monkeypatch, tmp_path, "twilio", model, more=BOX) as bot:
        dialling = asyncio.create_task(dial(bot, Colleague(THEM, 0.3, behaviour="voicemail")))
        await until(lambda: model.heard)
        await model.caller_speaks()
        await model.caller_pauses()
        result, call = await dialling
    assert call.state is CallState.VOICEMAIL
    assert call.last(VoicemailLeft).data == {"heard": True}
    assert result.message is not None
    assert " ".join(texts(call)).endswith(MESSAGE)
    assert call.last(OpeningDecided).data == {"who": "machine", "why": "its words"}


async def test_a_person_whom_we_call_is_greeted_after_their_hello(monkeypatch, tmp_path):
    model = LiveModel(answers, turns=["Hello?", "When are you open?"])
    dial_out = '[dial_out]\ngreeting = "Hello Anna."\nwait_for_hello_secs = 4\n'
    async with calling(monkeypatch, tmp_path, "twilio", model, more=dial_out) as bot:
        dialling = asyncio.create_task(dial(bot, Colleague(THEM, 0.3, "answers", [Wait(12), HangUp()])))
        await until(lambda: model.heard)
        await model.caller_speaks()
        await model.caller_pauses()
        await until(heard(bot, "Hello Anna."))
        await model.caller_speaks()
        await model.caller_pauses()
        await until(heard(bot, "We are open."))
        _, call = await dialling
    assert texts(call) == ["Hello Anna.", "We are open."]
    assert model.sessions == 1
    assert call.last(OpeningDecided).data == {"who": "human", "why": "what was said"}
