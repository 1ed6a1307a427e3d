"""The local brain: a Pipecat LLM service without a model, in the place of one.

It reads what the caller said from the same context, speaks through the same frames and uses the same tools, so setting
a key swaps one object of the pipeline. What it says is decided in `conversation.local.dialogue`; here is only how a
context becomes utterances and tool results, and how a reply becomes frames.

What it remembers follows from the context: after a barge-in a turn that was not answered is answered with the next one,
and a brain that is new to a call with a history (another machine took over) reads that history first.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loguru import logger
from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    StartFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from conversation.agents.agent import Agent
from conversation.language.tidying import tidied
from conversation.language.utterance import Utterance, Wish, wish_of
from conversation.local.dialogue.choosing import InFlow, Place
from conversation.local.dialogue.deciding import after_tool, decide
from conversation.local.dialogue.meaning import Meaning
from conversation.local.dialogue.said_again import said_once
from conversation.local.dialogue.state import DialogueState, Ranker, Reply, Script
from conversation.local.dialogue.taking_message import MESSAGE_STAGES
from conversation.local.history import (
    History,
    Returned,
    Said,
    Unprompted,
    keyed,
    read_context,
    since_greeting,
    tool_names,
    why_unprompted,
)
from conversation.local.models import LocalModels, local_models
from conversation.local.saying_ahead import SaysAhead

REPLAYED = 60
"""Messages of a call's history that a new brain reads, the latest ones; 6 ms each."""

PATIENCE_SECS = 0.9
"""How long a caller who may go on must have been silent before the brain answers."""

FRAGMENT_SECS = 1.2
"""How long before it says that it did not understand: that was perhaps a part of a sentence."""


REMARK_SECS = 8.0
"""How soon after "Hold on" something that asks nothing only says why: "Hold on. The kettle is boiling."."""


@dataclass(frozen=True)
class _Before:
    """Where the conversation stood before the last turn was answered."""

    state: DialogueState
    turns: int


class _NoModelAdapter(BaseLLMAdapter[dict[str, Any]]):
    """What an LLM service must have to turn a context into a request. There is no request."""

    @property
    def id_for_llm_specific_messages(self) -> str:
        return "local"

    async def get_llm_invocation_params(self, context: LLMContext, **kwargs: Any) -> dict[str, Any]:
        return {}

    def to_provider_tools_format(self, tools_schema: ToolsSchema) -> list[Any]:
        return []

    def get_messages_for_logging(self, context: LLMContext) -> list[dict[str, Any]]:
        return []


class LocalBrain(LLMService[_NoModelAdapter]):
    """Answers a call from its agent's file."""

    adapter_class = _NoModelAdapter

    def __init__(
        self,
        agent: Agent,
        *,
        variables: Mapping[str, Any] | None = None,
        succeeded: Mapping[str, bool] | None = None,
        models: LocalModels | None = None,
        retriever: Ranker | None = None,
        **kwargs: Any,
    ):
        """Initialize the brain of one call.

        Args:
            agent: Whose facts and words.
            variables: What the agent's templates are rendered with, see `Agent.call_variables`. Looked at anew for
                each sentence, as more may be found out about a caller during the call.
            succeeded: Which calls of tools did what they are for, by their ids in the context. Looked at anew for
                each sentence, too.
            models: The shared models; those of the process when not given.
            retriever: Finds the fact that was meant; the shared one of this agent when not given.
            **kwargs: For `LLMService`.
        """
        super().__init__(
            settings=LLMSettings(
                model="local",
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
            ),
            **kwargs,
        )
        self._agent = agent
        self._variables = variables if variables is not None else agent.call_variables()
        self._succeeded = succeeded if succeeded is not None else {}
        self._models = models
        self._retriever = retriever
        self._state: DialogueState | None = None
        self._turns_answered = 0
        self._before: _Before | None = None
        self._results_answered: set[str] = set()
        self._place: Callable[[], Place | None] = lambda: None
        self._answered_in: str | None = None
        self._silent_since: float | None = None
        self._held_at = 0.0
        self._ahead: SaysAhead | None = None

    def say_ahead(self, ahead: SaysAhead) -> None:
        """Have what is about to be said rendered while it is waited whether the caller goes on.

        Args:
            ahead: The local voice.
        """
        self._ahead = ahead

    async def cleanup(self) -> None:
        """Forget what was rendered."""
        await super().cleanup()
        if self._ahead is not None:
            self._ahead.forget()

    def follow(self, place: Callable[[], Place | None]) -> None:
        """Talk in a call flow.

        Args:
            place: The node that the conversation is in.
        """
        self._place = place

    @property
    def state(self) -> DialogueState:
        """Where the conversation stands."""
        return self._state or DialogueState()

    def can_generate_metrics(self) -> bool:
        """Processing time is measured."""
        return True

    async def start(self, frame: StartFrame) -> None:
        """Begin to index the agent's facts, while the caller hears the greeting."""
        await super().start(frame)
        self.create_task(self._prepare())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on.

        Args:
            frame: The frame.
            direction: Where it goes.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._silent_since = frame.timestamp - frame.stop_secs
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self.start_processing_metrics()
            await self._answer(frame.context)
        except Exception as error:
            # The text of the error may hold what the caller said.
            logger.error(f"{self}: no answer: {type(error).__name__}")
            await self.push_error(error_msg=f"local brain failed: {error}", exception=error)
            await self._push_llm_text(self._agent.lines.technical_problem)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    def understands(self, text: str) -> bool:
        """Whether the caller's words are a wish or near a fact. Takes a few ms, so call it in a thread."""
        if self._retriever is None:
            return True
        script = Script(self._agent, frozenset(), self._variables)
        place = self._place()
        if place is not None:
            choices = frozenset(place.choices)
            if InFlow(place, self._agent, self._retriever, choices, self._variables).is_a_choice(text):
                return True
        meaning, said = Meaning(script, self._retriever), tidied(text)
        if len(said.split()) <= 2 and wish_of(said) in (Wish.YES, Wish.NO):
            # It answers nothing: "Don't hide." is what a hum was made of.
            return bool(meaning.near_facts(said))
        # More of a message is of what nobody has a fact.
        return (self.state.stage in MESSAGE_STAGES and " " in said) or meaning.is_known(said)

    async def _prepare(self) -> None:
        try:
            await self._ranker()
        except Exception as error:
            logger.error(f"{self}: the facts could not be indexed: {error}")

    async def _ranker(self) -> Ranker:
        if self._retriever is None:
            models = self._models or local_models()
            self._retriever = await asyncio.to_thread(models.retriever, self._agent)
        return self._retriever

    async def _answer(self, context: LLMContext) -> None:
        retriever = await self._ranker()
        history = read_context(context, self._succeeded)
        if self._variables.get("direction") == "outbound":
            history = since_greeting(history)
        tools = tool_names(context)
        # In a thread: a sentence takes 6 ms of a core, and other calls' audio is on this loop.
        place = self._place()
        turn = await asyncio.to_thread(self._think, history, retriever, tools, why_unprompted(context), place)
        state, reply, turns, results = turn
        if reply.hesitant:
            # A caller who speaks on cancels this; what was said until now is then answered together with the rest.
            silent = self._silent_since if self._silent_since is not None else time.time()
            patience = FRAGMENT_SECS if reply.fragment else PATIENCE_SECS
            if self._ahead is not None and reply.text:
                await self._ahead.prepare(reply.text)
            await asyncio.sleep(max(0.0, silent + patience - time.time()))
        # No await between here and the end of the lines: a barge-in finds either all or nothing of it done.
        can_be_taken_back = reply.tool_call is None and turns > self._turns_answered and not keyed(history)
        self._before = _Before(self.state, self._turns_answered) if can_be_taken_back else None
        if state.holding:
            self._held_at = time.monotonic()
        self._state = state
        self._turns_answered = turns
        self._results_answered |= results
        self._answered_in = place.node if place is not None else None

        if reply.text:
            await self._push_llm_text(reply.text)
        if reply.tool_call is not None:
            call = FunctionCallFromLLM(
                function_name=reply.tool_call.name,
                tool_call_id=f"call_{uuid.uuid4().hex[:24]}",
                arguments=reply.tool_call.arguments,
                context=context,
            )
            await self.run_function_calls([call])

    def _think(
        self,
        history: History,
        retriever: Ranker,
        tools: frozenset[str],
        unprompted: Unprompted,
        place: Place | None,
    ) -> tuple[DialogueState, Reply, int, set[str]]:
        said = [entry for entry in history if isinstance(entry, Said)]
        results = [entry for entry in history if isinstance(entry, Returned)]
        state, answered, done = self._state, self._turns_answered, set(self._results_answered)
        texts: list[str] = []
        if self._before and len(said) > answered and not history.spoken_after(answered):
            # Nothing of the last answer was heard: what it answered was only the beginning of this turn.
            state, answered = self._before.state, self._before.turns
        if state is not None and state.holding and time.monotonic() - self._held_at > REMARK_SECS:
            state = replace(state, holding=False)
        if state is None or answered > len(said):  # new to the call, or the context was replaced
            state, answered, done, texts = self._replay(history, retriever, tools, place)
        if place is not None:
            flow = InFlow(place, self._agent, retriever, tools, self._variables)
            new_results = [one for one in results if one.call_id not in done]
            new_turns = [turn.content for turn in said[answered:]]
            state, reply = self._in_flow(flow, place, state, new_results, new_turns, tools)
            return state, reply, len(said), {result.call_id for result in results}

        reply = Reply()
        for result in results:
            if result.call_id not in done:
                state, reply = self._after(state, result, tools)
                texts.append(reply.text)
        new = [turn.content for turn in said[answered:]]
        if new:
            utterance = Utterance.parse(" ".join(new))
            before = state
            state, reply = decide(state, utterance, self._agent, retriever, tools, self._variables)
            if any(texts) and reply.fragment:  # the rest of what the tool was called for
                state, reply = before, Reply(hesitant=True)
            texts.append(reply.text)
        elif not texts:  # nothing new, but the session wants the bot to speak
            goes_on = said or unprompted is Unprompted.SPOKE_BEFORE
            line = self._agent.brain.anything_else if goes_on else self._agent.greeting
            again = state.last_reply if unprompted is Unprompted.CUT_OFF else ""
            texts.append(again or self._agent.render(line, self._variables))
        closing = self._agent.render(self._agent.brain.anything_else, self._variables)
        reply = replace(reply, text=said_once(texts, closing))
        return state, reply, len(said), {result.call_id for result in results}

    def _in_flow(
        self,
        flow: InFlow,
        place: Place,
        state: DialogueState,
        results: list[Returned],
        turns: list[str],
        tools: frozenset[str],
    ) -> tuple[DialogueState, Reply]:
        """Answer in a node of a flow."""
        told, of_flow = Reply(), None
        for result in results:
            if result.tool in place.functions:
                of_flow = result
                continue
            state, told = self._after(state, result, tools)
            if result.tool == "transfer_call":  # what comes next is the node's to say
                told = Reply()
        if turns:
            state, reply = flow.decide(state, Utterance.parse(" ".join(turns)))
        elif told.text:
            state, reply = flow.back(state, told)
        elif place.node != self._answered_in:
            state, reply = flow.enter(state)
        elif of_flow is not None:
            state, reply = flow.returned(state, of_flow.succeeded, of_flow.result)
        elif state.last_reply:
            return state, Reply(state.last_reply)
        else:
            state, reply = flow.enter(state)
        return (replace(state, last_reply=reply.text) if reply.text else state), reply

    def _after(
        self, state: DialogueState, result: Returned, tools: frozenset[str]
    ) -> tuple[DialogueState, Reply]:
        return after_tool(
            state,
            result.tool,
            result.succeeded,
            self._agent,
            tools,
            self._variables,
            told=result.told,
            result=result.result,
        )

    def _replay(
        self, history: History, retriever: Ranker, tools: frozenset[str], place: Place | None
    ) -> tuple[DialogueState, int, set[str], list[str]]:
        """Follow a conversation up to the turn that waits for an answer.

        Returns:
            The state, how many turns and which results were gone through, and what was to be said about results when
            the conversation broke off.
        """
        state = DialogueState()
        # What a tool returned belongs to the turn before it, even when the caller heard nothing of it.
        returned = [index for index, entry in enumerate(history, start=1) if isinstance(entry, Returned)]
        past = history[: max(history.answered, *returned)] if returned else history[: history.answered]
        texts = []
        of_flow = place.functions if place is not None else frozenset()
        for index, entry in list(enumerate(past))[-REPLAYED:]:
            if isinstance(entry, Returned) and entry.tool in of_flow:
                state = DialogueState()  # what was said before was a choice
            elif isinstance(entry, Said):
                utterance = Utterance.parse(entry.content)
                state, _ = decide(state, utterance, self._agent, retriever, tools, self._variables)
            else:
                state, reply = self._after(state, entry, tools)
                if index >= history.answered:
                    texts.append(reply.text)
        answered = sum(isinstance(entry, Said) for entry in past)
        results = {entry.call_id for entry in past if isinstance(entry, Returned)}
        return state, answered, results, texts
