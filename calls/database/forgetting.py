"""Forgets what calls that are over have in the tables, within a transaction: numbers, words, recordings, or all.

A call whose numbers and words are gone stays, with its times and its end, so that calls can still be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from calls.colleague import PRIVATE_PARAMETERS
from calls.database.derived import derive
from calls.database.merging import ENDED_STATES
from calls.database.schema import CALL_BACKS, CALL_EVENTS, CALLS, KEPT_JSON, MESSAGES, OUTBOX
from calls.database.waking import tell
from calls.events.event import FORMAT, CallEvent
from calls.events.forgetting import without_numbers, without_url, without_words
from calls.events.lifecycle import CallerErased, RecordingChanged
from calls.kept_json import CALL, CALLER, caller_named
from calls.recordings import DELETED

ABOUT = "about"
"""The one parameter of a colleague's leg that has words of the caller's."""

Place = tuple[datetime, str]
"""How far one has come in the calls by their end: its time, and our id."""


Change = Callable[[str, dict[str, Any]], dict[str, Any]]
"""What an event of a kind has instead of its values."""


@dataclass(frozen=True)
class Before:
    """What is to be forgotten of calls that ended before a moment; None for nothing.

    Parameters:
        numbers: The other side's telephone number.
        words: What was said and found out.
        recordings: The carrier's recordings.
        events: The whole call.
    """

    numbers: datetime | None = None
    words: datetime | None = None
    recordings: datetime | None = None
    events: datetime | None = None

    @property
    def latest(self) -> datetime | None:
        """Before this moment something is to be forgotten; None when nothing ever is."""
        return max(filter(None, (self.numbers, self.words, self.recordings, self.events)), default=None)


def due(connection: sa.Connection, before: Before, after: Place | None, limit: int) -> list[dict[str, Any]]:
    """The calls of which something is to be forgotten, those that ended first at the beginning.

    Args:
        connection: In its transaction.
        before: What is to be forgotten, and of when.
        after: Only calls behind this place.
        limit: How many.

    Returns:
        Their columns.
    """
    column, wanted = CALLS.c, []
    for moment, is_gone in (
        (before.numbers, column.numbers_gone),
        (before.words, column.words_gone),
        (before.recordings, column.recordings_gone),
    ):
        if moment is not None:
            wanted.append(sa.and_(column.ended_at < moment, is_gone.is_(sa.false())))
    if before.events is not None:
        wanted.append(column.ended_at < before.events)
    query = sa.select(CALLS).where(column.state.in_(ENDED_STATES), sa.or_(*wanted))
    if after is not None:
        ended_at, call_id = after
        query = query.where(
            sa.or_(column.ended_at > ended_at, sa.and_(column.ended_at == ended_at, column.id > call_id))
        )
    rows = connection.execute(query.order_by(column.ended_at, column.id).limit(limit)).mappings()
    return [dict(row) for row in rows]


def calls_with(connection: sa.Connection, number: str) -> list[dict[str, Any]]:
    """The calls in which a number was the other side, and the legs to colleagues who were asked about those calls.

    Args:
        connection: In its transaction.
        number: In E.164, or a SIP address. A number's SIP addresses are found, too.
    """
    column = CALLS.c
    query = (
        sa.select(CALLS).where(_is_with(lambda side: _is_number(side, number))).order_by(column.created_at)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    ids = [row["id"] for row in found]
    if ids:
        asked = sa.select(CALLS).where(
            column.direction == "outbound", column.parameters["for_call"].as_string().in_(ids)
        )
        found += [dict(row) for row in connection.execute(asked).mappings() if row["id"] not in ids]
    return found


def is_over(row: Mapping[str, Any]) -> bool:
    """Whether a call has ended."""
    return row["state"] in ENDED_STATES


def forget_words(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Forget what was said on calls, what was kept with them, and what is still to be told of them.

    Returns:
        How many notices were thrown away, and how many values.
    """
    ids = [row["id"] for row in rows]
    _change_events(connection, ids, without_words)
    for row in rows:
        parameters = {
            name: value
            for name, value in row["parameters"].items()
            if name in PRIVATE_PARAMETERS and name != ABOUT
        }
        _change(connection, row["id"], parameters=parameters, resume=None, words_gone=True)
    derive(connection, ids)
    parcels = connection.execute(sa.delete(OUTBOX).where(OUTBOX.c.call_id.in_(ids))).rowcount
    values = connection.execute(
        sa.delete(KEPT_JSON).where(KEPT_JSON.c.kind == CALL, KEPT_JSON.c.call_id.in_(ids))
    ).rowcount
    tell(connection, ids)
    return parcels, values


def forget_numbers(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Forget the other sides' numbers, and what is kept with a caller of whom no call is left that names them.

    Returns:
        How many values that were kept with callers were thrown away.
    """
    ids = [row["id"] for row in rows]
    _change_events(connection, ids, lambda _, data: without_numbers(data))
    callers = set()
    for row in rows:
        side = "from_number" if row["direction"] == "inbound" else "to_number"
        if row[side]:
            callers.add((row["agent"], row[side]))
        # As the row is now: its words may have been forgotten a moment ago.
        found = connection.execute(
            sa.select(CALLS.c.parameters, CALLS.c.ending_cause).where(CALLS.c.id == row["id"])
        ).one()
        _change(
            connection,
            row["id"],
            **{side: None},
            parameters=without_numbers(found.parameters),
            ending_cause=without_numbers(found.ending_cause),
            numbers_gone=True,
        )
    derive(connection, ids)
    tell(connection, ids)
    return sum(
        forget_caller(connection, number, [agent])
        for agent, number in callers
        if not _has_more(connection, agent, number)
    )


def forget_caller(connection: sa.Connection, number: str, agents: Iterable[str | None]) -> int:
    """Throw away what is kept with a caller for agents; returns how many values."""
    owners = [caller_named(agent, number) for agent in agents]
    kept = KEPT_JSON.c
    return connection.execute(
        sa.delete(KEPT_JSON).where(kept.kind == CALLER, kept.owner.in_(owners))
    ).rowcount


def agents_of_calls(connection: sa.Connection) -> set[str | None]:
    """The agents of all calls."""
    return set(connection.scalars(sa.select(CALLS.c.agent).distinct()))


def forget_call_back(connection: sa.Connection, number: str) -> int:
    """Take a caller off the list of those to be called back; returns how many entries that were."""
    return connection.execute(sa.delete(CALL_BACKS).where(_is_number(CALL_BACKS.c.number, number))).rowcount


def forget_messages_for(connection: sa.Connection, number: str) -> None:
    """Forget messages that others have left with a number to call back, in their calls: they name this one, too."""
    query = sa.select(MESSAGES.c.call_id, MESSAGES.c.seq).where(
        _is_number(MESSAGES.c.callback_number, number)
    )
    of: dict[str, set[int]] = {}
    for call_id, seq in connection.execute(query):
        of.setdefault(call_id, set()).add(seq)
    for call_id, seqs in of.items():
        for kind, seq, data in _events(connection, call_id):
            if seq in seqs:
                changed = sa.update(CALL_EVENTS).where(
                    CALL_EVENTS.c.call_id == call_id, CALL_EVENTS.c.seq == seq
                )
                connection.execute(changed.values(data=without_words(kind, data)))
        _change(connection, call_id)
    derive(connection, of)
    tell(connection, of)


def forget_recordings(
    connection: sa.Connection, rows: Sequence[Mapping[str, Any]], now: datetime, by: str | None = None
) -> None:
    """Note that the carrier has deleted the recordings of calls: their addresses go, and an event says so."""
    ids = [row["id"] for row in rows]
    _change_events(connection, ids, _no_address)
    for call_id in ids:
        recordings = {
            data.get("recording_id")
            for kind, _, data in _events(connection, call_id)
            if kind == RecordingChanged.KIND
        }
        deleted = [RecordingChanged(DELETED, one, by) for one in sorted(filter(None, recordings))]
        _add_events(connection, call_id, deleted, now)
        _change(connection, call_id, recordings_gone=True)
    tell(connection, ids)


def note_erased(connection: sa.Connection, ids: Sequence[str], now: datetime, by: str | None) -> None:
    """Note in calls that what they had of their caller was erased, and at whose request."""
    for call_id in ids:
        _add_events(connection, call_id, [CallerErased(by)], now)
        _change(connection, call_id)
    tell(connection, ids)


def _add_events(connection: sa.Connection, call_id: str, events: Sequence[CallEvent], now: datetime) -> None:
    of_call = CALL_EVENTS.c.call_id == call_id
    last = connection.scalar(sa.select(sa.func.max(CALL_EVENTS.c.seq)).where(of_call))
    fresh = [
        {
            "call_id": call_id,
            "seq": seq,
            "at": now,
            "kind": event.kind,
            "data": dict(event.data),
            "format": FORMAT,
        }
        for seq, event in enumerate(events, (last or 0) + 1)
    ]
    if fresh:
        connection.execute(sa.insert(CALL_EVENTS), fresh)


def delete_calls(connection: sa.Connection, ids: Collection[str]) -> None:
    """Delete calls with all that belongs to them."""
    connection.execute(sa.delete(CALLS).where(CALLS.c.id.in_(list(ids))))
    tell(connection, ids)


def _change(connection: sa.Connection, call_id: str, **values: Any) -> None:
    changed = sa.update(CALLS).where(CALLS.c.id == call_id)
    connection.execute(changed.values(**values, revision=CALLS.c.revision + 1))


def _change_events(connection: sa.Connection, ids: Iterable[str], change: Change) -> None:
    """Put other values in the place of events', where a function of kind and values has others."""
    update = (
        sa.update(CALL_EVENTS)
        .where(CALL_EVENTS.c.call_id == sa.bindparam("of"), CALL_EVENTS.c.seq == sa.bindparam("number"))
        .values(data=sa.bindparam("instead"))
    )
    for call_id in ids:
        changed = [
            {"of": call_id, "number": seq, "instead": instead}
            for kind, seq, data in _events(connection, call_id)
            if (instead := change(kind, data)) != data
        ]
        if changed:
            connection.execute(update, changed)


def _events(connection: sa.Connection, call_id: str) -> list[tuple[str, int, dict[str, Any]]]:
    column = CALL_EVENTS.c
    query = sa.select(column.kind, column.seq, column.data).where(column.call_id == call_id)
    return [(kind, seq, data) for kind, seq, data in connection.execute(query.order_by(column.seq))]


def _no_address(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return without_url(data) if kind == RecordingChanged.KIND else dict(data)


def _has_more(connection: sa.Connection, agent: str | None, number: str) -> bool:
    """Whether a call of an agent's still names a number as the other side."""
    column = CALLS.c
    same_agent = column.agent == agent if agent is not None else column.agent.is_(None)
    query = sa.select(column.id).where(_is_with(lambda side: side == number), same_agent).limit(1)
    return connection.scalar(query) is not None


def _is_with(is_it: Callable[[Any], sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """Whether it is the other side's number for which something is true."""
    column = CALLS.c
    return sa.or_(
        sa.and_(column.direction == "inbound", is_it(column.from_number)),
        sa.and_(column.direction == "outbound", is_it(column.to_number)),
    )


def _is_number(column: Any, number: str) -> sa.ColumnElement[bool]:
    spellings = [column == number]
    if number.startswith("+"):
        spellings += [column.startswith(f"{scheme}:{number}@", autoescape=True) for scheme in ("sip", "sips")]
    return sa.or_(*spellings)
