"""Detection of answering machines errs: what somebody says and does counts more than the carrier's word."""

import asyncio

import pytest
from pipecat.frames.frames import UserStoppedSpeakingFrame

from calls.states import CallState
from conversation.outbound import first_seconds as voicemail
from conversation.outbound.first_seconds import Phase
from tests.answered_call import GREETING, MESSAGE, answered

WHO = pytest.mark.parametrize("who", ["machine", "greeting_ended"])
MANNERS = pytest.mark.parametrize("on_voicemail", ["hang_up", "leave_message"])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(voicemail, "ANSWER_SECS", 0.6)
    monkeypatch.setattr(voicemail, "QUIET_SECS", 0.2)
    monkeypatch.setattr(voicemail, "LOOK_SECS", 0.02)
    monkeypatch.setattr(voicemail, "BREATH_SECS", 0.02)


async def talks_with_us(it, text="Yes, this is Anna."):
    """They answer, and have the conversation."""
    it.speaks(text)
    assert it.model_would_answer(text)
    await asyncio.sleep(0.9)
    assert not it.session.ending


@WHO
@MANNERS
async def test_somebody_who_says_hello_is_greeted_whatever_the_carrier_says(tmp_path, who, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail) as it:
        it.speaks("Hello?")
        it.carrier_says(who)
        await it.until(lambda: it.opening._was_greeted)
        assert it.said == [GREETING]
        await talks_with_us(it)
        assert it.opening.phase is Phase.OVER


@WHO
@MANNERS
async def test_the_greeting_of_somebody_whom_we_have_heard_is_not_cut_off(tmp_path, who, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail) as it:
        it.line.playing.clear()
        it.speaks("Hello?")
        await it.opening._sounds_like_a_person(None)
        await it.until(lambda: it.said)
        it.carrier_says(who)
        await asyncio.sleep(0.7)
        assert not it.session.ending
        it.line.playing.set()
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)
        assert it.said == [GREETING]


@MANNERS
async def test_an_answer_that_is_under_way_when_the_carrier_tells_of_a_machine_is_heard(
    tmp_path, on_voicemail
):
    async with answered(tmp_path, on_voicemail=on_voicemail, hello=0) as it:
        await it.until(lambda: it.opening._was_greeted)
        it.speaks("Yes, this is", ends=False)
        it.carrier_says("machine")
        await talks_with_us(it)
        assert it.said == [GREETING]


@MANNERS
async def test_a_person_whose_first_words_were_long_may_speak_again(tmp_path, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail) as it:
        it.speaks("Good afternoon, this is the bakery on Main Street, Anna speaking", ends=False)
        it.carrier_says("machine")
        it.opening.heard(UserStoppedSpeakingFrame())
        it.speaks("Can I help you?")
        await it.until(lambda: it.said)
        assert it.said == [GREETING]
        assert it.events("opening")[-1]["who"] == "human"


async def test_a_silent_line_is_greeted_before_it_is_hung_up_on(tmp_path):
    async with answered(tmp_path, on_voicemail="hang_up") as it:
        it.carrier_says("machine")
        await it.until(lambda: it.opening._was_greeted)
        await it.until_over()
        assert it.said == [GREETING]
        assert it.call.ending.state is CallState.VOICEMAIL


async def test_a_silent_person_answers_the_greeting(tmp_path):
    async with answered(tmp_path, on_voicemail="hang_up") as it:
        it.carrier_says("machine")
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)


async def test_a_box_that_said_hello_and_nothing_more_gets_the_message(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Hello?")
        it.carrier_says("machine")
        await it.until_over()
        assert it.said == [GREETING, MESSAGE]
        assert it.call.ending.state is CallState.VOICEMAIL


@MANNERS
async def test_a_beep_tells_that_the_carrier_was_right(tmp_path, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail) as it:
        it.speaks("Hello?")
        it.carrier_says("machine")
        await it.until(lambda: it.said)
        await it.beep()
        await it.until_over()
        assert it.said == [GREETING, *([MESSAGE] if on_voicemail == "leave_message" else [])]
        assert it.call.ending.state is CallState.VOICEMAIL


async def test_who_answers_the_message_is_talked_to(tmp_path):
    async with answered(tmp_path) as it:
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.events("voicemail_message"))
        assert it.events("voicemail_message") == [{"heard": True}]
        await talks_with_us(it, "Oh, thank you, who is this?")
        assert it.said == [MESSAGE]


@pytest.mark.parametrize("text", ["Hello?", "Who is this?", "Yes I am here and I can hear you very well"])
async def test_who_speaks_into_the_message_is_talked_to(tmp_path, text):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.said)
        assert not await it.opening.mute.process_frame(None)
        it.speaks(text, ends=False)
        it.session.playout.cleared()  # a barge-in
        it.line.playing.set()
        it.opening.heard(UserStoppedSpeakingFrame())
        await it.until(lambda: len(it.said) > 1)
        assert it.said == [MESSAGE, GREETING]
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)


async def test_noise_in_the_message_has_it_said_again(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.said)
        it.speaks(ends=False)
        it.session.playout.cleared()
        it.line.playing.set()
        it.opening.heard(UserStoppedSpeakingFrame())
        await it.until_over()
        assert it.said == [MESSAGE, MESSAGE]
        assert it.events("voicemail_message") == [{"heard": True}]


async def test_a_box_that_has_beeped_cannot_cut_the_message(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("machine")
        await it.beep()
        await it.until(lambda: it.said)
        assert await it.opening.mute.process_frame(None)
        it.line.playing.set()
        await it.until_over()
        assert it.said == [MESSAGE]


@MANNERS
async def test_somebody_of_whom_the_carrier_does_not_know_is_a_person(tmp_path, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail) as it:
        it.carrier_says("unknown")
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)
        assert it.said == [GREETING]


@MANNERS
@pytest.mark.parametrize("who", ["machine", "greeting_ended", "fax"])
async def test_a_result_that_comes_when_they_talk_with_us_changes_nothing(tmp_path, who, on_voicemail):
    async with answered(tmp_path, on_voicemail=on_voicemail, hello=0) as it:
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)
        it.carrier_says(who)
        await asyncio.sleep(0.9)
        assert it.said == [GREETING]
        assert not it.session.ending


async def test_a_person_who_is_taken_for_a_fax_is_greeted(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Hello?")
        it.carrier_says("fax")
        await it.until(lambda: it.opening._was_greeted)
        await talks_with_us(it)
        assert it.said == [GREETING]


async def test_a_fax_that_the_carrier_takes_for_a_person_is_hung_up_on_when_its_tone_is_heard(tmp_path):
    async with answered(tmp_path) as it:
        it.carrier_says("human")
        await it.until(lambda: it.said)
        await it.opening._is_a_fax()
        await it.until_over()
        assert it.said == [GREETING]
        assert it.call.ending.cause == "a fax machine answered"


async def test_a_fax_whose_tone_was_taken_for_a_beep_at_first_hears_no_more_of_the_message(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        await it.beep()
        await it.until(lambda: it.said)
        await it.opening._is_a_fax()
        await asyncio.sleep(0.2)
        it.line.playing.set()
        await it.until_over()
        assert it.call.ending.cause == "a fax machine answered"
        assert it.events("voicemail_message") == []


async def test_a_machine_that_the_carrier_takes_for_a_person_gets_the_message(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Hi, this is Sam.")
        it.carrier_says("human")
        await it.until(lambda: it.opening._was_greeted)
        it.speaks("I am not available right now.")
        it.model_would_answer("I am not available right now.")
        await it.beep()
        await it.until_over()
        assert it.said == [GREETING, MESSAGE]


async def test_who_turns_out_to_be_a_person_after_the_message_is_greeted(tmp_path):
    async with answered(tmp_path) as it:
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.events("voicemail_message"))
        it.carrier_says("human")
        await it.until(lambda: len(it.said) == 2)
        assert it.said == [MESSAGE, GREETING]
        await asyncio.sleep(0.9)
        assert not it.session.ending


async def test_a_fax_that_is_found_out_during_the_message_hears_no_more_of_it(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.said)
        it.carrier_says("fax")
        await asyncio.sleep(0.2)
        it.line.playing.set()
        await it.until_over()
        assert it.said == [MESSAGE]
        assert it.events("voicemail_message") == []
        assert it.call.ending.cause == "a fax machine answered"
