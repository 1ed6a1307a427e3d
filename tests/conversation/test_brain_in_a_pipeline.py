"""The local brain in the model's place: in Pipecat's pipeline, with Pipecat's aggregators and tool calls."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    FunctionCallResultProperties,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMTextFrame,
    ServiceMetadataFrame,
    TextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.tests.utils import run_test
from pipecat.workers.runner import WorkerRunner

from calls.transcript import tool_succeeded
from conversation.agents.files import load_agent
from conversation.local.brain import LocalBrain
from conversation.local.history import read_context
from tests.brain_talk import AGENTS, CALLER, FRIDAY, Talk, receptionist, retriever

TOOLS = ("end_call", "take_message", "transfer_call")


def schema(names=TOOLS) -> ToolsSchema:
    return ToolsSchema([FunctionSchema(name, name, {}, []) for name in names])


def brain(**kwargs) -> LocalBrain:
    variables = receptionist().call_variables(caller_number=CALLER, now=FRIDAY)
    return LocalBrain(receptionist(), retriever=retriever(), variables=variables, **kwargs)


def line(name: str, **extra: str) -> str:
    return Talk().line(name, **extra)


async def response_to(messages, service=None) -> list[Frame]:
    """What the brain sends down for one context, without what every service announces at its start."""
    context = LLMContext(messages, tools=schema())
    down, _ = await run_test(service or brain(), frames_to_send=[LLMContextFrame(context)])
    return [frame for frame in down if not isinstance(frame, ServiceMetadataFrame)]


class Ear(FrameProcessor):
    """Hears what would be spoken."""

    def __init__(self):
        super().__init__()
        self.responses: list[str] = []
        self.answered = asyncio.Event()
        self._text = ""

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMFullResponseStartFrame):
            self._text = ""
        elif isinstance(frame, LLMTextFrame):
            self._text += frame.text
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            self.responses.append(self._text)
            self.answered.set()


class Call:
    def __init__(self, worker: PipelineWorker, ear: Ear, context: LLMContext):
        self.worker, self.ear, self.context = worker, ear, context
        self.tool_calls: list[tuple[str, dict]] = []

    async def say(self, text: str, responses: int = 1) -> str:
        """Say something and wait for so many responses; returns the last one with words."""
        before = len(self.ear.responses)
        message = {"role": "user", "content": text}
        await self.worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))
        async with asyncio.timeout(5):
            while len(self.ear.responses) < before + responses:
                self.ear.answered.clear()
                await self.ear.answered.wait()
        return next((said for said in reversed(self.ear.responses[before:]) if said), "")


@asynccontextmanager
async def calling(messages=(), results=None, service=None, tools=TOOLS):
    """A running pipeline with the brain; `results` are what tools return, by name."""
    service = service or brain()
    context = LLMContext(messages=list(messages), tools=schema(tools))
    user, assistant = LLMContextAggregatorPair(context)
    ear = Ear()
    worker = PipelineWorker(
        Pipeline([user, service, ear, assistant]),
        params=PipelineParams(),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    call = Call(worker, ear, context)

    async def run_tool(params):
        call.tool_calls.append((params.function_name, dict(params.arguments)))
        result = (results or {}).get(params.function_name, "done")
        properties = (
            FunctionCallResultProperties(run_llm=False) if params.function_name == "end_call" else None
        )
        await params.result_callback(result, properties=properties)

    for name in tools:
        service.register_function(name, run_tool)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        yield call
    finally:
        await worker.queue_frame(EndFrame())
        await asyncio.wait_for(running, 5)


async def test_a_context_is_answered_as_a_model_would_answer_it():
    start, text, end = await response_to([{"role": "user", "content": "Where can I park?"}])
    assert isinstance(start, LLMFullResponseStartFrame)
    assert isinstance(text, LLMTextFrame) and text.text == Talk().answer("parking")
    assert isinstance(end, LLMFullResponseEndFrame)


async def test_other_frames_pass():
    down, _ = await run_test(brain(), frames_to_send=[TextFrame("x")])
    assert [frame.text for frame in down if isinstance(frame, TextFrame)] == ["x"]


async def test_without_a_word_of_the_caller_the_greeting_is_said():
    _, text, _ = await response_to([{"role": "system", "content": "Be short."}])
    assert text.text.startswith("Thank you for calling Willow Dental.")


async def test_a_greeting_that_was_spoken_is_not_said_again():
    _, text, _ = await response_to([{"role": "assistant", "content": "Thank you for calling."}])
    assert text.text == line("anything_else")


async def test_a_conversation_goes_through_the_aggregators():
    async with calling() as call:
        assert await call.say("Where can I park?") == Talk().answer("parking")
        assert await call.say("Thanks!") == f"{line('you_are_welcome')} {line('anything_else')}"
        await asyncio.sleep(0.1)  # the end of the response still has to reach the aggregator
        roles = [message["role"] for message in call.context.messages]
        assert roles == ["user", "assistant", "user", "assistant"]


async def test_a_goodbye_after_a_breath_is_answered_with_the_goodbye_alone():
    async with calling() as call:
        thanks = asyncio.create_task(call.say("Thank you."))
        await asyncio.sleep(0.4)
        await call.worker.queue_frame(InterruptionFrame())
        await call.say("Goodbye.", responses=1)
        thanks.cancel()
        await asyncio.sleep(0.2)
        assert call.tool_calls == [("end_call", {"farewell": line("goodbye")})]
        assert not any(call.ear.responses), "something was said beside the goodbye"


async def test_a_sentence_with_a_pause_in_it_is_not_asked_about():
    async with calling() as call:
        begun = asyncio.create_task(call.say("Have you got some"))
        await asyncio.sleep(0.4)
        await call.worker.queue_frame(InterruptionFrame())
        said = await call.say("parking there?", responses=2)
        begun.cancel()
        assert said == Talk().answer("parking")


async def test_an_answer_that_nobody_heard_is_taken_back():
    service, talk = brain(), [{"role": "user", "content": "Can I leave a message?"}]
    await response_to(talk, service)
    talk += [{"role": "assistant", "content": line("message_name")}, {"role": "user", "content": "Anna"}]
    await response_to(talk, service)
    assert service.state.draft.caller_name == "Anna"
    await response_to([*talk, {"role": "user", "content": "Miller"}], service)
    assert service.state.draft.caller_name == "Anna Miller"


async def test_an_answer_that_a_noise_cut_off_is_given_again():
    service = brain()
    asked = [{"role": "user", "content": "Where can I park?"}]
    await response_to(asked, service)
    _, text, _ = await response_to([*asked, {"role": "developer", "content": "A noise."}], service)
    assert text.text == Talk().answer("parking")


async def test_a_goodbye_calls_the_tool_and_says_nothing_itself():
    async with calling() as call:
        assert await call.say("That's all, thank you, goodbye.") == ""
        await asyncio.sleep(0.2)
        assert call.tool_calls == [("end_call", {"farewell": line("goodbye")})]
        assert len(call.ear.responses) == 1, "the brain answered its own goodbye"


async def test_a_message_is_taken_and_its_result_is_told_once():
    result = {"take_message": "The message was taken and will be passed on."}
    async with calling(results=result) as call:
        for said in ("I'd like to leave a message.", "John Smith", "yes", "I'll be ten minutes late."):
            await call.say(said)
        told = await call.say("Yes.", responses=2)
        assert told == f"{line('message_taken')} {line('anything_else')}"
        [(name, arguments)] = call.tool_calls
        assert name == "take_message" and arguments["message"] == "I'll be ten minutes late."
        await asyncio.sleep(0.2)
        count = len(call.ear.responses)
        assert await call.say("DTMF: 1") == Talk().answer("our opening hours")
        assert len(call.ear.responses) == count + 1, "a result was told twice"


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ("Purple banana.", ""),
        ("Yes, I'll be late.", ""),
        ("Where can I park?", Talk().answer("parking")),
    ],
)
async def test_the_rest_of_a_yes_is_not_asked_about_behind_the_result_that_it_brought(more, answer):
    talk = Talk()
    for said in ("I'd like to leave a message.", "John Smith", "yes", "I'll be ten minutes late.", "Yes."):
        talk.say(said)
    service = brain()
    service._state, service._turns_answered = talk.state, 1
    call = {"id": "a", "function": {"name": "take_message", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Yes."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": '"The message was taken."', "tool_call_id": "a"},
        {"role": "user", "content": more},
    ]
    [*_, said] = [one.text for one in await response_to(messages, service) if isinstance(one, LLMTextFrame)]
    assert said == " ".join(filter(None, [f"{line('message_taken')} {line('anything_else')}", answer]))


async def test_a_message_that_was_not_kept_is_offered_again():
    async with calling(results={"take_message": "Not taken: it could not be stored."}) as call:
        for said in ("leave a message", "John Smith", "yes", "I'll be late."):
            await call.say(said)
        assert await call.say("Yes.", responses=2) == line("message_failed")


async def test_a_tool_that_fails_is_not_taken_for_success():
    service = brain()

    async with calling(service=service) as call:

        async def broken(params):
            raise RuntimeError("no disk")

        service.register_function("take_message", broken)
        for said in ("leave a message", "John Smith", "yes", "I'll be late."):
            await call.say(said)
        assert await call.say("Yes.", responses=2) == line("message_failed")


async def test_a_confirmed_transfer_calls_the_tool():
    failed = {"outcome": "no_answer", "caller_was_told": True}
    async with calling(results={"transfer_call": failed}) as call:
        await call.say("I have a question about my invoice.")
        said = await call.say("Yes please.", responses=2)
        assert call.tool_calls[0][1]["destination"] == "billing"
        assert said == line("offer_message")


async def test_a_transfer_that_was_refused_is_told_by_the_brain():
    async with calling(results={"transfer_call": "Not transferred: no credentials"}) as call:
        await call.say("I have a question about my invoice.")
        said = await call.say("Yes please.", responses=2)
        assert said.startswith(line("transfer_error", destination="our billing office"))


async def test_what_is_said_before_the_greeting_of_a_call_of_ours_answers_nothing():
    reminder = load_agent("reminder", AGENTS)
    service = LocalBrain(reminder, variables=reminder.call_variables(direction="outbound"))
    context = [
        {"role": "user", "content": "Yes?"},
        {"role": "assistant", "content": "Hello, can you come?"},
    ]
    async with calling(context, service=service) as call:
        parking = next(fact.answer for fact in reminder.facts if fact.topic == "parking")
        assert await call.say("Where can I park?") == f"{parking} So, can you come?"
        assert call.tool_calls == []
        await call.say("Yes.", responses=2)
        assert call.tool_calls[0][1]["message"].startswith("Confirmed")


async def test_only_the_tools_of_the_context_are_used():
    async with calling(tools=("end_call", "take_message")) as call:
        said = await call.say("Can I speak to billing?")
        assert said.startswith(line("transfer_unavailable"))


async def test_a_turn_that_was_cut_before_its_answer_is_answered_with_the_next():
    class Slow:
        entered = asyncio.Event()

        def rank(self, text, days=()):
            self.entered_loop.call_soon_threadsafe(self.entered.set)
            import time

            time.sleep(0.3)
            return retriever().rank(text, days)

        def corrected(self, text):
            return None

    slow = Slow()
    slow.entered, slow.entered_loop = asyncio.Event(), asyncio.get_running_loop()
    service = LocalBrain(receptionist(), retriever=slow)
    async with calling(service=service) as call:
        first = {"role": "user", "content": "My name is not important, where can I park?"}
        await call.worker.queue_frame(LLMMessagesAppendFrame([first], run_llm=True))
        await asyncio.wait_for(slow.entered.wait(), 5)
        await call.worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(0.1)
        said = await call.say("And do you take Delta Dental?")
        assert Talk().answer("parking") in said and Talk().answer("insurance") in said


async def test_an_answer_that_was_cut_is_not_given_again():
    async with calling() as call:
        await call.say("Where can I park?")
        await call.worker.queue_frame(InterruptionFrame())
        assert await call.say("Do you take Delta Dental?") == Talk().answer("insurance")


async def test_a_new_brain_takes_over_in_the_middle_of_a_message():
    history = [
        {"role": "assistant", "content": "Thank you for calling."},
        {"role": "user", "content": "I'd like to leave a message."},
        {"role": "assistant", "content": "Of course. May I have your name?"},
        {"role": "user", "content": "John Smith"},
        {"role": "assistant", "content": "May they call you back on the number you are calling from?"},
    ]
    async with calling(messages=history) as call:
        assert await call.say("Yes.") == line("message_prompt")
        assert "John Smith" in await call.say("I'll be late.")


async def test_a_new_brain_does_not_tell_old_results_again():
    history = [
        {"role": "user", "content": "Where can I park?"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "function": {"name": "take_message", "arguments": "{}"}}],
        },
        {"role": "tool", "content": '"The message was taken."', "tool_call_id": "a"},
        {"role": "assistant", "content": "Thank you, I've passed that on."},
    ]
    async with calling(messages=history) as call:
        assert await call.say("Where are you?") == Talk().answer("our address")


async def test_a_running_tool_is_no_result():
    context = LLMContext(
        [
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "x", "arguments": "{}"}}]},
            {"role": "tool", "content": "IN_PROGRESS", "tool_call_id": "a"},
        ]
    )
    assert read_context(context) == []


async def test_the_llm_can_be_run_without_news_and_does_not_fail():
    async with calling() as call:
        await call.say("Where can I park?")
        await call.worker.queue_frame(LLMRunFrame())
        await asyncio.sleep(0.3)
        assert call.ear.responses[-1] == line("anything_else")


async def test_an_error_is_reported_and_the_caller_hears_a_sentence():
    class Broken:
        def rank(self, text, days=()):
            raise RuntimeError("no model")

    async with calling(service=LocalBrain(receptionist(), retriever=Broken())) as call:
        assert await call.say("Where can I park?") == receptionist().lines.technical_problem


@pytest.mark.parametrize("succeeded", [True, False])
def test_what_a_tool_says_of_itself_counts_and_not_its_words(succeeded):
    context = LLMContext(
        [
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "x", "arguments": "{}"}}]},
            {"role": "tool", "content": '"Not a word was lost."', "tool_call_id": "a"},
        ]
    )
    (returned,) = read_context(context, {"a": succeeded})
    assert returned.succeeded is succeeded


@pytest.mark.parametrize(
    ("result", "succeeded"),
    [
        ('"The message was taken and will be passed on."', True),
        ('"Not taken: the message is empty."', False),
        ('{"ok": true}', True),
        ('{"ok": false}', False),
        ('{"error": "no disk"}', False),
        ('{"outcome": "connected"}', True),
        ('{"outcome": "busy"}', False),
        ("CANCELLED", False),
        ("COMPLETED", True),
        ("The function `take_message` failed and returned no result.", False),
        ("The function `transfer_call` is not currently available.", False),
    ],
)
def test_a_result_tells_success_from_failure(result, succeeded):
    assert tool_succeeded(result) is succeeded
