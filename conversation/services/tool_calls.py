"""Which of a model's tool calls may enter the conversation: providers refuse a conversation with malformed ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.services.llm_service import LLMService

from conversation.services.patience import CutOff


class NoObject(dict[str, Any]):
    """Stands for arguments that were no object: an API takes nothing else in a conversation.

    Attributes:
        given: What they were, in words for the model.
    """

    def __init__(self, given: str):
        """Initialize an object without anything in it."""
        super().__init__()
        self.given = given


def as_object(given: Any) -> dict[str, Any]:
    """The arguments as an object; those that are none become an empty one that knows it."""
    if isinstance(given, str):
        try:
            given = json.loads(given)  # some models write the object as a text once more
        except (ValueError, RecursionError):
            return NoObject("a text")
    if isinstance(given, dict):
        return given
    return NoObject("null" if given is None else "a list" if isinstance(given, list) else "a single value")


class CheckedCalls(LLMService[Any]):
    """Lets only objects into the conversation as a tool's arguments: a provider refuses a conversation with others."""

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Run the calls of one reply."""
        for call in function_calls:
            call.arguments = as_object(call.arguments)
        await super().run_function_calls(function_calls)


class NoticedCuts(LLMService[Any]):
    """For services that come here without a call when none of a reply's calls was whole (the OpenAI family)."""

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Run the calls of one reply.

        Raises:
            CutOff: There are no calls to run. The service reports it as an error like any other.
        """
        if not function_calls:
            raise CutOff("a call of a tool was cut off")
        await super().run_function_calls(function_calls)
