"""Keeps the time right on a call that goes on for long.

What a model is told at the beginning of a call stays as it was, as its provider keeps what it has read. So it is told
in the conversation when the business opens or closes, and now and then what time it is. The variables of templates,
which the fixed lines and the local brain are filled in with, follow the clock by themselves.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from conversation.agents.opening import in_words, opening_at
from conversation.session import Session

LOOK_SECS = 60.0
"""How often the clock is looked at."""

TELL_SECS = 15 * 60.0
"""A model is told the time again when this long has passed since it was told."""


async def keep_time(session: Session, *, tells: bool) -> None:
    """Keep the session's `now`, and what depends on it, right; runs as a task of the session.

    Args:
        session: The session.
        tells: Whether a model talks, which has to be told.
    """
    loop = asyncio.get_running_loop()
    began, agent = session.variables["now"], session.agent
    if not isinstance(began, datetime):
        return
    zone, since = began.tzinfo, loop.time()
    told_at, is_open = since, session.variables.get("is_open")
    while not session.is_detached:
        await asyncio.sleep(LOOK_SECS)
        # Wall clocks are changed in the night of some calls: what has passed is added in UTC.
        now = (began.astimezone(UTC) + timedelta(seconds=loop.time() - since)).astimezone(zone)
        session.variables.update(agent.time_variables(now))
        changed = session.variables.get("is_open") is not is_open
        if tells and (changed or loop.time() - told_at >= TELL_SECS):
            told_at, is_open = loop.time(), session.variables.get("is_open")
            await session.remember([{"role": "developer", "content": note(session, now)}])


def note(session: Session, now: datetime) -> str:
    """What a model is told of the time in the middle of a call."""
    text = f"(A note, not said by the caller: it is now {now:%H:%M}"
    if session.agent.hours is not None:
        text += f". The business: {in_words(opening_at(session.agent.hours, now))}"
    return f"{text}.)"
