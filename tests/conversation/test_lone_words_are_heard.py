"""A lone word is half a second of sound: it is known by how likely the recogniser's own weights find it."""

import pytest

from conversation.local.lone_words import (
    ANSWER_MARGIN,
    MARGIN,
    NO_MARGIN,
    is_doubtful,
    margin_after,
    said_alone,
    said_to,
)
from conversation.local.models import Expected, LocalModels
from tests.brain_talk import receptionist
from tests.on_the_line import RATE, moonshine_and_piper, on_the_line

MISHEARD = "Yep."
"""What the recogniser by itself writes as another word in this voice."""


@pytest.fixture(scope="module")
def models() -> LocalModels:
    return moonshine_and_piper()


@pytest.mark.parametrize(
    "said", ["Yes.", "No.", "Okay.", "Correct.", "Goodbye.", "Bye.", "Thank you.", "Hello."]
)
def test_what_is_often_said_alone(models, said):
    sound, speech = on_the_line(models, said)
    assert models.transcribe_alone(sound, RATE, speech, Expected(said_alone(), ANSWER_MARGIN)) in (
        said,
        said.replace("y.", "y?"),
    )


@pytest.mark.parametrize("said", ["Friday.", "Denver.", "Seven.", "Robert.", "Tomorrow.", "Peter Novak."])
def test_other_words_stay_what_they_are(models, said):
    sound, speech = on_the_line(models, said)
    assert models.transcribe_alone(sound, RATE, speech, Expected(said_alone(), MARGIN)) == models.transcribe(
        sound, RATE
    )


def test_a_long_sound_is_none(models):
    sound, (begin, end) = on_the_line(models, MISHEARD)
    understood = models.transcribe(sound, RATE)
    assert understood != MISHEARD, "this is understood by now: take another word"
    assert (
        models.transcribe_alone(sound, RATE, (begin, end), Expected(said_alone(), ANSWER_MARGIN))
        != understood
    )
    long = begin, begin + 1.2
    assert models.transcribe_alone(sound, RATE, long, Expected(said_alone(), ANSWER_MARGIN)) == understood


def test_only_among_the_words_that_are_given(models):
    sound, speech = on_the_line(models, MISHEARD)
    assert models.transcribe_alone(
        sound, RATE, speech, Expected(["No", "Please"], MARGIN)
    ) == models.transcribe(sound, RATE)
    assert models.transcribe_alone(sound, RATE, speech, Expected(["No", "Yes"], MARGIN)) == "Yes."


async def test_in_a_thread_it_is_the_same(models):
    sound, speech = on_the_line(models, MISHEARD)
    assert await models.hear_alone(sound, RATE, speech, Expected(["Yes"], MARGIN)) == "Yes."


def test_words_that_are_known_are_not_doubted():
    words = ["Yes", "Thank you"]
    assert not is_doubtful("Yes.", words)
    assert not is_doubtful("thank you!", words)
    assert is_doubtful("Yahoo!", words)
    assert not is_doubtful("", words)
    assert not is_doubtful("I would like to come.", words)


def test_an_agents_own_words():
    words = said_to(receptionist())
    assert {"Yes", "Parking", "Hours", "Prices"} <= set(words)
    assert len(words) == len(set(words))


def test_how_readily_one_is_taken():
    assert margin_after("Is that right?", asks_for_dictation=False) == ANSWER_MARGIN
    assert margin_after("How can I help you?", asks_for_dictation=False) == MARGIN
    assert margin_after("We are open until six.", asks_for_dictation=False) == MARGIN
    assert margin_after("May I have your name?", asks_for_dictation=True) == NO_MARGIN
    assert margin_after("Can they call you on this number?", asks_for_dictation=True) == ANSWER_MARGIN
    assert margin_after("Could you give me your number?", asks_for_dictation=True) == NO_MARGIN
