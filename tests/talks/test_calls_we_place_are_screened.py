"""A telephone that asks who calls before it rings is told, and whoever comes then is greeted, or gets the message."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import UserStoppedSpeakingFrame

from calls.states import CallState
from calls.transfer import Resume, ResumeReason
from conversation.outbound import screened
from conversation.outbound.first_seconds import Phase, outbound_opening
from tests import answered_call
from tests.answered_call import GREETING, MESSAGE, answered

GOOGLE = (
    "Hi, the person you're calling is using a screening service from Google, and will get a copy of this conversation.",
    "Go ahead and say your name and why you're calling.",
)
ASSIST = (
    "Hi, I'm Call Assist by Google recording this call for the person you're trying to reach.",
    "Before I try to connect you, can I ask what you're calling about?",
)
APPLE = ("Hi, if you record your name and reason for calling,", "I'll see if this person is available.")
CARRIER = (
    "The person you are calling screens their calls.",
    "Please state your name and the reason for your call.",
)
TOLD = "This is Willow Dental. I'm calling about your order seven."


@asynccontextmanager
async def screened_call(tmp_path, monkeypatch, *, purpose=True, hello=9.0, **more):
    lines = answered_call.AGENT
    if purpose:
        lines = lines.replace("[dial_out]", '[variables]\nbusiness = "Willow Dental"\n[dial_out]')
        lines += 'purpose = "your order seven"\n'
    monkeypatch.setattr(answered_call, "AGENT", lines)
    monkeypatch.setattr(screened, "PAUSE_SECS", 0.05)
    monkeypatch.setattr(screened, "HELLO_SECS", 0.02)
    async with answered(tmp_path, hello=hello, **more) as it:
        yield it


def says(it, *pieces):
    it.speaks(pieces[0], ends=False)
    for piece in pieces[1:]:
        it.opening.heard(answered_call.TranscriptionFrame(piece, "", ""))
    it.opening.heard(UserStoppedSpeakingFrame())


@pytest.mark.parametrize("asks", [GOOGLE, ASSIST, APPLE, CARRIER])
async def test_a_telephone_that_asks_is_told_and_the_person_is_greeted(tmp_path, monkeypatch, asks):
    async with screened_call(tmp_path, monkeypatch) as it:
        it.carrier_says("machine")
        says(it, *asks)
        await it.until(lambda: it.said)
        assert it.said == [TOLD]
        says(it, "Thanks. Please stay on the line.")
        await asyncio.sleep(0.2)
        assert it.said == [TOLD]
        says(it, "Hello?")
        await it.until(lambda: len(it.said) == 2)
        assert it.said == [TOLD, GREETING]
        assert [data["who"] for data in it.events("opening")][-2:] == ["screen", "human"]
        assert not it.model_would_answer("Hello?")
        it.speaks("Yes, go on.")
        assert it.model_would_answer("Yes, go on.")


async def test_a_pause_between_two_sentences_of_it_is_waited_for(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        monkeypatch.setattr(screened, "PAUSE_SECS", 0.3)
        says(it, GOOGLE[0])
        await asyncio.sleep(0.1)
        says(it, GOOGLE[1])
        await it.until(lambda: it.said)
        await asyncio.sleep(0.5)
        assert it.said == [TOLD]


async def test_screening_that_ends_in_voicemail_gets_the_message(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, *APPLE)
        await it.until(lambda: it.said)
        await asyncio.sleep(0.1)
        says(it, "This person is not available. Please leave a message after the tone.")
        await it.until(lambda: it.opening.phase is Phase.WAITING)
        assert it.said == [TOLD]
        await it.beep()
        await it.until_over()
        assert it.said == [TOLD, MESSAGE]
        assert it.events("voicemail_message") == [{"heard": True}]
        assert it.call.ending.state is CallState.VOICEMAIL


async def test_screening_that_ends_in_voicemail_is_hung_up_on_where_the_agent_says_so(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch, on_voicemail="hang_up") as it:
        says(it, *ASSIST)
        await it.until(lambda: it.said)
        await asyncio.sleep(0.1)
        says(it, "They can't take your call right now. They'll call you back later. Goodbye.")
        await it.until_over()
        assert it.said == [TOLD]


async def test_a_telephone_that_asks_again_is_told_again_but_not_for_ever(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, *GOOGLE)
        for times in range(1, screened.ANSWERS + 1):
            await it.until(lambda times=times: len(it.said) == times)
            await asyncio.sleep(0.1)
            says(it, "Sorry, who is this?")
        await it.until(lambda: len(it.said) == screened.ANSWERS + 1)
        assert it.said == [TOLD] * screened.ANSWERS + [GREETING]


async def test_an_answer_after_the_tone_waits_for_it(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, "After the tone, please say your name.")
        await asyncio.sleep(0.3)
        assert it.said == []
        await it.beep()
        await it.until(lambda: it.said)
        assert it.said == [TOLD]
        assert it.opening.phase is Phase.SCREENED


async def test_a_greeting_that_was_begun_gives_way(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch, hello=0) as it:
        it.line.playing.clear()
        await it.until(lambda: it.said)
        says(it, *APPLE)
        await it.until(lambda: len(it.said) == 2)
        assert it.said == [GREETING, TOLD]


async def test_somebody_who_says_nothing_is_greeted_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(screened, "RINGING_SECS", 0.4)
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, *APPLE)
        await it.until(lambda: len(it.said) == 2)
        assert it.said == [TOLD, GREETING]


async def test_a_call_that_is_screened_for_ever_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(screened, "SCREENING_SECS", 0.3)
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, *APPLE)
        await it.until_over()
        assert "screened" in it.call.ending.cause


async def test_a_key_is_pressed_and_the_call_goes_on_where_it_was(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        pressed = []

        async def send_digits(digits):
            pressed.append(digits)
            return True

        it.session.control.send_digits = send_digits
        says(it, "This number does not accept calls from unidentified callers.", "To be connected, press 1.")
        await it.until(lambda: pressed)
        assert pressed == ["1"] and it.said == []
        await asyncio.sleep(0.05)
        # Where the document presses keys, another stream follows.
        it.session.resume = Resume(ResumeReason.DIGITS)
        after = outbound_opening(it.session, None)
        assert after is not None
        await after.begin()
        try:
            assert after.phase is Phase.SCREENED and after.has_the_word
            after.heard(answered_call.UserStartedSpeakingFrame())
            after.heard(answered_call.TranscriptionFrame("Hello?", "", ""))
            after.heard(UserStoppedSpeakingFrame())
            await it.until(lambda: it.said)
            assert it.said == [GREETING]
        finally:
            await after.close()


async def test_a_key_that_cannot_be_pressed_is_answered_with_words(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, "Press one to be connected.")  # this call has no carrier that could
        await it.until(lambda: it.said)
        assert it.said == [TOLD]


async def test_without_a_purpose_the_greeting_says_who_calls(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch, purpose=False) as it:
        says(it, *APPLE)
        await it.until(lambda: it.said)
        assert it.said == [GREETING]
        assert it.opening.phase is Phase.SCREENED


async def test_a_person_who_asks_first_hears_who_calls_with_the_greeting(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, "Who's calling, please?")
        await it.opening._sounds_like_a_person(None)
        await it.until(lambda: it.said)
        assert it.said == [f"{TOLD} {GREETING}"]


async def test_a_person_who_asks_after_the_greeting_is_told_without_a_model(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch, hello=0) as it:
        await it.until(lambda: it.said)
        await asyncio.sleep(0.05)
        it.speaks("Sorry, who is this?")
        assert not it.model_would_answer("Sorry, who is this?")
        await it.until(lambda: len(it.said) == 2)
        assert it.said == [GREETING, TOLD]
        it.speaks("Ah, fine. When is it ready?")
        assert it.model_would_answer("Ah, fine. When is it ready?")


@pytest.mark.parametrize("hello", ["Hello?", "Yes, this is Nora."])
async def test_whoever_comes_after_an_assistant_has_asked_is_greeted(tmp_path, monkeypatch, hello):
    async with screened_call(tmp_path, monkeypatch, hello=0) as it:
        await it.until(lambda: it.said)
        await asyncio.sleep(0.05)
        it.speaks("And what is this about?")
        assert not it.model_would_answer("And what is this about?")
        await it.until(lambda: len(it.said) == 2)
        it.speaks(hello)
        assert not it.model_would_answer(hello)
        await it.until(lambda: len(it.said) == 3)
        assert it.said == [GREETING, TOLD, GREETING]
        it.speaks("Yes, this is Nora, and I need it today.")
        assert it.model_would_answer("Yes, this is Nora, and I need it today.")


async def test_boxes_and_menus_are_not_taken_for_screening(tmp_path, monkeypatch):
    async with screened_call(tmp_path, monkeypatch) as it:
        says(it, "Leave your name and number after the beep.", "To leave a call-back number, press 5.")
        await it.beep()
        await it.until_over()
        assert it.said == [MESSAGE]
