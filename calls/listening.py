"""Who listens in on a call, by its events: any process that knows the call can tell."""

from __future__ import annotations

from collections.abc import Iterable

from calls.events.event import CallEvent
from calls.events.people import ListeningEnded, ListeningStarted
from calls.events.talk import Attached, Detached


def listeners(events: Iterable[CallEvent]) -> list[str]:
    """The names of the people who listen now, in the order in which they began; one who does so twice is there twice.

    Args:
        events: Those of a call, in order. Nobody listens beyond the bot's session in which they began.
    """
    names: list[str] = []
    for event in events:
        if isinstance(event, ListeningStarted):
            names.append(event.by)
        elif isinstance(event, ListeningEnded) and event.by in names:
            names.remove(event.by)
        elif isinstance(event, Attached | Detached):
            names.clear()
    return names
