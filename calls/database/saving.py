"""Writes calls into their tables, in one transaction, also when other processes have written about them meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from loguru import logger

from calls.database.derived import derive, wants_deriving
from calls.database.merging import (
    END,
    ENDED_STATES,
    NOTE,
    Theirs,
    by_their_note,
    is_end,
    key,
    undecided,
)
from calls.database.processes import Me, note_session
from calls.database.reading import events_after, row
from calls.database.saved import plain
from calls.database.schema import CALL_EVENTS, CALLS
from calls.database.waking import tell
from calls.events import forgetting
from calls.events.event import CallEvent
from calls.events.reading import read_event
from calls.outbox.in_database import insert
from calls.outbox.notices import Wants
from calls.outbox.parcels import parcels_of

LEARNED_ONCE = ("carrier_call_id", "answered_at")
"""Columns that are empty until something is known, and then stay as they are."""

NEVER = -1
"""A revision that no call has."""

PERSONAL = frozenset({"from_number", "to_number", "parameters", "resume", "ending_cause"})
"""Columns that may have a number, or words."""


@dataclass(frozen=True)
class Unsaved:
    """What is to be written of a call.

    Parameters:
        row: All columns, by name.
        before: The columns as this process last wrote or read them; empty before that.
        events: All events that this process knows, in their order.
        known: How many of the events are in the database already, from the first on.
        last_seq: The number of the last event in the database that this process knows of.
        revision: The column of this name, as this process last wrote or read it.
    """

    row: Mapping[str, Any]
    before: Mapping[str, Any]
    events: Sequence[CallEvent]
    known: int
    last_seq: int
    revision: int

    @property
    def changed(self) -> list[str]:
        """Names of the columns that this process changed since it last wrote or read them."""
        return [name for name, value in self.row.items() if self.before.get(name) != value]

    @property
    def has_news(self) -> bool:
        """Whether there is something to write."""
        return bool(len(self.events) > self.known or self.changed)


@dataclass(frozen=True)
class Saved:
    """How a call was written.

    Parameters:
        last_seq: The number of its last event.
        revision: The column of this name; `NEVER` for a call of which something was forgotten, so that it is read anew.
        theirs: What the database has of it, when others have written about it too; else None.
    """

    last_seq: int
    revision: int
    theirs: Theirs | None


def save(
    connection: sa.Connection, records: Sequence[Unsaved], wants: Wants | None, me: Me | None
) -> tuple[dict[str, Saved], bool]:
    """Write calls in a transaction: `CallDatabase.save`.

    Args:
        connection: In its transaction; one that has the lock already, for a file.
        records: What is to be written.
        wants: Who wants to be told of it.
        me: This process, where others learn of its sessions; else None.

    Returns:
        How each was written, by our id of the call, and whether the outbox has got something.
    """
    there = _there(connection, records)
    taken = _taken(connection, records)
    fresh, events, parcels, to_derive = [], [], [], []
    written: dict[str, tuple[int, int, Sequence[CallEvent] | None]] = {}
    for record in records:
        values = dict(record.row)
        call_id = values["id"]
        if (values["carrier"], values["carrier_call_id"]) in taken:
            # Two processes heard of one call at the same time. Both are kept; the first has the name.
            values["carrier_call_id"] = None
            logger.warning("Call {} is saved without its carrier's id: another call has it", call_id)
        found = there.get(call_id)
        if found is None:
            new, last_seq, revision, others = list(record.events), 0, 1, None
            fresh.append({**values, "revision": revision})
        else:
            last_seq, revision = found["last_seq"], found["revision"]
            new, others = list(record.events[record.known :]), None
            if (last_seq, revision) != (record.last_seq, record.revision):
                others = [event for _, event in events_after(connection, call_id, record.last_seq)]
                new = _without_written(new, others)
            changed = {name: values[name] for name in record.changed}
            changed, new = _decided(changed, new, record, found)
            changed, new = _without_forgotten(changed, new, found)
            if changed or new:
                revision += 1
                changed["revision"] = revision
                connection.execute(sa.update(CALLS).where(CALLS.c.id == call_id).values(changed))
        events += _numbered(call_id, last_seq + 1, new)
        if wants_deriving(
            found["state"] if found and found["state"] in ENDED_STATES else values["state"], new
        ):
            to_derive.append(call_id)
        if found is None or not found["words_gone"]:
            parcels += parcels_of(values, last_seq + 1, new, wants, record.events)
        last_seq += len(new)
        written[call_id] = last_seq, revision, None if others is None else [*others, *new]
    if fresh:
        connection.execute(sa.insert(CALLS), fresh)
    if events:
        connection.execute(sa.insert(CALL_EVENTS), events)
    derive(connection, to_derive)
    if parcels:
        insert(connection, parcels)
    if me is not None:
        for record in records:
            note_session(connection, me, record.row["id"], record.events, record.events[record.known :])
    tell(connection, written)
    saved = {}
    for call_id, (last_seq, revision, both) in written.items():
        theirs = Theirs(row(connection, call_id), both, last_seq) if both is not None else None
        known = there.get(call_id)
        is_whole = known is None or not (known["numbers_gone"] or known["words_gone"])
        saved[call_id] = Saved(last_seq, revision if is_whole else NEVER, theirs)
    return saved, bool(parcels)


def unless_decided(connection: sa.Connection, record: Unsaved) -> Unsaved:
    """What is left of a record when others have written about its call since: events, and an end."""
    revision = connection.scalar(sa.select(CALLS.c.revision).where(CALLS.c.id == record.row["id"]))
    if revision is None or revision == record.revision:
        return record
    kept = {*LEARNED_ONCE, *(END if record.row["state"] in ENDED_STATES else ())}
    return replace(record, before={**record.row, **{name: record.before.get(name) for name in kept}})


def _there(connection: sa.Connection, records: Sequence[Unsaved]) -> dict[str, dict[str, Any]]:
    """Of those calls that are there, what others may have changed, and the last event. They are locked."""
    ids = [record.row["id"] for record in records]
    columns = [CALLS.c[name] for name in ("id", "state", "revision", "numbers_gone", "words_gone", *NOTE)]
    query = sa.select(*columns).where(CALLS.c.id.in_(ids)).order_by(CALLS.c.id).with_for_update()
    found = {row["id"]: {**row, "last_seq": 0} for row in connection.execute(query).mappings()}
    # A query of its own: PostgreSQL shows a statement that has waited for a lock the new row, but not the new events.
    last = sa.select(sa.func.max(CALL_EVENTS.c.seq)).where(CALL_EVENTS.c.call_id == CALLS.c.id)
    numbers = sa.select(CALLS.c.id, last.scalar_subquery()).where(CALLS.c.id.in_(list(found)))
    for call_id, seq in connection.execute(numbers):
        found[call_id]["last_seq"] = seq or 0
    return found


def _taken(connection: sa.Connection, records: Sequence[Unsaved]) -> set[tuple[str, str | None]]:
    """Of the carriers' ids of these calls, those that other calls have."""
    owners = {
        (record.row["carrier"], record.row["carrier_call_id"]): record.row["id"]
        for record in reversed(records)
        if record.row["carrier_call_id"] is not None
    }
    if not owners:
        return set()
    query = sa.select(CALLS.c.carrier, CALLS.c.carrier_call_id, CALLS.c.id).where(
        CALLS.c.carrier_call_id.in_([name for _, name in owners])
    )
    taken = {(carrier, name): owner for carrier, name, owner in connection.execute(query)}
    return {key for key, owner in taken.items() if key in owners and owners[key] != owner}


def _decided(
    changed: dict[str, Any], new: list[CallEvent], record: Unsaved, found: Mapping[str, Any]
) -> tuple[dict[str, Any], list[CallEvent]]:
    """What is left to be written where others have decided something first: they may be in another process."""
    if found["state"] in ENDED_STATES:
        # The first end that was written stays, here or somewhere else.
        changed = {name: value for name, value in changed.items() if name not in END}
        return changed, [event for event in new if not is_end(event)]
    if found["ending_by"] is not None and record.before.get("ending_by") is None:
        # So does the first note of who ends the call
        changed = {name: value for name, value in changed.items() if name not in NOTE}
        new = by_their_note(new, found)
    return changed, new


def _without_forgotten(
    changed: dict[str, Any], new: list[CallEvent], found: Mapping[str, Any]
) -> tuple[dict[str, Any], list[CallEvent]]:
    """What is left to be written of a call of which something was forgotten: a summary may be late."""
    if found["words_gone"]:
        new = [_with(event, forgetting.without_words(event.kind, event.data)) for event in new]
    if found["numbers_gone"]:
        new = [_with(event, forgetting.without_numbers(event.data)) for event in new]
    if found["words_gone"] or found["numbers_gone"]:
        changed = {name: value for name, value in changed.items() if name not in PERSONAL}
    return changed, new


def _with(event: CallEvent, data: Mapping[str, Any]) -> CallEvent:
    return read_event(event.at, event.kind, data, event.version)


def _without_written(events: Sequence[CallEvent], others: Sequence[CallEvent]) -> list[CallEvent]:
    """Those events that are not among those in the database that this process does not know of."""
    written = {key(event) for event in others}
    ours = {key(event) for event in events}
    left = [event for event in events if key(event) not in written]
    return undecided(left, [event for event in others if key(event) not in ours])


def _numbered(call_id: str, first: int, events: Iterable[CallEvent]) -> list[dict[str, Any]]:
    return [
        {
            "call_id": call_id,
            "seq": seq,
            "at": event.at,
            "kind": event.kind,
            "data": plain(event.data),
            "format": event.version,
        }
        for seq, event in enumerate(events, first)
    ]
