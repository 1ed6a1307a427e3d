"""When the guard against dead air acts, why, and above all when it does not: on a clock that the tests move."""

import pytest

from conversation.agents.tables import DeadAir as Limits
from conversation.dead_air.causes import Cause, Stage
from conversation.dead_air.guard import DeadAir
from conversation.playout import Playout


class Line:
    """A guard with its line, on a clock of its own."""

    def __init__(self, *, first_audio_secs=3.0, **limits):
        self.now = 100.0
        self.playout = Playout(clock=lambda: self.now)
        self.guard = DeadAir(
            Limits(**limits), self.playout, first_audio_secs=first_audio_secs, clock=lambda: self.now
        )
        self.fired = []

    def wait(self, secs):
        """Let time pass, looking five times a second; what has fired, with when."""
        fired = []
        for _ in range(round(secs / 0.2)):
            self.now += 0.2
            if (firing := self.guard.look()) is not None:
                fired.append((firing.stage, firing.cause))
                self.fired.append((round(self.now - 100.0, 1), firing.stage, firing.cause))
        return fired

    def hears(self, secs, *, own=False):
        """The voice gives sound, and it is sent to the line."""
        self.playout.spoke(secs)
        self.guard.voice_gave(own=own)
        self.playout.audio_sent(secs)

    def caller_asks(self):
        self.guard.caller_began()
        self.guard.interrupted()
        self.guard.caller_stopped()
        self.guard.asked()
        self.guard.caller_said_something()

    def model_answers(self, secs=2.0):
        self.guard.reply_has_words()
        self.guard.reply_ended()
        self.hears(secs)
        self.guard.voice_ended()


@pytest.fixture
def line():
    return Line()


def test_a_filler_a_way_on_and_the_fallback_come_at_their_times(line):
    line.caller_asks()
    line.wait(20)
    assert line.fired == [
        (2.0, Stage.FILLER, Cause.MODEL_STALLED),
        (6.0, Stage.WAY_ON, Cause.MODEL_STALLED),
        (12.0, Stage.FALLBACK, Cause.MODEL_STALLED),
    ]


def test_the_guards_own_words_are_no_answer(line):
    line.caller_asks()
    line.wait(2)
    line.guard.voice_was_given()
    line.hears(1.0, own=True)
    line.guard.voice_ended()
    assert line.wait(4.2) == [(Stage.WAY_ON, Cause.MODEL_STALLED)]


def test_an_answer_ends_it_however_long_it_is(line):
    line.caller_asks()
    line.wait(1)
    line.model_answers(secs=30)
    assert line.wait(60) == []


def test_a_late_answer_after_a_filler_ends_it(line):
    line.caller_asks()
    assert line.wait(3) == [(Stage.FILLER, Cause.MODEL_STALLED)]
    line.model_answers()
    assert line.wait(30) == []


def test_silence_within_an_answer_is_silence_too(line):
    line.caller_asks()
    line.guard.reply_has_words()
    line.hears(1.0)
    line.guard.voice_ended()
    assert line.wait(2.8) == []  # a second of it is heard
    assert line.wait(0.4) == [(Stage.FILLER, Cause.MODEL_STALLED)]


def test_an_empty_reply_is_asked_for_once_more_and_then_leads_on_at_once(line):
    line.caller_asks()
    line.guard.reply_ended()
    assert line.wait(0.6) == []
    assert line.guard.take_retry()
    assert not line.guard.take_retry()
    line.guard.asked()
    line.guard.reply_ended()
    assert line.wait(0.6) == [(Stage.WAY_ON, Cause.MODEL_SILENT)]
    assert not line.guard.take_retry()
    assert line.wait(12) == [(Stage.FALLBACK, Cause.MODEL_SILENT)]


def test_a_model_that_fails_turn_after_turn_leads_to_the_fallback(line):
    for stage in (Stage.WAY_ON, Stage.WAY_ON, Stage.FALLBACK):
        line.caller_asks()
        line.guard.failed(Cause.MODEL_FAILED)
        assert line.guard.take_retry()
        line.guard.asked()
        line.guard.failed(Cause.MODEL_FAILED)
        assert line.wait(0.4) == [(stage, Cause.MODEL_FAILED)]


def test_an_answer_between_failures_makes_them_passing_ones(line):
    for _ in range(5):
        line.caller_asks()
        line.guard.failed(Cause.MODEL_FAILED)
        assert line.guard.take_retry()
        line.guard.asked()
        line.model_answers()
        assert line.wait(10) == []


def test_a_voice_that_gives_no_sound_is_waited_for_no_longer_than_its_time_to_the_first(line):
    line.caller_asks()
    line.wait(0.5)
    line.guard.reply_has_words()
    line.guard.reply_ended()
    assert line.wait(2.8) == []  # without a voice there is nothing that a filler could be said with
    assert line.wait(0.4) == [(Stage.FALLBACK, Cause.VOICE_SILENT)]
    assert line.guard.voice_is_lost


def test_that_time_is_a_setting():
    line = Line(first_audio_secs=8)
    line.guard.bots_turn()
    line.guard.voice_was_given("Hello.")
    line.guard.voice_was_asked()
    assert line.wait(7.8) == []
    assert line.wait(0.4) == [(Stage.FALLBACK, Cause.VOICE_SILENT)]


def test_a_model_that_is_slow_with_its_first_sentence_is_not_the_voices_fault(line):
    line.caller_asks()
    line.guard.reply_has_words("We")
    assert line.wait(5) == [(Stage.FILLER, Cause.MODEL_STALLED)]
    line.guard.voice_was_asked()
    assert line.wait(2) == []
    line.hears(2.0)
    assert not line.guard.voice_is_lost


def test_a_voice_that_fails_before_its_first_sound_is_given_the_words_again(line):
    line.caller_asks()
    line.guard.reply_has_words("We are open.")
    line.guard.reply_has_words("Come in.")
    line.guard.reply_ended()
    line.guard.failed(Cause.VOICE_FAILED)
    line.guard.failed(Cause.VOICE_FAILED)  # of the same fault
    assert line.guard.take_words_again() == "We are open. Come in."
    assert line.guard.take_words_again() == ""
    line.hears(2.0)
    line.guard.voice_ended()
    assert line.wait(30) == []


def test_one_that_fails_again_leads_to_the_fallback_at_once(line):
    line.caller_asks()
    line.guard.reply_has_words("We are open.")
    line.guard.reply_ended()
    line.guard.failed(Cause.VOICE_FAILED)
    assert line.guard.take_words_again()
    line.guard.failed(Cause.VOICE_FAILED)
    assert line.wait(0.2) == [(Stage.FALLBACK, Cause.VOICE_FAILED)]


def test_so_does_one_that_was_asked_twice_by_others(line):
    line.caller_asks()
    line.guard.reply_has_words("We are open.")
    line.guard.failed(Cause.VOICE_FAILED, tried_again=True)
    assert line.wait(0.2) == [(Stage.FALLBACK, Cause.VOICE_FAILED)]


def test_one_that_breaks_off_is_spoken_after_though_sound_of_it_trails(line):
    line.caller_asks()
    line.guard.reply_has_words("We are open from nine.")
    line.guard.reply_ended()
    line.hears(0.4)
    line.guard.failed(Cause.VOICE_FAILED)
    line.hears(0.1)
    line.guard.voice_ended()
    assert line.wait(3) == [(Stage.FILLER, Cause.VOICE_FAILED)]


def test_a_voice_that_fails_while_it_has_nothing_to_say_is_no_fault_yet(line):
    line.caller_asks()
    line.model_answers()
    line.guard.failed(Cause.VOICE_FAILED)
    assert line.wait(30) == []


def test_no_filler_in_front_of_a_voice_that_is_about_to_speak(line):
    line.caller_asks()
    line.wait(1.8)
    line.guard.reply_has_words()
    assert line.wait(0.6) == []
    line.hears(2.0)
    line.guard.reply_ended()
    line.guard.voice_ended()
    assert line.wait(20) == []


def test_a_greeting_that_never_comes(line):
    line.guard.bots_turn()
    line.guard.voice_was_given("Hello.")
    line.guard.voice_was_asked()
    line.wait(13)
    assert line.fired == [(3.0, Stage.FALLBACK, Cause.VOICE_SILENT)]


def test_a_slow_tool(line):
    line.caller_asks()
    line.guard.tools_began(["1"])
    line.guard.reply_ended()
    assert line.wait(7) == [(Stage.FILLER, Cause.TOOL_SLOW), (Stage.WAY_ON, Cause.TOOL_SLOW)]


def test_a_tool_that_speaks_itself_counts_from_its_words(line):
    line.caller_asks()
    line.guard.tools_began(["1"])
    line.guard.reply_ended()
    for _ in range(5):
        assert line.wait(1.3) == []
        line.guard.voice_was_given()
        line.hears(1.0)
        line.guard.voice_ended()
    line.guard.tool_ended("1")
    line.guard.asked()
    line.model_answers()
    assert line.wait(20) == []


def test_a_caller_who_thinks_is_left_in_peace(line):
    line.guard.bots_turn()
    line.guard.voice_was_given()
    line.hears(3.0)
    line.guard.voice_ended()
    assert line.wait(60) == []
    assert 56 < line.guard.waited_for_caller_secs() < 58


def test_nothing_is_said_over_a_caller_who_has_begun_to_speak(line):
    line.caller_asks()
    line.wait(1.8)
    line.guard.caller_speaks()
    assert line.wait(5) == []
    line.guard.caller_began()
    line.guard.interrupted()
    line.guard.caller_pauses()
    assert line.wait(1) == []
    line.guard.caller_stopped()
    line.guard.asked()
    line.guard.caller_said_something()
    assert line.wait(1.8) == []  # the new turn counts anew
    assert line.wait(0.4) == [(Stage.FILLER, Cause.MODEL_STALLED)]


def test_keys_that_are_being_pressed_are_not_talked_over(line):
    line.caller_asks()
    line.guard.interrupted()
    for _ in range(12):
        line.guard.key_pressed()
        assert line.wait(1.2) == []


def test_a_cough_while_the_model_thinks_has_it_asked_again(line):
    line.caller_asks()
    line.guard.caller_speaks()
    line.guard.caller_began()
    line.guard.interrupted()
    line.now += 0.4
    line.guard.caller_pauses()
    line.guard.caller_stopped()
    line.guard.caller_said_nothing()
    line.wait(0.6)
    assert line.guard.take_retry()


def test_a_cough_is_not_answered_twice_where_somebody_else_asks_the_model(line):
    line.caller_asks()
    line.guard.caller_began()
    line.guard.interrupted()
    line.guard.caller_stopped()
    line.guard.caller_said_nothing()
    line.guard.asked()
    line.wait(1)
    assert not line.guard.take_retry()


def speech_without_words(line, secs):
    line.guard.caller_speaks()
    line.guard.caller_began()
    line.guard.interrupted()
    line.wait(secs)
    line.guard.caller_pauses()
    line.guard.caller_stopped()
    line.guard.caller_said_nothing()


def test_speech_of_which_no_words_come_is_told_to_the_caller_and_at_last_given_up(line):
    for stage in (Stage.WAY_ON, Stage.WAY_ON, Stage.FALLBACK):
        speech_without_words(line, 2.0)
        assert line.wait(1) == [(stage, Cause.RECOGNISER_SILENT)]
        assert line.wait(20) == []  # it is the caller's turn


@pytest.mark.parametrize(("sounded", "took", "is_speech"), [(0.8, 0.5, True), (0.3, 0.9, False)])
def test_speech_is_as_long_as_its_sound_however_the_line_delivers_it(line, sounded, took, is_speech):
    line.guard.caller_sounds(5.0)  # silence before it
    line.guard.caller_speaks()
    line.guard.caller_began()
    line.guard.interrupted()
    line.now += took
    line.guard.caller_sounds(sounded)
    line.guard.caller_pauses()
    line.guard.caller_stopped()
    line.guard.caller_said_nothing()
    assert line.wait(1) == ([(Stage.WAY_ON, Cause.RECOGNISER_SILENT)] if is_speech else [])


def test_a_short_word_is_enough_where_the_recogniser_is_known_to_have_failed(line):
    line.guard.failed(Cause.RECOGNISER_FAILED)
    speech_without_words(line, 0.4)
    assert line.wait(1) == [(Stage.WAY_ON, Cause.RECOGNISER_FAILED)]


def test_noises_say_nothing_and_do_not_start_the_silent_callers_time_anew(line):
    line.guard.bots_turn()
    line.guard.voice_was_given()
    line.hears(1.0)
    line.guard.voice_ended()
    line.wait(1)
    for _ in range(3):
        line.wait(2)
        speech_without_words(line, 0.4)
    assert line.fired == []
    assert line.guard.waited_for_caller_secs() > 6
    line.guard.caller_was_understood()
    assert line.guard.waited_for_caller_secs() == 0


def test_the_silent_callers_time_counts_from_the_bots_last_sound_also_when_the_rest_was_taken_back(line):
    line.model_answers(1.0)
    line.wait(6)
    line.model_answers(3.0)
    line.wait(1)
    line.playout.cleared()
    line.wait(1)
    assert 0.9 < line.guard.waited_for_caller_secs() < 1.1
    line.playout.cleared()  # of a queue that is empty
    line.wait(1)
    assert 1.9 < line.guard.waited_for_caller_secs() < 2.1


def test_what_somebody_else_sees_to_is_due_from_then_on(line):
    line.caller_asks()
    line.guard.tools_began(["transfer"])
    for _ in range(100):
        line.now += 0.2
        line.guard.hold()
    assert line.wait(1.3) == []
    assert line.wait(0.4) == [(Stage.FILLER, Cause.TOOL_SLOW)]


def test_a_caller_hears_of_a_slow_tool_sooner_than_of_a_slow_model(line):
    line.caller_asks()
    assert line.wait(1.3) == []
    line.guard.tools_began(["1"])
    assert line.wait(0.4) == [(Stage.FILLER, Cause.TOOL_SLOW)], "silence counts from the caller's last word"
    line.guard.tool_ended("1")
    line.guard.asked()
    line.model_answers()
    line.caller_asks()
    assert line.wait(1.8) == []
    assert line.wait(0.4) == [(Stage.FILLER, Cause.MODEL_STALLED)]


def test_a_model_that_has_pressed_keys_may_listen(line):
    line.caller_asks()
    line.guard.tools_began(["keys"])
    line.guard.reply_ended()
    line.guard.may_be_silent()
    line.guard.tool_ended("keys")
    line.guard.asked()
    line.guard.reply_ended()
    assert line.wait(30) == []
    assert not line.guard.take_retry()


def test_its_times_are_the_agents():
    line = Line(filler_secs=1, way_on_secs=3, fallback_secs=4)
    line.caller_asks()
    line.wait(5)
    assert [secs for secs, *_ in line.fired] == [1.0, 3.0, 4.0]


def test_that_a_voice_broke_off_may_be_told_after_its_end(line):
    line.caller_asks()
    line.guard.reply_has_words("We are open from nine.")
    line.guard.reply_ended()
    line.hears(0.3)
    line.guard.voice_reports_a_fault()
    line.guard.voice_ended()
    line.wait(0.4)
    line.guard.failed(Cause.VOICE_FAILED)
    assert line.wait(3) == [(Stage.FILLER, Cause.VOICE_FAILED)]


def test_a_fault_of_a_voice_that_has_said_all_changes_nothing(line):
    line.caller_asks()
    line.model_answers(0.3)
    line.guard.voice_reports_a_fault()
    line.guard.failed(Cause.VOICE_FAILED)
    assert line.wait(20) == []


def test_why_a_reply_is_empty_is_waited_for(line):
    line.caller_asks()
    line.wait(1.8)
    line.guard.reply_ended()
    assert line.wait(0.2) == [], "its error comes a moment after its end"
    line.guard.failed(Cause.MODEL_STALLED)
    assert line.wait(0.2) == [(Stage.FILLER, Cause.MODEL_STALLED)]


def words_come(line):
    """Words of the caller's come from a model that hears by itself and says nothing of turns."""
    if new := line.guard.caller_spoke():
        line.guard.asked()
    return new


def test_words_of_a_model_that_says_nothing_of_turns_are_a_turn(line):
    assert words_come(line)
    line.wait(13)
    assert [secs for secs, *_ in line.fired] == [2.0, 6.0, 12.0]


def test_words_that_come_within_the_answer_to_them_or_soon_after_ask_for_none(line):
    line.guard.answer_began()
    assert not words_come(line)
    line.guard.answer_is_spoken()
    line.guard.reply_ended()
    line.hears(1.0)
    line.wait(1)
    assert not words_come(line)
    assert line.wait(20) == []


def test_words_that_come_long_after_an_answer_or_have_broken_it_off_are_new(line):
    line.guard.answer_began()
    line.guard.interrupted()
    assert words_come(line)
    line.guard.answer_began()
    line.guard.reply_ended()
    line.wait(2.2)
    assert words_come(line)


def test_words_behind_a_way_on_begin_the_silence_anew(line):
    words_come(line)
    line.wait(7)
    words_come(line)
    assert line.wait(3) == [(Stage.FILLER, Cause.MODEL_STALLED)]


def test_a_fallback_that_has_begun_waits_for_the_caller_and_not_for_the_model(line):
    words_come(line)
    line.wait(12)
    line.guard.gave_up()
    line.wait(5)
    assert line.guard.waited_for_caller_secs() >= 5


def test_a_voice_that_was_given_words_while_the_caller_spoke_on_is_not_silent_yet(line):
    line.caller_asks()
    line.guard.caller_began()
    line.guard.interrupted()
    line.guard.voice_was_given("The rest of what was cut off.")
    line.guard.voice_was_asked()
    assert line.wait(4) == []
    line.guard.caller_stopped()
    line.guard.asked()
    line.guard.caller_said_something()
    assert line.wait(0.4) == []
    line.model_answers()
    assert line.wait(1) == []
