"""Values of labels: names of code and of configuration, and never more of them than a Prometheus server can bear.

Each combination of labels is a series of its own that is kept for weeks, so no value comes from outside: no number, no
id of a call, no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

OTHER = "other"
"""Stands for what is not known, or comes when there are as many values as there may be."""

NONE = "none"
"""Stands for what a call does not have, such as the agent of one that was turned away."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")


class Bounded:
    """The values of one label.

    Parameters:
        most: How many different ones there may be, besides `other`.
        allowed: Looks up which values there are; None for each that looks like a name. It is asked once for each value.
    """

    def __init__(self, most: int, allowed: Callable[[], Collection[str]] | None = None):
        self._most = most
        self._allowed = allowed
        self._known: dict[str, str] = {}

    def __call__(self, value: str | None) -> str:
        """The value as it may stand in a label."""
        if not value:
            return NONE
        known = self._known.get(value)
        if known is not None:
            return known
        if len(self._known) >= self._most or not _NAME.fullmatch(value):
            return OTHER
        if self._allowed is not None and value not in self._allowed():
            return OTHER
        self._known[value] = value
        return value
