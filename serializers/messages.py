"""Reading one untrusted JSON message of a media socket.

Everything that a carrier, or someone who pretends to be one, can send is either a JSON object with the
expected types or a `BadMessage` with a short reason. Nothing else is raised, and a reason never contains any
of the message: it is a name to count by, from a fixed set.
"""

from __future__ import annotations

import binascii
import json
import math
from typing import Any

MAX_MESSAGE_CHARS = 64 * 1024
"""Longer messages are not even parsed. The carriers send 20 ms each (some 300 characters); parsing megabytes
would stop every other call of the process for seconds."""

SHORT_MESSAGE_CHARS, MAX_PARTS = 2048, 500
"""A message longer than `SHORT_MESSAGE_CHARS` may hold at most `MAX_PARTS` objects and lists. Thousands of them start a
garbage collection of all memory, during which every call of the process stands still."""

MAX_TEXT_CHARS = 256
"""The longest id, mark name or error text that is taken from a message."""


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class BadMessage(Exception):
    """A message cannot be used.

    Parameters:
        reason: A fixed name to count by, e.g. `not_json`; never a part of the message.
    """

    def __init__(self, reason: str):
        """Name the reason."""
        super().__init__(reason)
        self.reason = reason


def parse_message(data: str | bytes) -> dict[str, Any]:
    """Parse one WebSocket message as JSON, which comes in a text message.

    Raises:
        BadMessage: `binary`, `too_long`, `too_many_parts`, `not_json`, `too_deep` or `not_an_object`.
    """
    if not isinstance(data, str):
        raise BadMessage("binary")
    if len(data) > MAX_MESSAGE_CHARS:
        raise BadMessage("too_long")
    if len(data) > SHORT_MESSAGE_CHARS and data.count("[") + data.count("{") > MAX_PARTS:
        raise BadMessage("too_many_parts")
    try:
        message = parse_json(data)
    except RecursionError:
        raise BadMessage("too_deep") from None
    except ValueError:
        raise BadMessage("not_json") from None
    if not isinstance(message, dict):
        raise BadMessage("not_an_object")
    return message


def parse_json(text: str) -> Any:
    """Parse JSON of which all can be written as JSON and as UTF-8 again.

    Python's parser also takes `NaN`, numbers beyond any float and lone surrogates. Code that got such a value would
    fail much later, in a place that has nothing to do with it.

    Raises:
        ValueError: It is not JSON, or has an integer of more digits than Python converts.
        RecursionError: It is nested too deeply.
    """
    value = _DECODER.decode(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def compose(message: dict[str, Any]) -> str:
    """The text of an outgoing message."""
    return _ENCODER.encode(message)


def section_of(message: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`.

    Raises:
        BadMessage: `bad_<key>`: it is missing or not an object.
    """
    section = message.get(key)
    if not isinstance(section, dict):
        raise BadMessage(f"bad_{key}")
    return section


def decode_base64(text: str) -> bytes:
    """Strict base64: standard alphabet, right padding, nothing else.

    Raises:
        ValueError: It is not base64.
    """
    return binascii.a2b_base64(text, strict_mode=True)


def number_of(value: Any) -> int | None:
    """A whole number that a carrier writes as text, or as a number; `None` for anything else."""
    if isinstance(value, str):
        # The length keeps away from Python's limit of digits, which raises.
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= 18 else None
    return value if type(value) is int and 0 <= value < 10**18 else None


def short_text(value: Any) -> str | None:
    """A printable, non-empty text of at most `MAX_TEXT_CHARS`, or `None`."""
    return (
        value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT_CHARS and value.isprintable() else None
    )
