"""What is left of an event when numbers, or what was said, are forgotten: its kind, its time, and what names nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from calls.events.event import own_fields, private_fields
from calls.events.reading import KINDS

FORGOTTEN = "(forgotten)"
"""Stands in place of what was forgotten."""

NUMBER = re.compile(r"(?<![\w+])\+?\d{7,15}(?!\w)|\bsips?:\S+")
"""A telephone number, or a SIP address, within a text, such as a carrier's refusal."""

NUMBER_FIELDS = frozenset({"callback_number"})
"""Names under which there is a number, however it is written."""

KEPT_URL = "url"
"""Where a recording is: it goes with the recording."""


def without_words(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an event without what was said, keyed in or found out about the caller.

    Args:
        kind: The name of its kind.
        data: Its values, as the database has them.

    Returns:
        The same with `FORGOTTEN` for texts and nothing in tables and lists. What is not known here, as a newer version
        has written it, is left out.
    """
    plain, private = _fields(kind)
    kept = {name: value for name, value in data.items() if name in plain}
    return kept | {name: _emptied(value) for name, value in data.items() if name in private}


def without_numbers(value: Any, name: str = "") -> Any:
    """The same value, of an event or of a call's parameters, without telephone numbers and SIP addresses.

    Args:
        value: As JSON has it.
        name: Under which name it stands. Names of things that carriers number are left alone.
    """
    if isinstance(value, Mapping):
        return {key: without_numbers(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [without_numbers(item, name) for item in value]
    if not isinstance(value, str) or name.endswith("_id") or name == KEPT_URL:
        return value
    return _emptied(value) if name in NUMBER_FIELDS else NUMBER.sub(FORGOTTEN, value)


def without_url(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an event about a recording without its address."""
    return {name: None if name == KEPT_URL else value for name, value in data.items()}


def _emptied(value: Any) -> Any:
    if not value or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else FORGOTTEN


@cache
def _fields(kind: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a kind's fields that say nothing of the caller, and of those that may."""
    kinds = KINDS.get(kind, [])
    private = {name for one in kinds for name in private_fields(one)} - {KEPT_URL}
    names = {field.name for one in kinds for field in own_fields(one)}
    return frozenset(names - private), frozenset(private)
