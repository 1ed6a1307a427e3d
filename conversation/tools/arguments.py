"""A model may give a tool anything. The tool gets what its description names, or the model is told what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from conversation.services.tool_calls import NoObject, as_object

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


class UnusableArguments(ValueError):
    """A tool cannot be run with what the model gave; the message tells the model why."""


def arguments_for(
    schema: FunctionSchema, given: Any, *, optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Check what a model gave a tool.

    Args:
        schema: The tool's; each parameter is a JSON schema.
        given: What the model gave. What the tool does not know is left out; a number that should be a text is taken for
            one, and a text for the number, the truth or the list that it spells.
        optional: Parameters that the tool can do without, though its description wants them.

    Raises:
        UnusableArguments: What the model gave is no object, or a parameter is missing or is not what it must be.
    """
    table = as_object(given)
    names = ", ".join(schema.properties) or "nothing in it"
    if isinstance(table, NoObject):
        raise UnusableArguments(f"the arguments were {table.given}, and must be an object with {names}")
    arguments = {}
    for name, value in table.items():
        if name not in schema.properties:
            continue
        about = schema.properties[name]
        if value is None and not _takes_null(about):
            continue
        arguments[name] = _usable(name, about, value)
    for name in schema.required:
        if name not in arguments and name not in optional:
            raise UnusableArguments(f"{name} is missing")
    return arguments


def _usable(name: str, about: Mapping[str, Any], value: Any) -> Any:
    value = _clean(_as_type(about.get("type"), value), name)
    try:
        error = next(iter(jsonschema.Draft202012Validator(dict(about)).iter_errors(value)), None)
    except ValueError:  # an integer of thousands of digits, which cannot be written down
        raise UnusableArguments(f"{name} is too long") from None
    if error is None:
        return value
    where = "".join(f"[{part!r}]" for part in error.path)
    match error.validator:
        case "type":
            kind = error.validator_value
            kinds = " or ".join(_KINDS.get(one, one) for one in ([kind] if isinstance(kind, str) else kind))
            raise UnusableArguments(f"{name}{where} must be {kinds}")
        case "enum":
            raise UnusableArguments(
                f"{name}{where} must be one of {', '.join(map(str, error.validator_value))}"
            )
        case "required":
            lacking = [one for one in error.validator_value if one not in error.instance]
            raise UnusableArguments(f"{name}{where} must have {', '.join(lacking)}")
    raise UnusableArguments(f"{name}{where} must fit {error.validator} {str(error.validator_value)[:200]}")


_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _as_type(kind: Any, value: Any) -> Any:
    """Take a value for what a model surely meant by it; leave it as it is if that is not clear."""
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # an integer of thousands of digits
            return value
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return value
    if kind == "boolean":
        return _WORDS.get(text.lower(), value)
    return value


def _clean(value: Any, name: str) -> Any:
    """Half of a character and a zero byte are valid JSON, and neither can be sent on or stored everywhere."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", " ")
    if isinstance(value, float) and value != value:
        raise UnusableArguments(f"{name} must be a number")
    if isinstance(value, list):
        return [_clean(one, name) for one in value]
    if isinstance(value, dict):
        return {_clean(key, name): _clean(one, name) for key, one in value.items()}
    return value


def _takes_null(about: Mapping[str, Any]) -> bool:
    kinds = [about.get("type"), *(one.get("type") for one in about.get("anyOf", ()) if isinstance(one, dict))]
    return "null" in kinds
