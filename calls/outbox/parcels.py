"""A notice on its way: when it is tried, for how long, and what an outbox does with it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from calls.events.event import CallEvent
from calls.events.lifecycle import TransferEnded, TransferStarted
from calls.events.talk import BotHeard, CallerSaid, Interrupted
from calls.outbox.notices import Channel, Kind, Wants, is_told_of, kind_of

LEASE_SECS = 30.0
"""How long a process has a parcel for itself. One that died meanwhile delays it by no more than this."""

PAUSES_SECS = (5, 30, 120, 600, 1800, 3600, 7200, 14400)
"""Between one attempt and the next; the last one is repeated. Source: the Standard Webhooks specification, section
"Delivery attempts", proposes a schedule of this kind over about a day."""

JITTER = 0.1
"""By how much of itself a pause may be longer: calls that ended together are not all sent again together."""

TRIED_FOR = timedelta(days=1)
"""How long a notice is tried before it is listed as undelivered."""

TALK = (BotHeard, CallerSaid, Interrupted, TransferStarted, TransferEnded)
"""What happens on a call that was answered before."""

WAITING, UNDELIVERED = "waiting", "undelivered"


@dataclass
class Parcel:
    """A notice that is to go one way.

    Parameters:
        id: `msg_` and 32 hexadecimal digits: the receiver gets the same one with each attempt.
        call_id: Our id of the call.
        seq: The number of the event that caused it, which orders the call's notices.
        kind: What happened.
        channel: Which way.
        event_at: When it happened.
        since: When it was first to be sent, from which `TRIED_FOR` counts.
        due_at: When it is to be tried next.
        ready_by: Until when it may wait for what is still to come of its call.
        attempts: How often it was tried.
        body: What is sent, made once; None before.
        trouble: Why it was not delivered the last time, without words or numbers of a call.
    """

    id: str
    call_id: str
    seq: int
    kind: Kind
    channel: Channel
    event_at: datetime
    since: datetime
    due_at: datetime
    ready_by: datetime
    attempts: int = 0
    body: str | None = None
    trouble: str | None = None


def parcels_of(
    row: Mapping[str, Any],
    first_seq: int,
    events: Sequence[CallEvent],
    wants: Wants | None,
    known: Sequence[CallEvent],
) -> list[Parcel]:
    """The parcels that new events of a call cause.

    Args:
        row: The call, as `calls.database.saved.row_of` makes it.
        first_seq: The number of the first of the events.
        events: Those that are new.
        wants: Who wants to be told; None for nobody.
        known: All events of the call that this process knows. A call that came back to another process without a
            common store (`calls.carried`) has brought its conversation along, which was told of there.
    """
    if wants is None or not is_told_of(row):
        return []
    found = []
    for seq, event in enumerate(events, first_seq):
        if (kind := kind_of(event)) is None or event.stored is not None:
            continue
        if kind is Kind.CALL_STARTED and any(isinstance(one, TALK) and one.at < event.at for one in known):
            continue
        found += [
            Parcel(
                id=f"msg_{uuid.uuid4().hex}",
                call_id=row["id"],
                seq=seq,
                kind=kind,
                channel=way.channel,
                event_at=event.at,
                since=event.at,
                due_at=event.at,
                ready_by=event.at + timedelta(seconds=way.patience_secs),
            )
            for way in wants(row, kind)
        ]
    return found


def next_try(parcel: Parcel, now: datetime) -> datetime | None:
    """When a parcel is to be tried again that was tried now, in vain; None when it was tried for long enough."""
    pause = PAUSES_SECS[min(parcel.attempts, len(PAUSES_SECS)) - 1]
    due = now + timedelta(seconds=pause * random.uniform(1, 1 + JITTER))
    return due if due - parcel.since <= TRIED_FOR else None


class Outbox(Protocol):
    """Where parcels are until they are delivered. All of it may raise `DatabaseError`, where there is a database."""

    async def lease(self, now: datetime, limit: int) -> list[Parcel]:
        """Take parcels that are due, which no other process has, and of each call and channel only the oldest."""
        ...

    async def hold(self, parcel: Parcel, until: datetime) -> None:
        """Have a parcel for longer than `LEASE_SECS`."""
        ...

    async def keep_body(self, parcel: Parcel) -> None:
        """Note what is sent, so that each attempt sends the same."""
        ...

    async def postpone(self, parcel: Parcel, due_at: datetime) -> None:
        """Give a parcel back, to be tried later; with its `attempts` and `trouble`."""
        ...

    async def give_up(self, parcel: Parcel) -> None:
        """List a parcel as undelivered."""
        ...

    async def delivered(self, parcel: Parcel) -> None:
        """Forget a parcel, and the words in it."""
        ...

    async def is_empty(self, call_id: str | None = None) -> bool:
        """Whether no parcel waits, of one call or of any."""
        ...

    async def undelivered(self) -> list[Parcel]:
        """Those that were given up, oldest first."""
        ...

    async def again(self, now: datetime, parcel_id: str | None = None) -> int:
        """Try one that was given up, or all of them, for another day.

        Returns:
            How many.
        """
        ...
