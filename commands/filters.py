"""Reads what a person has asked for on the command line into filters of calls."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from calls.derived import HAS
from calls.outcome import Outcome
from calls.searching import Filters
from calls.states import CallState
from carriers.carrier import Direction
from commands.terminal import moment, printable


def filters_of(
    *,
    outcome: Sequence[str] | None = None,
    state: Sequence[str] | None = None,
    live: bool | None = None,
    agent: str | None = None,
    direction: str | None = None,
    carrier: str | None = None,
    since: str | None = None,
    until: str | None = None,
    slow_ms: int | None = None,
    has: Sequence[str] | None = None,
    reviewed: bool | None = None,
) -> Filters | None:
    """Filters of calls.

    Args:
        outcome: See `Filters`, as are the others.
        state: See there.
        live: See there.
        agent: See there.
        direction: See there.
        carrier: See there.
        since: As a person writes a time.
        until: In the same way.
        slow_ms: See there.
        has: See there.
        reviewed: See there.

    Returns:
        None when one of them is not understood, which is printed with the fix.
    """
    try:
        return Filters(
            outcome=_known("--outcome", outcome, Outcome),
            state=_known("--state", state, CallState),
            live=live,
            agent=agent,
            direction=next(iter(_known("--direction", [direction] if direction else None, Direction)), None),
            carrier=carrier,
            since=moment(since) if since else None,
            until=moment(until) if until else None,
            slow_ms=slow_ms,
            has=_known("--has", has, HAS),
            reviewed=reviewed,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return None


def _known(option: str, given: Sequence[str] | None, words: Iterable[str]) -> tuple[str, ...]:
    known = [str(word) for word in words]
    for word in given or ():
        if word not in known:
            raise ValueError(f"{option} {printable(word)}: use {', '.join(known)}")
    return tuple(given or ())
