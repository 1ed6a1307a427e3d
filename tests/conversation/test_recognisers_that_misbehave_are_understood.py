"""A recogniser that sends words twice, nothing, or words after the turn: what the model is shown of it."""

import asyncio
import time

from pipecat.frames.frames import (
    LLMContextFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from conversation.heard.context import HeardUserAggregator, InterruptionsUnderWay


class NothingUnderWay(InterruptionsUnderWay):
    """No interruption takes any time: there is no rest of a pipeline."""

    async def over(self) -> None:
        await asyncio.sleep(0)


def speech():
    return VADUserStartedSpeakingFrame(start_secs=0.1)


def silence():
    return VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())


def final(text):
    return TranscriptionFrame(text, "", "", finalized=True)


async def shown(*frames, joins=True):
    """What the model was shown, each time that it was asked."""
    context = LLMContext()
    strategies = UserTurnStrategies(
        start=[VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.1)],
    )
    params = LLMUserAggregatorParams(user_turn_strategies=strategies)
    aggregator = HeardUserAggregator(context, NothingUnderWay(), params, joins=joins)
    asked = []

    async def note(processor, frame):
        if isinstance(frame, LLMContextFrame):
            asked.append([message["content"] for message in frame.context.get_messages()])

    aggregator.add_event_handler("on_before_push_frame", note)
    await run_test(aggregator, frames_to_send=[*frames, SleepFrame(sleep=0.4)])
    return asked


async def test_words_that_come_twice_are_shown_once():
    words = [final("I would like"), final("to come on Friday"), final("I would like to come on Friday.")]
    assert await shown(speech(), silence(), *words) == [["I would like to come on Friday"]]


async def test_an_empty_transcript_is_no_turn():
    assert await shown(final(""), final("  "), SleepFrame(sleep=0.4)) == []
    assert await shown(speech(), silence(), final("Hello."), final("")) == [["Hello."]]


async def test_words_of_the_turn_that_come_again_behind_it_are_nobodys():
    late = [SleepFrame(sleep=0.5), final("Hello there.")]
    assert await shown(speech(), silence(), final("Hello there"), *late) == [["Hello there"]]


async def test_new_words_behind_the_turn_are_one_message_with_it_while_nobody_has_heard_an_answer():
    late = [SleepFrame(sleep=0.5), final("on Friday.")]
    first, second = await shown(speech(), silence(), final("I would like to come"), *late)
    assert first == ["I would like to come"]
    assert second == ["I would like to come on Friday."]
    *_, second = await shown(speech(), silence(), final("I would like to come"), *late, joins=False)
    assert second == ["I would like to come", "on Friday."]
