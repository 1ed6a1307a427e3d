"""One system message for a language model, whatever else Pipecat has to tell it.

The agent's system message stands at the beginning of the context. For tools that go on beside the talk Pipecat
composes instructions of its own into the service's `system_instruction`, and its adapters then send two system messages
(OpenAI's protocol), or leave the context's out (Anthropic, Google, Bedrock), with all that the owner has said. So the
context's is given to the service, whose composition has both, and the model is asked with the rest of the conversation.

Source: `LLMService._compose_system_instruction`, `BaseLLMAdapter._resolve_system_instruction`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pipecat.frames.frames import Frame, FunctionCallFromLLM, LLMContextFrame, UserStoppedSpeakingFrame
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService

from conversation.call_context import CallContext

TURN_SECS = 2.0
"""How long the call of a tool waits for the end of a turn; the pauses in which a model is asked ahead are shorter."""


class OneSystemMessage(LLMService[Any]):
    """Asks a model with one system message, and with notes on where it was interrupted.

    What it wants to have done when it was asked ahead of the end of a turn is done when the turn is over.
    """

    _system: str | None = None
    _asked_with: LLMContext | None = None
    _turn_is_over: asyncio.Event | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Ask with the conversation as a model should see it; pass everything else on as it is."""
        if isinstance(frame, LLMContextFrame):  # up the pipeline with a tool's result, too
            self._asked_with = frame.context
            asked = LLMContextFrame(self.as_asked(frame.context), speculation=frame.speculation)
            asked.metadata = frame.metadata
            frame = asked
        await super().process_frame(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame) and self._turn_is_over is not None:
            self._turn_is_over.set()

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Run the calls of one reply; tools see the conversation itself.

        A reply that was asked for ahead waits here. If the turn goes on, its service stops it meanwhile; if nothing
        comes of the turn, Pipecat gives it up.
        """
        if function_calls and self._speculation_gate.is_speculating:
            self._turn_is_over = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECS):
                    await self._turn_is_over.wait()
        if (context := self._asked_with) is not None:
            if isinstance(context, CallContext) and context.of is not None:
                context = context.of
            for call in function_calls:
                call.context = context
        await super().run_function_calls(function_calls)

    def as_asked(self, context: LLMContext) -> LLMContext:
        """The conversation that the model is asked with.

        Args:
            context: Its first message may be the system message, which is taken over by the service once. One that is
                put in its place later stays where it is.
        """
        messages = context.with_interruptions() if isinstance(context, CallContext) else context.messages
        told = _system_message(messages[0]) if messages else None
        if told is not None:
            if self._system is None:
                self._system = told
                self.append_system_instruction(told)
            if self._system == told:
                messages = messages[1:]
        return LLMContext(messages=list(messages), tools=context.tools, tool_choice=context.tool_choice)


def _system_message(message: LLMContextMessage) -> str | None:
    if isinstance(message, dict) and message["role"] == "system":
        content = message["content"]
        return content if isinstance(content, str) else None
    return None


def with_one_system_message(cls: Any) -> Any:
    """A language model's class that is asked with one system message.

    Args:
        cls: The class of the service.

    Returns:
        A subclass of the same name, which logs and metrics show.
    """
    return type(cls.__name__, (OneSystemMessage, cls), {})
