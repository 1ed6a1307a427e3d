"""Transfers, lost streams, recordings, calls that we place, own voices and own services, with one service for all."""

import asyncio
import textwrap

import pytest

from calls.events.lifecycle import Accepted, TransferEnded
from calls.events.talk import OpeningDecided, VoicemailLeft
from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from emulator.line.colleague import Colleague
from tests.fake_realtime import Calls, RealtimeModel, Says, last_text
from tests.fake_services import socket_service
from tests.talks.test_a_speech_to_speech_model_talks import (
    CARRIERS,
    answers,
    calling,
    heard,
    texts,
    until,
)
from tests.talks.test_dial_out_leaves_a_message_or_talks import MESSAGE, THEM, dial
from tests.talks.test_transfer_without_webhooks import BOSS, DESK

READY = "answer this message with nothing but"


def puts_through(destination):
    def answer(items):
        if items[-1].get("type") == "function_call_output":
            return Says("Anything else?")
        if "1" in last_text(items) and "DTMF" in last_text(items):
            return Calls("transfer_call", {"destination": destination, "reason": "a question"})
        return answers(items)

    return answer


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_whose_colleague_is_busy_is_back_with_a_bot_that_knows_it(
    monkeypatch, tmp_path, carrier
):
    model = RealtimeModel(puts_through("desk"))
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(
            bot.url,
            [Wait(2), Digits("1#"), Wait(14), Digits("2#"), Wait(10)],
            colleagues=[Colleague(DESK, 0.2, "busy")],
        )
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert call.last(TransferEnded).data["outcome"] == "busy"
    said = texts(call)
    assert said[:2] == ["Hello.", "One moment."]
    assert "It is busy." in said
    assert said[-1] == "Goodbye."
    assert call.state is CallState.COMPLETED


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_colleague_talks_with_the_caller_and_the_model_says_nothing_into_it(
    monkeypatch, tmp_path, carrier
):
    model = RealtimeModel(puts_through("desk"))
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        desk = Colleague(DESK, 0.2, "answers", [Wait(3), HangUp()])
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(30)], colleagues=[desk])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert call.last(TransferEnded).data["outcome"] == "connected"
    assert texts(call)[:2] == ["Hello.", "One moment."]


async def test_a_colleague_who_is_asked_first_hears_of_the_call_from_the_tts(monkeypatch, tmp_path):
    model = RealtimeModel(puts_through("boss"))
    async with calling(monkeypatch, tmp_path, "twilio", model, webhooks=False) as bot:
        bot.network.add_person(Colleague(BOSS, 0.3, "answers", [Wait(1), Digits("1"), Wait(4), HangUp()]))
        result = await bot.network.call(bot.url.replace("http", "ws") + "/ws", [Wait(2), Digits("1#")])
        calls = {call.direction.value: call for call in bot.store.list()}
    caller, colleague = calls["inbound"], calls["outbound"]
    assert result.report.errors == []
    assert caller.last(TransferEnded).data["outcome"] == "connected"
    assert colleague.has(Accepted)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_lost_stream_comes_back_to_a_model_that_knows_what_was_said(monkeypatch, tmp_path, carrier):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        script = [Wait(2), Digits("1#"), Wait(9), Digits("2#"), Wait(10)]
        result = asyncio.create_task(bot.network.call(bot.url, script))
        await until(heard(bot, "We are open."))
        (call,) = bot.store.list()
        items, model.items = model.items, []
        await bot.lose_streams(call)
        await until(heard(bot, "Back again."))
        await result
    assert items
    assert texts(call) == [
        "Hello.",
        "We are open.",
        "Back again.",
        "Thank you for calling.",
        "Goodbye.",
    ]
    assert "DTMF: 1#" in str(model.items), "the second session of the service is told of the first"


async def test_the_recording_is_announced(monkeypatch, tmp_path):
    model = RealtimeModel(answers)
    recording = "[recording]\nenabled = true\n"
    async with calling(monkeypatch, tmp_path, "twilio", model, more=recording) as bot:
        await bot.network.call(bot.url, [Wait(4), HangUp()])
    (call,) = bot.store.list()
    assert texts(call) == ["This call is recorded.", "Hello."]


async def test_a_voice_of_its_own_says_the_fixed_lines_and_the_model_knows_them(monkeypatch, tmp_path):
    def with_ready(items):
        return Says("Ready.") if READY in last_text(items).lower() else answers(items)

    model = RealtimeModel(with_ready)
    async with calling(monkeypatch, tmp_path, "telnyx", model, services='tts = "openai"\n') as bot:
        script = [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)]
        result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "We are open.", "Thank you for calling. Goodbye."]
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    assert result.report.goodbye_heard
    assert not any("word for word" in str(item) for item in model.items)
    assert "Hello." in str(model.items[0]) or "Hello." in str(model.items[1])


ANSWERED = """
[dial_out]
greeting = "Hello {{ name }}."
on_voicemail = "leave_message"
voicemail_message = "Hello {{ name }}, please call us back when you can. Thank you."
"""


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_person_whom_we_call_is_greeted_and_answered(monkeypatch, tmp_path, carrier):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model, more=ANSWERED) as bot:
        person = Colleague(THEM, 0.3, "answers", [Wait(6), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
        result, call = await dial(bot, person)
    assert result.report.errors == []
    assert texts(call) == ["Hello Anna.", "We are open.", "Thank you for calling.", "Goodbye."]


async def test_what_a_person_says_on_a_call_of_ours_is_not_answered_before_the_greeting(
    monkeypatch, tmp_path
):
    model = RealtimeModel(answers, turns=["Hello?"])
    async with calling(monkeypatch, tmp_path, "twilio", model, more=ANSWERED) as bot:
        person = Colleague(THEM, 0.3, "answers", [Wait(10), HangUp()])
        dialling = asyncio.create_task(dial(bot, person))
        await until(lambda: model.heard)
        await model.caller_speaks()
        await asyncio.sleep(0.2)
        await model.caller_pauses()
        _, call = await dialling
    assert texts(call)[0] == "Hello Anna."
    assert texts(call, "caller_said")[:1] in ([], ["Hello?"])
    assert call.last(OpeningDecided).data["who"] == "human"


async def test_a_box_gets_the_whole_message(monkeypatch, tmp_path):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, "twilio", model, more=ANSWERED) as bot:
        result, call = await dial(bot, Colleague(THEM, 0.3, behaviour="voicemail"))
    assert call.state is CallState.VOICEMAIL
    assert call.last(VoicemailLeft).data == {"heard": True}
    assert result.message is not None
    assert " ".join(texts(call)).endswith(MESSAGE)
    assert result.report.ended_by == "bot"


async def test_a_key_that_is_refused_lets_the_carrier_speak(monkeypatch, tmp_path):
    async with calling(monkeypatch, tmp_path, "twilio", 401) as bot:
        result = await bot.network.call(bot.url, [Wait(25)])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert [entry.kind for entry in result.timeline.entries if entry.kind == "say"] == ["say"]


async def test_a_hook_gives_a_service_object_in_place_of_the_named_one(monkeypatch, tmp_path):
    model, other = RealtimeModel(answers), RealtimeModel(lambda _: Says("Nobody asked me."))
    async with socket_service(model.talk) as service:
        (tmp_path / "quick.py").write_text(
            textwrap.dedent(f"""
            from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService

            def services(session):
                return {{
                    "voice": OpenAIRealtimeLLMService(api_key="k", base_url="{service.url}"),
                    "llm": "not beside a voice",
                }}
            """)
        )
        async with calling(monkeypatch, tmp_path, "twilio", other) as bot:
            await bot.network.call(bot.url, [Wait(3), HangUp()])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello."]
    assert (bool(model.received), bool(other.received)) == (True, False)


SLOW = """
import asyncio

from conversation.public import done, filler


@filler("Let me look.")
async def look(params):
    \"\"\"Take long.\"\"\"
    await asyncio.sleep(3)
    return done("We have three.")
"""


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_waits_for_a_tool_hears_its_filler_and_then_the_answer(
    monkeypatch, tmp_path, carrier
):
    def looks(items):
        if items[-1].get("type") == "function_call_output":
            return Says("Three are left." if "We have three." in items[-1]["output"] else "I do not know.")
        return Calls("look", {}) if last_text(items).endswith("1#") else answers(items)

    (tmp_path / "quick.py").write_text(SLOW)
    model = RealtimeModel(looks)
    async with calling(monkeypatch, tmp_path, carrier, model, tool="look") as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(8), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", "Let me look.", "Three are left."]
