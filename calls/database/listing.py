"""Finds calls, and messages, in the tables: newest first, a page at a time, within a transaction that only reads.

Calls are picked in the index `ix_calls_listing` alone, which has all that they can be picked by, and only those of the
page are read as a whole. Words are looked for in a table of their own (`CALL_WORDS`), from beginning to end: with
50,000 calls that takes a tenth of a second, any part of a word is found, all databases do it alike, and what is
forgotten is gone, which it is not at once from an index of a full-text search.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from calls.database.merging import ENDED_STATES
from calls.database.schema import CALL_WORDS, CALLS, MESSAGES
from calls.searching import Filters, Place, Record
from calls.states import CallState

LIVE_STATES = sorted({state.value for state in CallState} - ENDED_STATES)


def find(
    connection: sa.Connection, filters: Filters, limit: int, before: Place | None = None
) -> list[Record]:
    """The calls that are wanted, newest first.

    Args:
        connection: In its transaction.
        filters: Which.
        limit: How many at most.
        before: Only calls behind this place.
    """
    column, of_words = CALLS.c, CALL_WORDS.c
    moment, name, picked = column.created_at, column.id, sa.select(column.id)
    if filters.words:
        # In the order in which the words lie there, so that it ends with the last one of the page.
        moment, name = of_words.created_at, of_words.call_id
        picked = sa.select(name).join(CALLS, column.id == name)
        picked = picked.where(*(of_words.words.contains(word, autoescape=True) for word in filters.words))
    if filters.since is not None:
        picked = picked.where(moment >= filters.since)
    if filters.until is not None:
        picked = picked.where(moment < filters.until)
    if before is not None:
        picked = picked.where(_is_behind((moment, name), (before.created_at, before.call_id)))
    picked = picked.where(*_conditions(filters)).order_by(moment.desc(), name.desc()).limit(limit)
    ids = list(connection.scalars(picked))
    if not ids:
        return []
    query = sa.select(CALLS).where(column.id.in_(ids))
    found = {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return [found[call_id] for call_id in ids]


def messages(
    connection: sa.Connection,
    *,
    limit: int,
    open_only: bool | None = None,
    agent: str | None = None,
    since: datetime | None = None,
    before: tuple[datetime, str, int] | None = None,
    only: tuple[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Messages that were taken, newest first, each with its call's numbers and direction.

    Args:
        connection: In its transaction.
        limit: How many at most.
        open_only: Only those that nobody has dealt with, or only the others.
        agent: Only those of this agent.
        since: Taken at this moment or later.
        before: Only those behind this one: its time, its call's id and its number.
        only: Only this one: its call's id, and its number.
    """
    column = MESSAGES.c
    query = sa.select(MESSAGES, CALLS.c.from_number, CALLS.c.to_number, CALLS.c.direction)
    query = query.join(CALLS, CALLS.c.id == column.call_id)
    if open_only is not None:
        query = query.where(column.handled_at.is_(None) if open_only else column.handled_at.is_not(None))
    if agent is not None:
        query = query.where(column.agent == agent)
    if only is not None:
        query = query.where(column.call_id == only[0], column.seq == only[1])
    if since is not None:
        query = query.where(column.at >= since)
    if before is not None:
        query = query.where(_is_behind((column.at, column.call_id, column.seq), before))
    query = query.order_by(column.at.desc(), column.call_id.desc(), column.seq.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def _conditions(filters: Filters) -> Sequence[sa.ColumnElement[bool]]:
    column, wanted = CALLS.c, []
    if filters.number is not None:
        wanted.append(
            sa.or_(
                column.from_number.contains(filters.number, autoescape=True),
                column.to_number.contains(filters.number, autoescape=True),
            )
        )
    if filters.outcome:
        wanted.append(column.outcome.in_(filters.outcome))
    # Not by the indexes that begin with these columns: most calls have the same state and carrier, and would be sorted.
    state, carrier = sa.func.coalesce(column.state, ""), sa.func.coalesce(column.carrier, "")
    if filters.state:
        wanted.append(state.in_(filters.state))
    if filters.live is not None:
        # But those that go on are few, and looked for all the time
        wanted.append(column.state.in_(LIVE_STATES) if filters.live else state.in_(ENDED_STATES))
    if filters.carrier is not None:
        wanted.append(carrier == filters.carrier)
    for name in ("agent", "direction"):
        if (value := getattr(filters, name)) is not None:
            wanted.append(column[name] == value)
    if filters.slow_ms is not None:
        wanted.append(column.response_max_ms >= filters.slow_ms)
    wanted += [column.has.contains(one, autoescape=True) for one in filters.has]
    if filters.reviewed is not None:
        wanted.append(column.reviewed_at.is_not(None) if filters.reviewed else column.reviewed_at.is_(None))
    return wanted


def _is_behind(columns: Sequence[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Whether a row comes behind a place, in the order of these columns from the largest on."""
    typed = [sa.literal(value, column.type) for column, value in zip(columns, values, strict=True)]
    return sa.tuple_(*columns) < sa.tuple_(*typed)
