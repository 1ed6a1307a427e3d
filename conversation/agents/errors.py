"""What is said when an agent's files cannot be used.

AgentError
└── UnknownAgent    no agent of that name (the name may come from the network)
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any


class AgentError(Exception):
    """An agent's file cannot be used; the message is one line with the cause and the fix."""


class UnknownAgent(AgentError):
    """There is no agent of that name; the message lists those that exist."""


def did_you_mean(name: str | None, known: Mapping[str, Any] | list[str] | tuple[str, ...]) -> str:
    """Suggest the name that is spelled most like this one, or list some when none is close."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use one of {', '.join(sorted(known)[:12])}" if known else "; remove it"
