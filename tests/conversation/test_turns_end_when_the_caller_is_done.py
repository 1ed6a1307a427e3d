"""Keys and short answers end a turn at once; Smart Turn, which listens to the melody, decides on everything else."""

import pytest
from pipecat.frames.frames import (
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult

from conversation.turns.strategies import KeypadUserTurnStopStrategy, WholeWordsUserTurnStopStrategy


def said(text, *, finalized=True):
    return TranscriptionFrame(text, "", "", finalized=finalized)


async def ends_turn(strategy, *frames):
    results = [await strategy.process_frame(frame) for frame in frames]
    return results[-1] is ProcessFrameResult.STOP


@pytest.mark.parametrize("text", ["No.", "Yes, please.", "Thank you. Good-bye.", "That's all", "OKAY"])
async def test_a_short_answer_is_a_whole_turn(text):
    assert await ends_turn(WholeWordsUserTurnStopStrategy(), said(text))


@pytest.mark.parametrize("text", ["No, I mean", "Thank you for", "What are your opening hours", "", "..."])
async def test_a_sentence_is_left_to_the_turn_analyzer(text):
    assert not await ends_turn(WholeWordsUserTurnStopStrategy(), said(text))


async def test_a_short_answer_is_not_the_end_while_the_caller_speaks_on():
    strategy = WholeWordsUserTurnStopStrategy()
    assert not await ends_turn(strategy, VADUserStartedSpeakingFrame(), said("Yes."))
    assert not await ends_turn(strategy, VADUserStoppedSpeakingFrame(), said("I would like an"))


async def test_words_of_one_turn_are_taken_together():
    strategy = WholeWordsUserTurnStopStrategy()
    assert not await ends_turn(strategy, said("I am looking for"), said("thank you"))
    await strategy.handle_user_turn_started()
    assert await ends_turn(strategy, said("Thank you."))


async def test_words_that_may_still_change_do_not_end_a_turn():
    assert not await ends_turn(WholeWordsUserTurnStopStrategy(), said("No", finalized=False))


async def test_a_row_of_keys_is_a_whole_turn():
    assert await ends_turn(KeypadUserTurnStopStrategy(), said("DTMF: 12#"))
    assert not await ends_turn(KeypadUserTurnStopStrategy(), said("twelve"))
