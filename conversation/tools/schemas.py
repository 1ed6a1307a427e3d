"""JSON Schemas as models take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_SHARED = ("$defs", "definitions", "$schema")


def without_references(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put what `$ref` refers to where it stands: Pipecat hands on the properties alone, without `$defs`.

    Args:
        schema: Of an object. What refers to something outside, or to what it stands in itself, becomes anything.
    """
    own = {key: value for key, value in schema.items() if key not in _SHARED}
    return dict(_resolved(own, schema, ()))


def _resolved(part: Any, root: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_resolved(one, root, within) for one in part]
    if not isinstance(part, Mapping):
        return part
    rest = {key: _resolved(value, root, within) for key, value in part.items() if key != "$ref"}
    reference = part.get("$ref")
    if not isinstance(reference, str) or reference in within:
        return rest
    target = _at(root, reference)
    found = _resolved(target, root, (*within, reference)) if isinstance(target, Mapping) else {}
    return {**found, **rest}


def _at(root: Mapping[str, Any], reference: str) -> Any:
    """What a JSON Pointer within the schema points at (RFC 6901); None for anything else."""
    if not reference.startswith("#/"):
        return None
    value: Any = root
    for step in reference[2:].split("/"):
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value
