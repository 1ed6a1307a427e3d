"""What those of the carriers' error codes mean that any request may be answered with, and what helps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """One code.

    Parameters:
        cause: What it says.
        fix: What helps; empty where that depends on the request.
    """

    cause: str
    fix: str = ""


_CODE = re.compile(r"[A-Za-z0-9_.-]{1,9}")
"""Shorter than a telephone number."""


def error_code(value: object) -> str | None:
    """The code that a carrier's answer has; None for none, or for something else in its place."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if _CODE.fullmatch(text) else None


def told(carrier: str, status: int, code: str | None, meanings: Mapping[str, Meaning], fix: str) -> str:
    """A carrier's refusal in one line: who, which status and code, what that means, what helps.

    Args:
        carrier: Its name, for people.
        status: The HTTP status.
        code: The carrier's own code, if it gave one.
        meanings: What its codes mean.
        fix: What helps when the code does not say anything better.
    """
    meaning = meanings.get(code or "")
    named = f" with error {code}" if code and code != str(status) else ""
    cause = f" ({meaning.cause})" if meaning else ""
    return f"{carrier} answered {status}{named}{cause}: {(meaning and meaning.fix) or fix}"
