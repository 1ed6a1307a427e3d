"""Writes what is made of a call's events into the tables, in the transaction that has changed them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from loguru import logger

from calls.database.merging import ENDED_STATES
from calls.database.reading import events_after, row
from calls.database.schema import CALL_TURNS, CALL_WORDS, CALLS, MESSAGES
from calls.derived import VERSION, Derived, derived
from calls.events.event import CallEvent
from calls.events.people import MessageHandled
from calls.events.talk import MessageTaken

AT_ONCE = (MessageTaken, MessageHandled)
"""What is wanted while the call still lives."""


def wants_deriving(state: str, news: Iterable[CallEvent]) -> bool:
    """Whether something is to be made of a call anew.

    Args:
        state: Where it stands.
        news: The events that were written now.
    """
    return state in ENDED_STATES or any(isinstance(event, AT_ONCE) for event in news)


def derive(connection: sa.Connection, ids: Iterable[str]) -> None:
    """Make of calls what is made of them, from all that the tables have of them now.

    Args:
        connection: In its transaction.
        ids: Our ids of the calls. One whose columns cannot be understood is left as it is.
    """
    for call_id in ids:
        columns = row(connection, call_id)
        try:
            made = derived(columns, events_after(connection, call_id, 0))
        except (ValueError, TypeError, KeyError) as error:
            logger.error("Nothing was made of call {}: {}", call_id, type(error).__name__)
            _change(connection, call_id, {"derived": VERSION})
            continue
        _write(connection, columns, made)


def underived(connection: sa.Connection, limit: int) -> Sequence[str]:
    """Our ids of calls that have ended and of which nothing was made yet, or by an older version of the program."""
    column = CALLS.c
    query = sa.select(column.id).where(column.derived < VERSION, column.state.in_(ENDED_STATES)).limit(limit)
    return list(connection.scalars(query))


def _write(connection: sa.Connection, columns: Any, made: Derived) -> None:
    call_id, is_gone = columns["id"], columns["words_gone"]
    of_call = {"call_id": call_id, "agent": columns["agent"]}
    _put(connection, MESSAGES, call_id, [{**of_call, **one} for one in made.messages])
    if columns["state"] not in ENDED_STATES:
        return
    values = {**made.columns, "derived": VERSION}
    if is_gone:
        values |= {"about": None, "note": None}
    _change(connection, call_id, values)
    words = "" if is_gone else made.words
    spoken = {"created_at": columns["created_at"], "call_id": call_id, "words": words}
    _put(connection, CALL_WORDS, call_id, [spoken] if words else [])
    _put(connection, CALL_TURNS, call_id, [{**of_call, **one} for one in made.turns])


def _change(connection: sa.Connection, call_id: str, values: Any) -> None:
    connection.execute(sa.update(CALLS).where(CALLS.c.id == call_id).values(values))


def _put(connection: sa.Connection, table: sa.Table, call_id: str, rows: Collection[Any]) -> None:
    """Have a table say this of a call, and nothing else."""
    connection.execute(sa.delete(table).where(table.c.call_id == call_id))
    if rows:
        connection.execute(sa.insert(table), list(rows))
