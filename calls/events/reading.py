"""Reads events that were written before, by this version of the program or by another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from calls.events import lifecycle, people, talk
from calls.events.event import FORMAT, CallEvent, OtherEvent, own_fields


def _kinds() -> dict[str, list[type[CallEvent]]]:
    kinds: dict[str, list[type[CallEvent]]] = {}
    for module in (lifecycle, talk, people):
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, CallEvent) and one.KIND:
                kinds.setdefault(one.KIND, []).append(one)
    return kinds


KINDS: Mapping[str, list[type[CallEvent]]] = _kinds()
"""The dataclasses of each kind by its name: where there are several, the one with the most fields is the last."""


def read_event(at: datetime, kind: str, data: Mapping[str, Any], version: int = FORMAT) -> CallEvent:
    """An event from what the API, the database or another process has of it.

    Args:
        at: When it happened.
        kind: The name of its kind.
        data: Its values.
        version: The version of the format that it was written in.

    Returns:
        An event of its kind, whose `data` are what was given, also where another version of the program has written
        more or less. An `OtherEvent` where the kind, the format or the values are not known here.
    """
    if version <= FORMAT:
        for names, adapter in _adapters(kind):
            try:
                read = adapter.validate_python({name: data[name] for name in names if name in data})
            except ValidationError:
                continue
            return replace(read, at=at, stored=data, version=version)
    return OtherEvent(kind, data, at=at, version=version)


@cache
def _adapters(kind: str) -> list[tuple[list[str], TypeAdapter[CallEvent]]]:
    """What makes dataclasses of this kind of values, and the values that it takes; the one that takes most is first."""
    return [
        ([field.name for field in own_fields(one)], TypeAdapter(one)) for one in reversed(KINDS.get(kind, []))
    ]
