"""Calls that the bot has placed, over real sockets: who answers speaks or beeps, and hears what is meant for them."""

import asyncio

import numpy as np
import pytest

from calls.events.lifecycle import AnswererDetected
from calls.events.talk import Attached
from calls.states import CallState, EndedBy
from conversation import pipeline
from conversation.outbound import first_seconds as voicemail
from emulator import Audio, Digits, HangUp, Wait
from emulator.line.caller import tone
from tests.talking_bot import QUICK_AGENT, Beeps, talking

GREETING, MESSAGE = "Hello, it is us.", "Please call us back."
AGENT = (
    QUICK_AGENT
    + f"""
[dial_out]
greeting = "{GREETING}"
on_voicemail = "leave_message"
voicemail_message = "{MESSAGE}"
wait_for_hello_secs = 0.5
"""
)
PATIENT_AGENT = AGENT.replace("wait_for_hello_secs = 0.5", "wait_for_hello_secs = 4")
BEEP = Audio(tone(400, frequency=1000.0), "(beep)", after_reply=False)
GREETING_OF_A_BOX = Audio(tone(1500, frequency=300.0), "(greeting)", after_reply=False)


def says_goodbye(words):
    return [("end_call", {"farewell": "Bye."})]


def heard(call):
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


def said_after(call, kind):
    """What was said by the bot after the first event of a kind."""
    kinds = [event.kind for event in call.events]
    return [event.data["text"] for event in call.events[kinds.index(kind) :] if event.kind == "bot_said"]


async def answer(bot, script, *, carrier="twilio", amd=None, after=0.3):
    """Have a call of the bot's answered by `script`; the carrier says what `amd` says, some time after."""
    told = []

    def placed(leg):
        call = bot.store.open(carrier=carrier, carrier_call_id=leg.leg.call_id, direction="outbound")

        async def tell():
            while not call.has(Attached):
                await asyncio.sleep(0.02)
            await asyncio.sleep(after)
            call.record(AnswererDetected(who=amd))

        if amd:
            told.append(asyncio.create_task(tell()))

    result = await bot.network.call(bot.url, script, on_call=placed)
    (call,) = bot.store.list()
    return result, call


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_box_gets_the_message_after_its_beep_and_the_line_drops(monkeypatch, tmp_path, carrier):
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, agent=AGENT) as bot:
        script = [GREETING_OF_A_BOX, Wait(0.3), BEEP]
        result, call = await answer(bot, script, carrier=carrier, amd="machine")
    assert said_after(call, "beep") == [MESSAGE]
    assert heard(call)[-1] == MESSAGE
    assert result.report.ended_by == "bot"
    assert call.state is CallState.VOICEMAIL
    assert call.ended_by is EndedBy.BOT
    assert result.report.marks_returned == result.report.marks_sent


async def test_a_beep_alone_tells_a_box_that_was_greeted_from_a_person(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=AGENT) as bot:
        _, call = await answer(bot, [Wait(0.7), BEEP])
    assert call.state is CallState.VOICEMAIL
    assert heard(call)[-1] == MESSAGE
    assert heard(call).count(MESSAGE) == 1
    # What was being said to a person stopped for it.
    assert GREETING not in heard(call)


async def test_a_message_that_a_late_beep_cut_into_is_said_again(monkeypatch, tmp_path):
    monkeypatch.setattr(voicemail, "QUIET_SECS", 0.4)
    message = f"{MESSAGE} It is about your appointment, which we would like to move to another day."
    agent = AGENT.replace(MESSAGE, message)
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=agent) as bot:
        _, call = await answer(bot, [Wait(2.5), BEEP], amd="machine", after=0.1)
    assert call.state is CallState.VOICEMAIL
    assert "interrupted" in [event.kind for event in call.events]
    assert " ".join(said_after(call, "beep")) == message
    assert [event.data for event in call.events if event.kind == "voicemail_message"] == [{"heard": True}]


async def test_without_a_message_a_silent_machine_is_greeted_once_and_hung_up_on(monkeypatch, tmp_path):
    agent = AGENT.replace('"leave_message"', '"hang_up"')
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=agent) as bot:
        result, call = await answer(bot, [Wait(8)], amd="machine", after=0.1)
    assert heard(call) == [GREETING]
    assert call.state is CallState.VOICEMAIL
    assert result.report.ended_by == "bot"


async def test_a_silent_person_is_greeted_and_the_conversation_begins(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=AGENT) as bot:
        _, call = await answer(bot, [Digits("1#")])
    assert heard(call) == [GREETING, "Bye."]
    assert call.state is CallState.COMPLETED


async def test_whoever_hangs_up_during_the_message_is_told_from_a_box_that_took_it(monkeypatch, tmp_path):
    agent = AGENT.replace(MESSAGE, MESSAGE * 4)
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=agent) as bot:
        _, call = await answer(bot, [BEEP, Wait(1.0), HangUp()], amd="machine", after=0)
    assert call.state is CallState.COMPLETED
    assert call.ended_by is EndedBy.CALLER


@pytest.fixture(scope="module")
def voice():
    """The emulator's voice; skips without the local stack."""
    for package in ("piper", "moonshine_voice"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    from emulator.line.speech import Voice

    return Voice()


def spoken(voice, *sentences, pause_secs=0.5):
    """Sentences as one recording, with pauses between them."""
    pause = np.zeros(int(8000 * pause_secs), dtype=np.int16)
    parts = [part for sentence in sentences for part in (voice.speak(sentence), pause)]
    return Audio(np.concatenate(parts), " ".join(sentences), after_reply=False)


@pytest.fixture
def ears(monkeypatch):
    """Real ears on the bot's side, with a voice that needs none."""
    real = pipeline.services.build_stt

    def listen():
        monkeypatch.setattr(pipeline.services, "build_stt", real)
        monkeypatch.setattr(pipeline.services, "build_tts", lambda *_: Beeps())

    return listen


async def test_a_box_gives_itself_away_by_its_words(monkeypatch, tmp_path, voice, ears):
    box = spoken(voice, "Hello, you have reached Sam.", "Please leave a message after the tone.")
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=PATIENT_AGENT) as bot:
        ears()
        _, call = await answer(bot, [Wait(0.8), box, BEEP])
    assert call.state is CallState.VOICEMAIL
    assert heard(call)[-1] == MESSAGE
    assert said_after(call, "beep") == [MESSAGE]


async def test_a_hello_is_answered_by_the_greeting_and_by_nothing_else(monkeypatch, tmp_path, voice, ears):
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=PATIENT_AGENT) as bot:
        ears()
        _, call = await answer(bot, [Wait(0.8), spoken(voice, "Hello, who is this?"), Wait(3.5), HangUp()])
    assert heard(call) == [GREETING]
    assert [event.data["who"] for event in call.events if event.kind == "opening"] == ["human"]
    kinds = [event.kind for event in call.events]
    assert kinds.index("caller_said") < kinds.index("bot_said")
