"""What two processes write about one call at the same time, brought together: in one order, and decided once.

The order is the database's: what was written first stands first, and of two ends, two notes of who ends the call, or
two reports of the same, the first one stays. What a process has not written yet comes behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from calls.call import Call
from calls.database.saved import SavedCall, plain, row_of
from calls.events.event import CallEvent
from calls.events.lifecycle import Ended, StateChanged, TransferEnded, TransferStarted
from calls.states import ENDS, EndedBy

ENDED_STATES = frozenset(state.value for state in ENDS)

NOTE = ("ending_by", "ending_cause", "ending_state")
"""The columns that say who is ending a call."""

END = ("state", *NOTE, "ended_at")
"""The columns that say how a call has ended."""

ATTRIBUTES = (
    "from_number",
    "to_number",
    "agent",
    "mode",
    "parameters",
    "answered_at",
    "state",
    "ended_at",
    "resume",
)
"""Columns that are attributes of a call by the same name."""


@dataclass(frozen=True)
class Theirs:
    """What the database has of a call after others have written about it.

    Parameters:
        row: The columns of `calls.database.schema.CALLS`, as they are now.
        events: The events behind those that this process knew to be written, in order: those of others, and those of
            its own that were written now.
        last_seq: The number of the last one.
    """

    row: Mapping[str, Any]
    events: Sequence[CallEvent]
    last_seq: int


def key(event: CallEvent) -> tuple[datetime, str, str]:
    """What tells an event from all others of its call."""
    return event.at, event.kind, json.dumps(plain(event.data))


def is_end(event: CallEvent) -> bool:
    """Whether an event says that the call is over."""
    return isinstance(event, Ended) or (isinstance(event, StateChanged) and event.state in ENDED_STATES)


def undecided(events: Sequence[CallEvent], theirs: Sequence[CallEvent]) -> list[CallEvent]:
    """Those events of ours that others, who wrote first, have not decided already.

    Carriers deliver twice, and to two processes: what both have made of it happened once.
    """
    left = []
    settled = _transfer_is_settled(theirs)
    for event in events:
        if isinstance(event, TransferStarted):
            settled = False
        elif isinstance(event, TransferEnded) and settled:
            continue
        if not (event.ONCE and event in theirs):
            left.append(event)
    return left


def _transfer_is_settled(events: Sequence[CallEvent]) -> bool:
    latest = [event for event in events if isinstance(event, TransferStarted | TransferEnded)]
    return bool(latest) and isinstance(latest[-1], TransferEnded)


def by_their_note(events: Sequence[CallEvent], row: Mapping[str, Any]) -> list[CallEvent]:
    """The same events, where an end is put down to whom another process has noted before."""
    by, cause = EndedBy(row["ending_by"]), row["ending_cause"] or ""
    return [
        replace(event, ended_by=by, cause=cause) if isinstance(event, Ended) else event for event in events
    ]


def merge(call: Call, base: Mapping[str, Any], known: int, taken: int, theirs: Theirs) -> int:
    """Bring a call up to what the database has of it; in the thread that the call belongs to.

    Args:
        call: The call. Who waits for its events is woken.
        base: Its columns as this process last wrote or read them.
        known: How many of its events, from the first on, were known to be written.
        taken: How many of them `theirs` stands for: these, and those that were written with it.
        theirs: What the database has.

    Returns:
        How many of the call's events, from the first on, are in the database.
    """
    ours = {key(event): event for event in call.events[known:]}
    written = [ours.get(key(event), event) for event in theirs.events]
    news = [event for event in written if key(event) not in ours]
    there = {key(event) for event in written}
    unwritten = [event for event in call.events[taken:] if key(event) not in there]
    unwritten = undecided(unwritten, news)
    if theirs.row["state"] in ENDED_STATES:
        unwritten = [event for event in unwritten if not is_end(event)]
    events = [*call.events[:known], *written, *unwritten]
    call.learned(events, news, _changes(call, base, theirs.row))
    return known + len(written)


def _changes(call: Call, base: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that others have changed, with their values, where this process has not changed them later."""
    ours = row_of(call)
    changed = {
        name
        for name in ours
        if theirs[name] != ours[name] and theirs[name] != base.get(name) and ours[name] == base.get(name)
    }
    if theirs["state"] in ENDED_STATES:
        changed.update(name for name in END if theirs[name] != ours[name])
    if theirs["ending_by"] is not None and base.get("ending_by") is None:
        changed.update(name for name in NOTE if theirs[name] != ours[name])
    if not changed:
        return {}
    saved = SavedCall(theirs).as_call(call.clock)
    changes = {name: getattr(saved, name) for name in ATTRIBUTES if name in changed}
    if changed & set(NOTE):
        changes["ending"] = saved.ending
    if "carrier_call_id" in changed and saved.carrier_call_id and not call.carrier_call_id:
        changes["carrier_call_id"] = saved.carrier_call_id
    return changes
