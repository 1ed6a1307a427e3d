"""A voice that renders a text before it sounds begins an answer with the first clause of a long sentence."""

import numpy as np
import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from conversation.local.speech import LocalPiperTTS, loudness_of
from conversation.speakable.clauses import first_clause_end
from conversation.speakable.text import SpeakableText

LONG = "The bus to the airport leaves every hour, and the last one goes at midnight."
CLAUSE, REST = "The bus to the airport leaves every hour,", "and the last one goes at midnight."


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (LONG, CLAUSE),
        ("Please bring these with you: a towel, soap and a lock.", "Please bring these with you:"),
        (
            "Well, that depends on the size of it, as we count by meters.",
            "Well, that depends on the size of it,",
        ),
    ],
)
def test_a_long_sentence_is_cut_behind_its_first_clause(text, first):
    assert text[: first_clause_end(text)] == first


@pytest.mark.parametrize(
    "text",
    [
        "Yes, we are.",
        "We are open every day of the week from nine in the morning until six in the evening.",
        "We take apples, pears, and plums.",  # too few words behind five
        "The fair begins on Monday, 5 May and ends a week later.",  # a date goes on
        "The rent for the hall is $1,200 for one whole evening with chairs.",
        "It was built on the fifth of May 1901, 30 years after the school.",
        "The bus to the airport leaves every hour, and the",  # perhaps the last words of a list
    ],
)
def test_what_is_short_or_has_no_such_place_stays_whole(text):
    assert first_clause_end(text) is None


async def given(*frames, first_clause=True):
    down, _ = await run_test(
        SpeakableText("en", first_clause=first_clause),
        frames_to_send=[LLMFullResponseStartFrame(), *frames, LLMFullResponseEndFrame()],
    )
    return [frame.text for frame in down if isinstance(frame, AggregatedTextFrame)]


def tokens(text):
    first, *others = text.split(" ")
    return [LLMTextFrame(first), *(LLMTextFrame(f" {word}") for word in others)]


async def test_the_voice_has_the_first_clause_before_the_rest_is_there():
    assert await given(*tokens("The bus to the airport leaves every hour, and the last")) == [
        CLAUSE,
        "and the last",
    ]


async def test_only_the_first_sentence_is_cut():
    assert await given(*tokens(f"{LONG} {LONG}")) == [CLAUSE, REST, LONG]
    assert await given(*tokens(f"It does. {LONG}")) == ["It does.", LONG]


async def test_each_answer_is_cut_by_itself():
    between = [LLMFullResponseEndFrame(), LLMFullResponseStartFrame()]
    assert await given(*tokens(LONG), *between, *tokens(LONG)) == [CLAUSE, REST] * 2
    stopped = [SleepFrame(0.05), InterruptionFrame(), SleepFrame(0.05)]
    assert (await given(*tokens(LONG), *stopped, *tokens(LONG)))[-2:] == [CLAUSE, REST]


async def test_a_voice_that_streams_gets_whole_sentences():
    assert await given(*tokens(LONG), first_clause=False) == [LONG]


class Loud:
    """In the place of the models: each text is as loud as is said."""

    def __init__(self, loudness):
        self.loudness = loudness

    async def say(self, text, rate):
        return np.full(800, self.loudness[text], np.int16).tobytes()


async def spoken(loudness):
    """How loud each piece of one answer comes out."""
    down, _ = await run_test(
        LocalPiperTTS(models=Loud(loudness)),
        frames_to_send=[
            LLMFullResponseStartFrame(),
            *(AggregatedTextFrame(text, "sentence") for text in loudness),
            LLMFullResponseEndFrame(),
            SleepFrame(0.2),
        ],
        pipeline_params=PipelineParams(audio_out_sample_rate=8000),
    )
    return [loudness_of(frame.audio) for frame in down if isinstance(frame, TTSAudioRawFrame)]


async def test_the_rest_of_a_sentence_is_no_louder_than_its_beginning():
    assert await spoken({CLAUSE: 4000, REST: 6000, "It is yellow.": 9000}) == [4000, 4000, 9000]
    assert await spoken({CLAUSE: 4000, REST: 3000}) == [4000, 3000]
    assert await spoken({CLAUSE: 1000, REST: 9000}) == [1000, 4500]
    assert await spoken({CLAUSE: 0, REST: 9000}) == [0, 9000]
