"""A lone word is half a second of sound: it is known by how likely the recogniser's own weights find it."""

from types import SimpleNamespace

import numpy as np
import pytest
from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection

from conversation.local import recognisers
from conversation.local.lone_words import (
    ANSWER_MARGIN,
    MARGIN,
    NO_MARGIN,
    is_doubtful,
    margin_after,
    said_alone,
    said_over_the_bot,
    said_to,
)
from conversation.local.models import Expected, LocalModels
from conversation.local.recognisers import MoonshineRecogniser
from conversation.local.speech import LocalMoonshineSTT, NoWordsFrame
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


@pytest.mark.parametrize("said", ["Stop.", "Wait.", "I see."])
def test_what_is_said_over_the_bot(models, said):
    sound, speech = on_the_line(models, said)
    words = [*said_alone(), *said_over_the_bot()]
    assert models.transcribe_alone(sound, RATE, speech, Expected(words, MARGIN)) == said


class Asked(LocalModels):
    """Models that note which words they are to listen for."""

    def __init__(self):
        super().__init__()
        self.words = []

    async def hear_alone(self, pcm, rate, speech, expected):
        self.words.append(list(expected.words))
        return ""


async def test_words_over_the_bot_are_listened_for_while_it_speaks_only(monkeypatch):
    models = Asked()
    ear = LocalMoonshineSTT(models=models, sample_rate=RATE)
    ear._sample_rate = RATE
    monkeypatch.setattr(ear, "push_frame", lambda *_: _nothing())
    for frame in (None, BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()):
        if frame is not None:
            await ear.process_frame(frame, FrameDirection.UPSTREAM)
        assert [type(one) async for one in ear.run_stt(bytes(RATE))] == [NoWordsFrame]
    alone = said_alone()
    assert models.words == [alone, [*alone, *said_over_the_bot()], alone]


async def _nothing():
    return None


@pytest.mark.parametrize(("made", "text"), [("© transcript Some Body", ""), ("It is warm.", "It is warm.")])
def test_whose_words_a_film_has_is_nothing_that_was_said(made, text, monkeypatch):
    monkeypatch.setattr(recognisers, "written", lambda *_: made)
    assert MoonshineRecogniser.transcribe(SimpleNamespace(weights=None), np.zeros(RATE)) == text
