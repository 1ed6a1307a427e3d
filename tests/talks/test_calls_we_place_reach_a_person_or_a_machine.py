"""Who is greeted, who gets a message, who overrules whom: the opening of a call that the bot has placed."""

import asyncio

import pytest
from pipecat.frames.frames import TranscriptionFrame, UserStoppedSpeakingFrame

from calls.states import CallState, EndedBy
from calls.store import CallStore
from conversation.outbound import first_seconds as voicemail
from conversation.outbound.first_seconds import Phase, outbound_opening
from conversation.outbound.witnesses import MESSAGES
from tests.answered_call import GREETING, MESSAGE, answered


async def test_only_the_first_session_of_a_call_of_ours_has_such_an_opening(tmp_path):
    async with answered(tmp_path) as it:
        inbound = CallStore().open(carrier="twilio", carrier_call_id="CA2")
        it.session.call, outbound = inbound, it.session.call
        assert outbound_opening(it.session, None) is None
        it.session.call = outbound
        it.session.resume = "lost"
        assert outbound_opening(it.session, None) is None


async def test_a_person_who_says_nothing_is_greeted_after_a_moment(tmp_path):
    async with answered(tmp_path, hello=0.2) as it:
        await asyncio.sleep(0.05)
        assert it.said == []
        await it.until(lambda: it.said)
        assert it.said == [GREETING]


async def test_a_hello_is_not_talked_over_and_is_answered_by_the_greeting_alone(tmp_path):
    async with answered(tmp_path, hello=0.1) as it:
        it.speaks("Hello?", ends=False)
        await asyncio.sleep(0.3)
        assert it.said == []
        it.opening.heard(UserStoppedSpeakingFrame())
        assert not it.model_would_answer("Hello?")
        await it.opening._sounds_like_a_person(None)
        await it.until(lambda: it.said)
        assert not it.model_would_answer(
            "Hello?"
        )  # the turn came before the greeting, however late it is noticed
        assert it.said == [GREETING]


async def test_a_person_whom_the_carrier_knows_is_greeted_at_once_but_not_over_their_own_words(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Anna Miller", ends=False)
        it.carrier_says("human")
        await asyncio.sleep(0.1)
        assert it.said == []
        it.opening.heard(UserStoppedSpeakingFrame())
        await it.until(lambda: it.said)
        assert it.said == [GREETING]


async def test_what_the_carrier_found_before_the_stream_began_counts(tmp_path):
    async with answered(tmp_path, before="human") as it:
        await it.until(lambda: it.said)
        assert it.said == [GREETING]


async def test_a_hello_over_the_greeting_gets_it_again_and_other_words_get_an_answer(tmp_path):
    async with answered(tmp_path, hello=0) as it:
        it.line.playing.clear()
        await it.until(lambda: it.said)
        it.session.playout.cleared()  # a barge-in
        it.speaks("Hello?")
        assert not it.model_would_answer("Hello?")
        await it.until(lambda: len(it.said) == 2)
        it.session.playout.cleared()
        it.speaks("No thank you, I have no time.")
        assert it.model_would_answer("No thank you, I have no time.")
        assert it.said == [GREETING, GREETING]


async def test_who_answers_the_greeting_is_a_person_whatever_is_said_later(tmp_path):
    async with answered(tmp_path, hello=0) as it:
        await it.until(lambda: it.opening._was_greeted)
        it.speaks("Yes, that is fine.")
        assert it.model_would_answer("Yes, that is fine.")
        it.carrier_says("machine")
        it.speaks("Please leave a message after the tone.")
        await it.beep()
        assert it.model_would_answer("Shall I?")
        assert it.said == [GREETING]
        assert not it.session.ending


async def test_a_key_is_an_answer_too(tmp_path):
    async with answered(tmp_path, hello=0) as it:
        it.line.playing.clear()
        await it.until(lambda: it.said)
        assert it.model_would_answer("DTMF: 1")
        assert it.opening.phase is Phase.OVER


@pytest.mark.parametrize("end", ["beep", "carrier", "silence"])
async def test_a_machine_gets_the_whole_message_after_its_greeting_and_the_call_ends_as_voicemail(
    tmp_path, monkeypatch, end
):
    async with answered(tmp_path, quiet=0.2 if end == "silence" else 9, monkeypatch=monkeypatch) as it:
        it.speaks("Hi, this is Sam.", ends=False)
        it.carrier_says("machine")
        await asyncio.sleep(0.3)
        assert it.said == []
        if end == "beep":
            await it.beep()
        elif end == "carrier":
            it.carrier_says("greeting_ended")
        else:
            it.opening.heard(UserStoppedSpeakingFrame())
        await it.until_over()
        assert it.said == [MESSAGE]
        assert it.events("voicemail_message") == [{"heard": True}]
        assert it.call.ending.state is CallState.VOICEMAIL
        assert it.call.ending.by is EndedBy.BOT


async def test_words_that_only_a_recording_says_are_enough(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Please leave a message after the tone.")
        await it.beep()
        await it.until_over()
        assert it.said == [MESSAGE]


async def test_a_machine_that_was_greeted_is_found_out_and_gets_the_message(tmp_path):
    async with answered(tmp_path, hello=0) as it:
        it.line.playing.clear()
        await it.until(lambda: it.said)
        it.speaks("Hi, you have reached Sam, please leave your name after the beep.")
        it.line.playing.set()
        assert not it.model_would_answer("Hi, you have reached Sam, please leave your name after the beep.")
        await it.beep()
        await it.until_over()
        assert it.said == [GREETING, MESSAGE]


async def test_a_beep_during_the_message_has_it_said_again(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.said)
        await it.beep()
        await it.until(lambda: len(it.said) == 2)
        it.line.playing.set()
        await it.until_over()
        assert it.said == [MESSAGE, MESSAGE]
        assert it.events("voicemail_message") == [{"heard": True}]


async def test_a_machine_that_goes_on_beeping_still_gets_a_whole_message(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        for times in range(1, MESSAGES + 1):
            await it.until(lambda times=times: len(it.said) == times)
            await it.beep()
        it.line.playing.set()
        await it.until_over()
        assert it.said == [MESSAGE] * MESSAGES
        assert it.events("voicemail_message") == [{"heard": True}]


@pytest.mark.parametrize("who", ["machine", "greeting_ended"])
@pytest.mark.parametrize("sign", ["beep", "words", "likely words"])
async def test_a_machine_is_hung_up_on_without_a_word_where_the_agent_says_so(
    tmp_path, monkeypatch, who, sign
):
    async with answered(tmp_path, on_voicemail="hang_up", quiet=0.1, monkeypatch=monkeypatch) as it:
        it.speaks("Hi.", ends=False)
        it.carrier_says(who)
        if sign == "beep":
            await it.beep()
        else:
            likely = "We can't come to the phone right now."
            it.speaks(likely if sign == "likely words" else "Please leave a message after the tone.")
        await it.until_over()
        assert it.said == []
        assert it.call.ending.state is CallState.VOICEMAIL


async def test_a_fax_gets_no_message(tmp_path):
    async with answered(tmp_path) as it:
        it.carrier_says("fax")
        await it.until_over()
        assert it.said == []


async def test_an_unknown_verdict_changes_nothing(tmp_path):
    async with answered(tmp_path, hello=0.2) as it:
        it.carrier_says("unknown")
        await it.until(lambda: it.said)
        assert it.said == [GREETING]


async def test_the_carrier_overrules_what_the_words_seemed_to_say(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("I can't come to the phone right now", ends=False)
        await it.opening._sounds_like_a_machine(None)
        assert it.opening.phase is Phase.WAITING
        it.carrier_says("human")
        it.opening.heard(UserStoppedSpeakingFrame())
        await it.until(lambda: it.said)
        assert it.said == [GREETING]
        await it.opening._sounds_like_a_machine(None)
        assert it.opening.phase is Phase.GREETED


async def test_the_carrier_does_not_overrule_a_beep(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("please record your message", ends=False)
        it.carrier_says("human")
        assert it.opening.phase is Phase.WAITING


async def test_hello_on_a_line_where_a_machine_was_awaited_is_a_person(tmp_path):
    async with answered(tmp_path) as it:
        it.speaks("Hello.", ends=False)
        it.carrier_says("machine")
        it.opening.heard(TranscriptionFrame("Hello", "", ""))  # still the greeting's own
        assert it.opening.phase is Phase.WAITING
        it.opening.heard(UserStoppedSpeakingFrame())
        it.speaks("Hello? Hello?")
        await it.until(lambda: it.said)
        assert it.said == [GREETING]
        assert [data["who"] for data in it.events("opening")] == ["machine", "human"]


async def test_nobody_talks_to_a_machine_whose_greeting_never_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(voicemail, "GREETING_SECS", 0.2)
    async with answered(tmp_path) as it:
        it.speaks("la la la", ends=False)
        it.carrier_says("machine")
        await it.until_over()
        assert it.said == []
        assert it.call.ending.state is CallState.VOICEMAIL


async def test_whoever_hangs_up_during_the_message_ends_it(tmp_path):
    async with answered(tmp_path) as it:
        it.line.playing.clear()
        it.carrier_says("greeting_ended")
        await it.until(lambda: it.said)
        it.session.detached("socket closed")
        await it.until(lambda: it.events("voicemail_message"))
        assert it.events("voicemail_message") == [{"heard": False}]
        assert it.said == [MESSAGE]
