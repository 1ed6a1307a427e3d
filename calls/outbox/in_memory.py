"""An outbox without a database: what is in it is lost when the process ends."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from calls.call import Call
from calls.database.saved import row_of
from calls.outbox.notices import Wants
from calls.outbox.parcels import LEASE_SECS, Parcel, parcels_of

LISTED = 1000
"""How many undelivered parcels are remembered, the latest ones."""


class MemoryOutbox:
    """The parcels of this process's calls.

    Attributes:
        wants: Who wants to be told; None for nobody.
        on_news: Called when there are new parcels.
    """

    def __init__(self) -> None:
        self.wants: Wants | None = None
        self.on_news: Callable[[], None] = _nothing
        self._waiting: dict[str, Parcel] = {}
        self._leased: dict[str, datetime] = {}
        self._given_up: dict[str, Parcel] = {}
        self._seen: WeakKeyDictionary[Call, int] = WeakKeyDictionary()

    def look_at(self, call: Call) -> None:
        """Make parcels of what is new of a call."""
        seen, events = self._seen.get(call, 0), list(call.events)
        self._seen[call] = len(events)
        if self.wants is None or len(events) == seen:
            return
        if new := parcels_of(row_of(call), seen + 1, events[seen:], self.wants, events):
            self._waiting.update({parcel.id: parcel for parcel in new})
            self.on_news()

    async def lease(self, now: datetime, limit: int) -> list[Parcel]:
        """See `Outbox`."""
        first: dict[tuple[str, str], Parcel] = {}
        for parcel in sorted(self._waiting.values(), key=lambda one: one.seq):
            first.setdefault((parcel.call_id, parcel.channel), parcel)
        due = [one for one in first.values() if one.due_at <= now and self._is_free(one, now)]
        taken = sorted(due, key=lambda one: one.due_at)[:limit]
        for parcel in taken:
            self._leased[parcel.id] = now + timedelta(seconds=LEASE_SECS)
        return taken

    def _is_free(self, parcel: Parcel, now: datetime) -> bool:
        until = self._leased.get(parcel.id)
        return until is None or until < now

    async def hold(self, parcel: Parcel, until: datetime) -> None:
        """See `Outbox`."""
        self._leased[parcel.id] = until

    async def keep_body(self, parcel: Parcel) -> None:
        """See `Outbox`."""

    async def postpone(self, parcel: Parcel, due_at: datetime) -> None:
        """See `Outbox`."""
        parcel.due_at = due_at
        self._leased.pop(parcel.id, None)

    async def give_up(self, parcel: Parcel) -> None:
        """See `Outbox`."""
        await self.delivered(parcel)
        self._given_up[parcel.id] = parcel
        if len(self._given_up) > LISTED:
            del self._given_up[next(iter(self._given_up))]

    async def delivered(self, parcel: Parcel) -> None:
        """See `Outbox`."""
        self._waiting.pop(parcel.id, None)
        self._leased.pop(parcel.id, None)

    def forget(self, call_ids: Collection[str]) -> int:
        """Throw away the parcels of calls; returns how many."""
        found = [
            one for one in [*self._waiting.values(), *self._given_up.values()] if one.call_id in call_ids
        ]
        for parcel in found:
            self._waiting.pop(parcel.id, None)
            self._leased.pop(parcel.id, None)
            self._given_up.pop(parcel.id, None)
        return len(found)

    async def is_empty(self, call_id: str | None = None) -> bool:
        """See `Outbox`."""
        return not any(call_id in (None, one.call_id) for one in self._waiting.values())

    async def undelivered(self) -> list[Parcel]:
        """See `Outbox`."""
        return list(self._given_up.values())

    async def again(self, now: datetime, parcel_id: str | None = None) -> int:
        """See `Outbox`."""
        chosen = [one for one in self._given_up.values() if parcel_id in (None, one.id)]
        for parcel in chosen:
            del self._given_up[parcel.id]
            parcel.since = parcel.due_at = now
            parcel.attempts = 0
            self._waiting[parcel.id] = parcel
        if chosen:
            self.on_news()
        return len(chosen)


def _nothing() -> None:
    """Nobody waits for news."""
