"""What somebody sees who may only look on: numbers shortened, no recordings, no keys that were pressed.

It is done to what the API would answer (`web.access`), so nothing has to be thought of anywhere else. A number that a
caller has said in words ("two oh two, five five five") is words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from conversation.turns.keypad import KEYPAD_PREFIX

HIDDEN = "(hidden)"
"""Stands in the place of what is not shown."""

NUMBER = re.compile(
    r"(?<![\w+])(?<!\d:\d\d:)(?<!:\d\d\.)(?!\d{4}-\d\d-\d\d(?!\d))\(?\+?\d[\d\s().\-/]{4,24}\d(?!\w)|\bsips?:[^\s>\"]+"
)
"""A telephone number, however it is written, or a SIP address; no date, and no time of day."""

PRESSED = re.compile(re.escape(KEYPAD_PREFIX) + r"[0-9A-D*#]+")
"""Keys that stand in for a caller's words."""

SECRET_FIELDS = frozenset({"digits"})
"""Keys that callers have pressed."""

URL_FIELDS = frozenset({"url"})
"""Where a recording can be heard."""

LARGE = 10**8
"""A whole number from here on may be a telephone number; no time or count of a call is so large."""


def shortened(value: Any, name: str = "") -> Any:
    """The same value without numbers in full.

    Args:
        value: As JSON has it.
        name: Under which name it stands. Ids, and times, are left alone.
    """
    if isinstance(value, Mapping):
        return {_text(key): shortened(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(item, name) for item in value]
    if isinstance(value, int) and abs(value) >= LARGE:
        return short(str(value))
    if not isinstance(value, str) or not value:
        return value
    if name in URL_FIELDS:
        return None
    if name in SECRET_FIELDS:
        return HIDDEN
    if name == "at" or name.endswith("_at"):
        return value
    if name == "id" or name.endswith("_id"):
        # It may have digits in it by chance, but is one where it is no more than that, as a `caller_id` of a tool.
        return short(value) if NUMBER.fullmatch(value) else value
    return _text(value)


def _text(value: str) -> str:
    value = PRESSED.sub(KEYPAD_PREFIX + HIDDEN, value)
    return NUMBER.sub(lambda found: short(found.group()), value)


def short(number: str) -> str:
    """A number as it is shown: its first digit behind the `+`, and its last four.

    Args:
        number: In any spelling, or a SIP address, of which only the scheme is shown, and a number's end.
    """
    scheme, colon, rest = number.partition(":")
    if colon:
        digits = re.sub(r"\D", "", rest.partition("@")[0])
        return f"{scheme}:…{digits[-4:] if len(digits) > 6 else ''}"
    digits = re.sub(r"\D", "", number)
    if len(digits) < 7:
        return f"…{digits[-2:]}"
    return f"{'+' + digits[0] if '+' in number else ''}…{digits[-4:]}"
