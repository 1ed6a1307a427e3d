"""While a pause is waited out that is likely the end of a turn, the model already thinks; nobody hears it before."""

import asyncio
import time

import pytest
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    ErrorFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from conversation.call_context import CallContext
from conversation.heard.ahead import AskedAhead
from conversation.heard.context import HeardUserAggregator, InterruptionsUnderWay
from conversation.services import one_system
from conversation.services.one_system import with_one_system_message
from conversation.turns import pausing, strategies
from conversation.turns.pausing import WholeSentenceUserTurnStopStrategy
from conversation.turns.strategies import WholeWordsUserTurnStopStrategy
from tests.conversation.test_pauses_within_a_sentence_are_waited_for import AlwaysComplete

TOLD = "I lost an umbrella on the train."
"""Waited for, though it is whole: 0.7 s, or 0.9 s where the voice does not fall."""


class NothingUnderWay(InterruptionsUnderWay):
    """No interruption takes any time: there is no rest of a pipeline."""

    async def over(self):
        await asyncio.sleep(0)


class Thinks(LLMService):
    """A model that thinks for a while, and answers with what it was asked, or with the call of a tool."""

    def __init__(self, secs=0.05, tool=False, fails=False):
        super().__init__(
            settings=LLMSettings(
                model="none",
                system_instruction=None,
                temperature=None,
                max_tokens=None,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            )
        )
        self.secs, self.tool, self.fails = secs, tool, fails
        self.asked, self.looked_with = [], []
        self.register_function("look", self.look, cancel_on_interruption=False)

    async def look(self, params):
        self.looked_with.append(params.context)
        await params.result_callback({"found": "one"})

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        shown = [message["content"] for message in frame.context.get_messages()]
        self.asked.append((time.monotonic(), shown))
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(self.secs)
        if self.fails:
            await self.push_error("no")
        elif self.tool:
            call = FunctionCallFromLLM("look", "1", {}, frame.context)
            await self.run_function_calls([call])
        else:
            await self.push_frame(LLMTextFrame(f"Noted: {shown[-1]}"))
        await self.push_frame(LLMFullResponseEndFrame())


class Talk:
    """A caller, the aggregator and a model, and what came out behind it."""

    def __init__(self, *, by="its words", wanted=True, may_answer=True, ahead=True, **model):
        self.context = CallContext(messages=[{"role": "assistant", "content": "What is it about?"}])
        stop = (
            WholeWordsUserTurnStopStrategy()
            if by == "its words"
            else WholeSentenceUserTurnStopStrategy(turn_analyzer=AlwaysComplete())
        )
        self.answers = 0

        def asked():
            self.answers += may_answer
            return may_answer

        self.user = HeardUserAggregator(
            self.context,
            NothingUnderWay(),
            LLMUserAggregatorParams(
                user_turn_strategies=UserTurnStrategies(start=[VADUserTurnStartStrategy()], stop=[stop])
            ),
            joins=True,
            ahead=AskedAhead(lambda: wanted, asked) if ahead else None,
        )
        self.model = with_one_system_message(Thinks)(**model)
        self.over_at = []

    async def of(self, *steps):
        """What came out, in order."""

        async def note(_processor, frame):
            if isinstance(frame, UserStoppedSpeakingFrame):
                self.over_at.append(time.monotonic())

        self.user.add_event_handler("on_before_push_frame", note)
        down, self.up = await run_test(
            Pipeline([self.user, self.model]), frames_to_send=[*steps, SleepFrame(1.4)]
        )
        return down

    @property
    def said(self):
        return [message["content"] for message in self.context.messages if message["role"] == "user"]


def speech():
    return VADUserStartedSpeakingFrame(start_secs=0.1)


def silence():
    return VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())


def final(text):
    return TranscriptionFrame(text, "", "", finalized=True)


def texts(frames):
    return [frame.text for frame in frames if isinstance(frame, LLMTextFrame)]


@pytest.mark.parametrize("by", ["its words", "its melody"])
async def test_the_answer_is_there_when_the_turn_is_over(by):
    talk = Talk(by=by)
    down = await talk.of(speech(), silence(), final(TOLD))
    [(asked_at, shown)] = talk.model.asked
    assert shown == ["What is it about?", TOLD]
    assert talk.over_at[0] - asked_at > 0.3, "it was asked when the turn was over"
    kinds = [type(frame) for frame in down]
    assert kinds.index(UserStoppedSpeakingFrame) < kinds.index(LLMFullResponseStartFrame)
    assert texts(down) == [f"Noted: {TOLD}"]
    assert talk.said == [TOLD]
    assert talk.answers == 1, "the guard against dead air was not told that the model has the word"


async def test_a_slow_answer_comes_when_it_is_there():
    talk = Talk(secs=1.2)
    assert texts(await talk.of(speech(), silence(), final(TOLD))) == [f"Noted: {TOLD}"]
    assert len(talk.model.asked) == 1


async def test_who_goes_on_has_the_answer_thrown_away():
    talk = Talk()
    goes_on = [SleepFrame(0.3), speech(), SleepFrame(0.2)]
    second = "It is red."
    down = await talk.of(speech(), silence(), final(TOLD), *goes_on, silence(), final(second))
    assert texts(down) == [f"Noted: {TOLD} {second}"]
    assert talk.said == [f"{TOLD} {second}"]
    assert [shown[1:] for _, shown in talk.model.asked] == [[TOLD], [f"{TOLD} {second}"]]


async def test_speech_that_begins_first_keeps_the_turn_from_ending():
    talk = Talk()

    async def takes_long(_processor, frame):
        if isinstance(frame, EagerEndOfTurnCancelFrame):
            await asyncio.sleep(0.4)  # the pause would be over by then

    talk.user.add_event_handler("on_before_push_frame", takes_long)
    goes_on = [SleepFrame(0.5), speech(), SleepFrame(0.7)]
    down = await talk.of(speech(), silence(), final(TOLD), *goes_on, silence(), final("It is red."))
    assert texts(down) == [f"Noted: {TOLD} It is red."]
    assert talk.said == [f"{TOLD} It is red."]


async def test_words_that_come_late_are_asked_with():
    talk = Talk()
    down = await talk.of(speech(), silence(), final(TOLD), SleepFrame(0.2), final("At noon."))
    assert texts(down) == [f"Noted: {TOLD} At noon."]


async def test_a_tool_is_called_when_the_turn_is_over():
    talk = Talk(tool=True)
    down = await talk.of(speech(), silence(), final(TOLD))
    kinds = [type(frame) for frame in down]
    assert kinds.count(FunctionCallInProgressFrame) == 1
    assert kinds.index(UserStoppedSpeakingFrame) < kinds.index(FunctionCallInProgressFrame)
    assert len(talk.model.asked) == 1
    assert talk.said == [TOLD]
    assert talk.model.looked_with == [talk.context], "the tool has not seen the conversation itself"


async def test_no_tool_is_called_for_a_turn_that_goes_on():
    talk = Talk(tool=True)
    goes_on = [SleepFrame(0.3), speech(), SleepFrame(0.2)]
    await talk.of(speech(), silence(), final(TOLD), *goes_on, silence(), final("It is red."))
    assert len(talk.model.asked) == 2
    assert len(talk.model.looked_with) == 1
    assert talk.said == [f"{TOLD} It is red."]


async def test_a_tool_that_would_wait_for_too_long_is_called_for_anew(monkeypatch):
    monkeypatch.setattr(one_system, "TURN_SECS", 0.2)
    talk = Talk(tool=True)
    await talk.of(speech(), silence(), final(TOLD))
    assert len(talk.model.asked) == 2
    assert talk.model.looked_with == [talk.context]


async def test_an_answer_that_was_given_up_as_the_turn_ended_is_asked_for_again():
    talk = Talk()
    user = talk.user

    async def give_up(*_):
        await user.queue_frame(EagerEndOfTurnCancelFrame(), FrameDirection.UPSTREAM)

    user.add_event_handler("on_user_turn_stopped", give_up)
    await talk.of(speech(), silence(), final(TOLD))
    assert [shown[1:] for _, shown in talk.model.asked] == [[TOLD], [TOLD]]
    assert talk.said == [TOLD]


async def test_a_model_that_fails_is_asked_again_when_the_turn_is_over():
    talk = Talk(fails=True)
    await talk.of(speech(), silence(), final(TOLD))
    assert len(talk.model.asked) == 2
    assert [type(frame) for frame in talk.up].count(ErrorFrame) == 2


@pytest.mark.parametrize("text", ["I would like to", "Good evening."])
async def test_a_turn_that_is_likely_to_go_on_is_not_asked_with(text):
    talk = Talk(by="its melody")
    await talk.of(speech(), silence(), final(text))
    assert all(at >= talk.over_at[0] - 0.02 for at, _ in talk.model.asked)


@pytest.mark.parametrize("how", [{"wanted": False}, {"ahead": False}])
async def test_nobody_is_asked_ahead_who_must_not_be(how):
    talk = Talk(**how)
    assert texts(await talk.of(speech(), silence(), final(TOLD))) == [f"Noted: {TOLD}"]
    [(asked_at, _)] = talk.model.asked
    assert asked_at >= talk.over_at[0] - 0.02


async def test_an_answer_is_dropped_when_the_model_may_not_be_heard_any_more():
    talk = Talk(may_answer=False)
    down = await talk.of(speech(), silence(), final(TOLD))
    # What stands before the model in a call drops the second request.
    assert [shown[1:] for _, shown in talk.model.asked] == [[TOLD], [TOLD]]
    assert EagerEndOfTurnCancelFrame in [type(frame) for frame in down]


async def test_a_model_asked_ahead_is_told_where_it_was_interrupted():
    talk = Talk()
    talk.context.was_cut(talk.context.messages[0])
    await talk.of(speech(), silence(), final(TOLD))
    [(_, shown)] = talk.model.asked
    assert len(shown) == 3 and "interrupted" in shown[1] and shown[2] == TOLD


def test_what_is_waited_for_longer_is_not_likely_over():
    assert strategies.LIKELY_SECS is pausing.LIKELY_SECS
    assert pausing.WHOLE_SECS <= pausing.LIKELY_SECS < pausing.MAY_BE_WHOLE_SECS
    for text in ("My number is five five", "Good evening.", "I would like to"):
        assert pausing.secs_to_wait(text) > pausing.LIKELY_SECS
