"""A model may give a tool anything. The tool gets an object with texts, or the model is told what was wrong."""

from __future__ import annotations

from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from conversation.services.tool_calls import NoObject, as_object


class UnusableArguments(ValueError):
    """A tool cannot be run with what the model gave; the message tells the model why."""


def arguments_for(schema: FunctionSchema, given: Any) -> dict[str, str]:
    """Check what a model gave a tool.

    Args:
        schema: The tool's; all of its parameters are texts.
        given: What the model gave. What the tool does not know is left out, numbers are taken for texts.

    Raises:
        UnusableArguments: What the model gave is no object, or one of its parameters is no text.
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
