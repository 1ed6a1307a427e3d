"""Reads calls and their events from the tables, within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from calls.database.merging import Theirs
from calls.database.schema import CALL_EVENTS, CALLS
from calls.events.event import CallEvent
from calls.events.reading import read_event


def events_after(connection: sa.Connection, call_id: str, seq: int) -> list[tuple[int, CallEvent]]:
    """The events of a call behind one of them, with their numbers."""
    columns = CALL_EVENTS.c
    query = sa.select(columns.seq, columns.at, columns.kind, columns.data, columns.format).where(
        columns.call_id == call_id, columns.seq > seq
    )
    return [
        (number, read_event(at, kind, data, version))
        for number, at, kind, data, version in connection.execute(query.order_by(columns.seq))
    ]


def row(connection: sa.Connection, call_id: str) -> dict[str, Any]:
    """The columns of a call.

    Raises:
        NoResultFound: There is no such call.
    """
    return dict(connection.execute(sa.select(CALLS).where(CALLS.c.id == call_id)).mappings().one())


def changed(connection: sa.Connection, known: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, Theirs]]:
    """The calls about which others have written: `CallDatabase.changed`."""
    last = sa.select(sa.func.max(CALL_EVENTS.c.seq)).where(CALL_EVENTS.c.call_id == CALLS.c.id)
    query = sa.select(CALLS.c.id, CALLS.c.revision, last.scalar_subquery()).where(CALLS.c.id.in_(list(known)))
    found = {}
    for call_id, revision, last_seq in connection.execute(query).all():
        if (last_seq or 0, revision) == known[call_id]:
            continue
        events = events_after(connection, call_id, known[call_id][0])
        now = row(connection, call_id)
        seq = events[-1][0] if events else last_seq or 0
        found[call_id] = now["revision"], Theirs(now, [event for _, event in events], seq)
    return found
