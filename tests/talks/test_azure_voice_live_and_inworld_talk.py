"""Azure's Voice Live and Inworld hear, answer and speak: greeting, keys, tools and goodbye as with three services."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from calls.states import EndedBy
from emulator import Digits, HangUp, Wait
from tests.fake_gemini_live import certificate, tls
from tests.fake_realtime import Calls, Says, last_text
from tests.fake_services import socket_service
from tests.fake_voice_live import Inworld, VoiceLive
from tests.talking_bot import QUICK_AGENT, talking
from tests.talks.test_a_speech_to_speech_model_talks import (
    CARRIERS,
    answers,
    assert_answered_and_said_goodbye,
    heard,
    texts,
    until,
)

STORY = "We are open from nine to six. On Saturdays we are open until noon. On Sundays we are closed."
LIVE, INWORLD = "azure-voice-live", "inworld"
VOICES = [LIVE, INWORLD]


def model_of(voice, answer=answers, **more):
    return (VoiceLive if voice == LIVE else Inworld)(answer, **more)


@asynccontextmanager
async def calling(monkeypatch, tmp_path, carrier, voice, model, *, services="", **limits):
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with socket_service(model.talk, tls=tls(file)) as service:
        option = "" if voice == LIVE else f'[services.options.voice]\nbase_url = "{service.url}"\n'
        agent = QUICK_AGENT + f'[services]\nvoice = "{voice}"\n{services}{option}'
        async with talking(
            monkeypatch,
            tmp_path,
            carrier,
            lambda _: [],
            agent=agent,
            AZURE_VOICE_LIVE_API_KEY="k",
            AZURE_VOICE_LIVE_ENDPOINT=service.url.replace("wss", "https"),
            INWORLD_API_KEY="k",
            OPENAI_API_KEY="k",
            **limits,
        ) as bot:
            yield bot


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("voice", VOICES)
async def test_keys_are_answered_and_the_goodbye_is_heard_before_the_line_drops(
    monkeypatch, tmp_path, carrier, voice
):
    model = model_of(voice)
    async with calling(monkeypatch, tmp_path, carrier, voice, model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
    assert_answered_and_said_goodbye(bot, result.report)
    assert "Answer in one word." in model.session["instructions"]
    assert "end_call" in str(model.session["tools"])


@pytest.mark.parametrize("voice", VOICES)
async def test_what_the_caller_says_is_heard_answered_and_written_down(monkeypatch, tmp_path, voice):
    model = model_of(voice, turns=["When are you open?"])
    async with calling(monkeypatch, tmp_path, "twilio", voice, model) as bot:
        result = asyncio.create_task(bot.network.call(bot.url, [Wait(6), Digits("1#"), Wait(3), HangUp()]))
        await until(heard(bot, "Hello."))
        await model.caller_speaks()
        await asyncio.sleep(0.3)
        await model.caller_pauses()
        await until(heard(bot, "We are open."))
        assert (await result).report.errors == []
    (call,) = bot.store.list()
    assert texts(call, "caller_said") == ["When are you open?", "DTMF: 1#"]
    assert texts(call) == ["Hello.", "We are open.", "We are open."]
    said = [item for item in model.items if item.get("role") == "user" and "When are you open?" in str(item)]
    assert len(said) == 1, "the model is not told once more what it has heard"
    assert len(model.heard) > 16000, "the caller's sound reaches the model"


@pytest.mark.parametrize("voice", VOICES)
async def test_keys_stop_an_answer_that_the_service_goes_on_sending(monkeypatch, tmp_path, voice):
    model = model_of(
        voice, lambda items: Says(STORY) if "1" in last_text(items) else answers(items), word_secs=0.2
    )
    async with calling(monkeypatch, tmp_path, "twilio", voice, model) as bot:
        script = [Wait(2), Digits("1#"), Wait(2), Digits("3#", after_reply=False), Wait(6), HangUp()]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    said = texts(call, "bot_said")
    assert "On Sundays we are closed." not in said
    assert said[-1] == "We are open."
    assert not any(event.kind == "dead_air" for event in call.events), "the answer to keys is not lost"


@pytest.mark.parametrize("voice", VOICES)
async def test_a_silent_caller_is_asked_and_then_said_goodbye(monkeypatch, tmp_path, voice):
    model = model_of(voice)
    async with calling(monkeypatch, tmp_path, "telnyx", voice, model, silence_secs=1.5) as bot:
        result = await bot.network.call(bot.url, [Wait(15)])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Still there?", "Hello again?", "I hear nothing."]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "silence")


@pytest.mark.parametrize("voice", VOICES)
async def test_a_tools_result_is_answered_once(monkeypatch, tmp_path, voice):
    def takes_a_message(items):
        if items[-1].get("type") == "function_call_output":
            return Says("I have written it down.")
        if "1" in last_text(items):
            return Calls("take_message", {"name": "Ann", "phone": "+12025550100", "message": "Call me."})
        return answers(items)

    model = model_of(voice, takes_a_message)
    async with calling(monkeypatch, tmp_path, "twilio", voice, model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(6), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "I have written it down."]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("voice", VOICES)
async def test_a_lost_stream_comes_back_to_a_model_that_knows_what_was_said(
    monkeypatch, tmp_path, carrier, voice
):
    model = model_of(voice)
    async with calling(monkeypatch, tmp_path, carrier, voice, model) as bot:
        script = [Wait(2), Digits("1#"), Wait(9), Digits("2#"), Wait(10)]
        result = asyncio.create_task(bot.network.call(bot.url, script))
        await until(heard(bot, "We are open."))
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await until(heard(bot, "Back again."))
        await result
    assert texts(call) == ["Hello.", "We are open.", "Back again.", "Thank you for calling.", "Goodbye."]
    assert "DTMF: 1#" in str(model.items)


@pytest.mark.parametrize("voice", VOICES)
async def test_a_voice_of_its_own_says_the_fixed_lines_and_the_model_knows_them(monkeypatch, tmp_path, voice):
    def with_ready(items):
        return Says("Ready.") if "nothing but: Ready" in last_text(items) else answers(items)

    model = model_of(voice, with_ready)
    async with calling(monkeypatch, tmp_path, "telnyx", voice, model, services='tts = "openai"\n') as bot:
        script = [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Thank you for calling. Goodbye."]
    assert not any("word for word" in str(item) for item in model.items)


@pytest.mark.parametrize("voice", VOICES)
async def test_a_socket_that_drops_in_mid_sentence_leaves_nobody_in_silence(monkeypatch, tmp_path, voice):
    model = model_of(
        voice, lambda items: Says(STORY, ends=False) if "1" in last_text(items) else answers(items)
    )
    async with calling(monkeypatch, tmp_path, "twilio", voice, model) as bot:
        result = await bot.network.call(bot.url, [Wait(1.5), Digits("1#"), Wait(20)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]
    assert len([event for event in call.events if event.kind == "error"]) <= 3, (
        "it is said once, not for all sound"
    )
