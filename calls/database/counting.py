"""Counts calls in the tables, within a transaction that only reads: `calls.counting` says what."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from calls.counting import STEP_MS, Counts, Range
from calls.database.schema import CALL_TURNS, CALLS, MESSAGES, UtcTime
from calls.figures import STAGES


def count(connection: sa.Connection, of: Range, agent: str | None) -> Counts:
    """Count the calls that have begun, and the responses that were given, in each hour or day.

    Args:
        connection: In its transaction.
        of: Which hours or days.
        agent: Only calls of this agent.
    """
    counts = Counts.nothing(of)
    if of.edges[1:]:
        _count_calls(connection, counts, agent)
        _count_responses(connection, counts, agent)
    unhandled = sa.select(sa.func.count()).select_from(MESSAGES).where(MESSAGES.c.handled_at.is_(None))
    counts.open_messages = connection.scalar(unhandled) or 0
    return counts


def _count_calls(connection: sa.Connection, counts: Counts, agent: str | None) -> None:
    column, each = CALLS.c, _each_of(counts.range)
    known = sa.select(each.c.number).join_from(each, CALLS, _is_in(column.created_at, each))
    if agent is not None:
        known = known.where(column.agent == agent)
    query = known.add_columns(
        column.outcome, sa.func.count(), sa.func.coalesce(sa.func.sum(column.talk_ms), 0)
    ).group_by(each.c.number, column.outcome)
    for number, outcome, calls, talk_ms in connection.execute(query):
        tally = counts.tallies[number]
        tally.calls += calls
        tally.talk_ms += int(talk_ms)
        if outcome is not None:
            tally.outcomes[outcome] += calls
    step = _step(column.first_words_ms)
    query = known.where(column.first_words_ms.is_not(None)).add_columns(step, sa.func.count())
    for number, ms, calls in connection.execute(query.group_by(each.c.number, step)):
        counts.tallies[number].first_words[ms * STEP_MS] += calls


def _count_responses(connection: sa.Connection, counts: Counts, agent: str | None) -> None:
    column, each = CALL_TURNS.c, _each_of(counts.range)
    step = _step(column.ms)
    query = sa.select(
        each.c.number, step, sa.func.count(), *(sa.func.sum(column[stage]) for stage in STAGES)
    ).join_from(each, CALL_TURNS, _is_in(column.at, each))
    query = query.where(column.waits == "caller")
    if agent is not None:
        query = query.where(column.agent == agent)
    for number, ms, turns, *stages in connection.execute(query.group_by(each.c.number, step)):
        tally = counts.tallies[number]
        tally.responses[ms * STEP_MS] += turns
        for stage, sum_ms in zip(STAGES, stages, strict=True):
            tally.stages[stage] += int(sum_ms)


def _each_of(of: Range) -> sa.CTE:
    """The hours or days as a table: each is a range of an index, and a query for all of them one pass over it."""
    rows = [
        sa.select(
            sa.literal_column(str(number), sa.Integer).label("number"),
            sa.literal(begin, UtcTime).label("begins"),
            sa.literal(end, UtcTime).label("ends"),
        )
        for number, (begin, end) in enumerate(pairwise(of.edges))
    ]
    return sa.union_all(*rows).cte("each_of_them")


def _is_in(moment: sa.ColumnElement[Any], each: sa.CTE) -> sa.ColumnElement[bool]:
    return sa.and_(moment >= each.c.begins, moment < each.c.ends)


def _step(ms: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return ms // sa.literal_column(str(STEP_MS), sa.Integer)
