"""A caller who asks for a moment gets it, also when a second sentence says what the moment is for."""

import pytest

from conversation.turns import strategies
from conversation.turns.strategies import PATIENCE_SECS, REMARK_SECS, SilentCaller
from conversation.turns.words import turn_words
from tests.brain_talk import Talk
from tests.conversation.test_words_say_whose_turn_it_is import OfAnAgent

REMARKS = ["The kettle is boiling.", "I need my glasses.", "My dog wants out.", "I'm just closing the window"]
NO_REMARKS = ["Okay, I'm back.", "Here we are.", "When are you open?", "Yes.", "Goodbye.", "Five five five."]


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(strategies.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("remark", REMARKS)
def test_patience_goes_on_behind_what_it_is_for(clock, remark):
    caller = SilentCaller(OfAnAgent())
    caller.heard("Could you hang on?")
    clock[0] += 3
    caller.heard(remark)
    assert caller.secs == PATIENCE_SECS


@pytest.mark.parametrize("words", NO_REMARKS)
def test_patience_ends_with_words_that_want_or_answer_something(clock, words):
    caller = SilentCaller(OfAnAgent())
    caller.heard("Could you hang on?")
    clock[0] += 3
    caller.heard(words)
    assert caller.secs == 8


def test_what_is_said_much_later_is_no_remark(clock):
    caller = SilentCaller(OfAnAgent())
    caller.heard("Could you hang on?")
    clock[0] += REMARK_SECS + 1
    caller.heard("The kettle is boiling.")
    assert caller.secs == 8


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Can you hang on please, my neighbour is ringing at the gate with a parcel.", True),
        ("Sorry, just a minute, the kids are fighting about something again in here.", True),
        ("I need something to write.", True),
        ("One moment please, where can I leave my car when I come to you?", False),
        ("I was told to hold on to my old card until somebody has sent the new one", False),
    ],
)
def test_a_longer_turn_asks_for_patience_when_a_short_part_of_it_does_and_nothing_is_asked(text, holds):
    assert turn_words("en").holds_on(text) is holds


def test_the_same_in_another_language():
    words = turn_words("de")
    assert words.holds_on("Einen Moment bitte, da hat gerade jemand bei mir an der Tür geklingelt.")
    assert words.may_be_a_remark("Da klingelt jemand.") and not words.may_be_a_remark("Wo sind Sie?")


@pytest.mark.parametrize("remark", REMARKS)
def test_the_brain_waits_on_behind_a_remark(remark):
    talk = Talk()
    talk.say("Hang on a second.")
    assert talk.say(remark) == talk.line("hold_on")


@pytest.mark.parametrize("words", ["When are you open?", "Is there parking?", "Blue Cross."])
def test_the_brain_answers_what_is_asked_after_all(words):
    alone, talk = Talk(), Talk()
    alone.say(words)
    talk.say("Hang on a second.")
    talk.say("The kettle is boiling.")
    assert talk.say(words).startswith(alone.reply.text)


def test_without_such_a_wish_a_remark_is_not_understood():
    talk = Talk()
    assert talk.say("The kettle is boiling.") == talk.line("did_not_understand")


def test_a_name_that_follows_is_a_name():
    talk = Talk()
    talk.say("I'd like to leave a message.")
    assert talk.say("Just a second.") == talk.line("hold_on")
    talk.say("Peter Novak.")
    assert talk.state.draft.caller_name == "Peter Novak"
