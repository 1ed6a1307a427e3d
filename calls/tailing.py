"""Follows all calls at once: what happens on any of them, as it is written or, without a database, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from loguru import logger

from calls.call import Call
from calls.database.reading import events_after
from calls.database.schema import CALLS
from calls.events.event import CallEvent
from calls.looking import record_of
from calls.searching import Filters, Record
from calls.states import CallState

if TYPE_CHECKING:
    from calls.store import CallStore

LOOK_SECS = 0.5
"""How often the database is looked at."""

LATE_SECS = 120.0
"""How much later than its time an event may be written: by a clock that is behind ours, or after an outage."""

MOST_WAITING = 1000
"""How many events may wait for whoever follows; one who is slower gets no further ones."""

Happened = tuple[Record, int, CallEvent]
"""On which call, its number there, and what."""


class TooSlow(Exception):
    """Who follows is slower than the calls."""


async def tail(store: CallStore, filters: Filters) -> AsyncIterator[Happened]:
    """What happens on calls from now on.

    Args:
        store: The calls.
        filters: Which; as far as they are known by the time of each event.

    Raises:
        TooSlow: Too much waits to be taken.
    """
    happened = _written(store) if store.ask_database is not None else _in_memory(store)
    async for record, number, event in happened:
        if filters.match(record, ""):
            yield record, number, event


async def _in_memory(store: CallStore) -> AsyncIterator[Happened]:
    waiting: asyncio.Queue[tuple[Call, int, CallEvent]] = asyncio.Queue(MOST_WAITING)
    is_full = False

    def put(call: Call, event: CallEvent) -> None:
        nonlocal is_full
        try:
            waiting.put_nowait((call, len(call.events), event))
        except asyncio.QueueFull:
            is_full = True

    stop = store.feed.listen(put)
    try:
        while not is_full:
            call, number, event = await waiting.get()
            yield record_of(call), number, event
        raise TooSlow
    finally:
        stop()


async def _written(store: CallStore) -> AsyncIterator[Happened]:
    began = store.now()
    known: dict[str, tuple[int, int]] = {}
    is_failing = False
    while True:
        since = max(began, store.now() - timedelta(seconds=LATE_SECS))
        found = await store.look(partial(_news, known=known, since=since))
        if found is None and not is_failing:
            logger.warning("What happens is not known for now, as the database does not answer")
        is_failing = found is None
        for record, events in found or ():
            known[record["id"]] = record["revision"], events[-1][0] if events else _seq(known, record)
            for number, event in events:
                if event.at >= began:
                    yield record, number, event
        await asyncio.sleep(LOOK_SECS)


def _seq(known: dict[str, tuple[int, int]], record: Record) -> int:
    return known.get(record["id"], (0, 0))[1]


def _news(
    connection: sa.Connection, known: dict[str, tuple[int, int]], since: datetime
) -> list[tuple[dict[str, Any], list[tuple[int, CallEvent]]]]:
    """The calls on which something has happened since, with what is new of them."""
    column = CALLS.c
    # All states are named for the index that begins with them.
    wanted = sa.and_(column.state.in_([state.value for state in CallState]), column.heard_at >= since)
    changed = [
        call_id
        for call_id, revision in connection.execute(sa.select(column.id, column.revision).where(wanted))
        if known.get(call_id, (None, 0))[0] != revision
    ]
    rows = sa.select(CALLS).where(column.id.in_(changed)).order_by(column.created_at)
    return [
        (dict(row), events_after(connection, row["id"], known.get(row["id"], (0, 0))[1]))
        for row in connection.execute(rows).mappings()
    ]
