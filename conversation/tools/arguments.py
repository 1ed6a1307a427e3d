"""What a model gives a tool: anything. What a tool gets: an object with texts, or the model is told what was wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.services.llm_service import LLMService

from conversation.dead_air.patience import CutOff


class UnusableArguments(ValueError):
    """A tool cannot be run with what the model gave; the message tells the model why."""


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


def arguments_for(schema: FunctionSchema, given: Any) -> dict[str, str]:
    """Check what a model gave a tool.

    Args:
        schema: The tool's; all of its parameters are texts.
        given: What the model gave. What the tool does not know is left out, numbers are taken for texts.

    Raises:
        UnusableArguments: It is no object, or a parameter is no text.
    """
    table = as_object(given)
    names = ", ".join(schema.properties) or "nothing in it"
    if isinstance(table, NoObject):
        raise UnusableArguments(f"the arguments were {table.given}, and must be an object with {names}")
    arguments = {}
    for name, value in table.items():
        if name not in schema.properties or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UnusableArguments(f"{name} must be a text")
        try:
            written = str(value)
        except ValueError:  # an integer of thousands of digits
            raise UnusableArguments(f"{name} must be a text") from None
        # Half of a character and a zero byte are valid JSON, and neither can be sent on or stored everywhere.
        arguments[name] = written.encode("utf-8", "replace").decode().replace("\0", " ")
    return arguments


class CheckedCalls(LLMService[Any]):
    """Lets only objects into the conversation as a tool's arguments: a provider would refuse it with others in it."""

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
            CutOff: There is none. The service reports it as an error like any other.
        """
        if not function_calls:
            raise CutOff("a call of a tool was cut off")
        await super().run_function_calls(function_calls)
