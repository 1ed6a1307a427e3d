"""Lists, searches and counts calls for people: what the database has, and what is in memory alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from calls.call import Call
from calls.counting import Counts, Range, count
from calls.database.errors import DatabaseUnavailable
from calls.database.saved import row_of
from calls.derived import Derived, Deriver, derived
from calls.kept_tallies import KeptTallies
from calls.searching import Filters, Page, Place, Record

if TYPE_CHECKING:
    from calls.store import CallStore

MessagePlace = tuple[datetime, str, int]
"""Where in a list of messages one is: behind the one with this time, of this call, with this number."""


EVERY = 2**31
"""More calls than there are in memory."""

BETWEEN = 20
"""After so many calls in memory the loop does something else: one takes some tenths of a millisecond."""

COUNTED_SECS = 10.0
"""For how long a count counts: people look at the same one again and again, and it takes the database a moment."""


def record_of(call: Call) -> Record:
    """A call as a record, from all that is known of it here."""
    row = row_of(call)
    return {**row, **derived(row, list(enumerate(call.events, 1))).columns}


class LookingAtCalls:
    """What a store has of calls, as records.

    Parameters:
        store: The calls.
    """

    def __init__(self, store: CallStore):
        self._store = store
        self._deriver = Deriver()
        self._counted: dict[tuple[Any, ...], tuple[float, Counts]] = {}
        self._tallies = KeptTallies(self._count)

    async def find(self, filters: Filters, limit: int, before: Place | None = None) -> Page:
        """The calls that are wanted, newest first.

        Args:
            filters: Which.
            limit: How many at most.
            before: Only calls behind this place.
        """
        here = await self._these(self._store.unsettled())
        found = None
        if self._store.ask_database is not None:
            from calls.database import listing

            # As many more as may be known better here
            asked = limit + 1 + len(here)
            found = await self._store.look(
                lambda connection: listing.find(connection, filters, asked, before)
            )
            if found is None:
                here = await self._these(self._store.list(limit=EVERY))
        wanted = [
            record
            for record, made in here.values()
            if (before is None or before.is_before(record)) and filters.match(record, made.words)
        ]
        of_database = [one for one in found or () if one["id"] not in here]
        records = sorted(
            (*wanted, *of_database), key=lambda one: (one["created_at"], one["id"]), reverse=True
        )
        more = len(records) > limit
        records = records[:limit]
        whole = self._store.ask_database is None or found is not None
        return Page(records, Place.behind(records[-1]) if more and records else None, whole)

    async def counts(self, of: Range, agent: str | None = None) -> Counts | None:
        """Count calls by hour or by day.

        Returns:
            None when the database does not answer.
        """
        if self._store.ask_database is None:
            here = await self._these(self._store.unsettled())
            return count(here.values(), of, agent)
        what, now = (of.since, of.until, len(of.edges), agent), time.monotonic()
        self._counted = {key: one for key, one in self._counted.items() if now - one[0] < COUNTED_SECS}
        if what in self._counted:
            return self._counted[what][1]
        counts = await self._tallies.count(of, agent, self._store.now())
        if counts is not None:
            self._counted[what] = now, counts
        return counts

    async def _count(self, of: Range, agent: str | None) -> Counts | None:
        from calls.database import counting

        return await self._store.look(lambda connection: counting.count(connection, of, agent))

    async def messages(
        self,
        *,
        limit: int,
        open_only: bool | None = None,
        agent: str | None = None,
        since: datetime | None = None,
        before: MessagePlace | None = None,
    ) -> tuple[Sequence[Record], MessagePlace | None] | None:
        """Messages that callers have left, newest first, each with its call's numbers and direction.

        Args:
            limit: How many at most.
            open_only: Only those that nobody has dealt with, or only the others.
            agent: Only those that this agent has taken.
            since: Taken at this moment or later.
            before: Only those behind this place.

        Returns:
            Also where the list goes on; None when the database does not answer.
        """
        found: Sequence[Record] | None
        if self._store.ask_database is None:
            found = await self._messages_here(open_only=open_only, agent=agent, since=since, before=before)
        else:
            from calls.database import listing

            await self._store.flush(0.5)
            found = await self._store.look(
                lambda connection: listing.messages(
                    connection, limit=limit + 1, open_only=open_only, agent=agent, since=since, before=before
                )
            )
        if found is None:
            return None
        rows = found[:limit]
        return rows, _place(rows[-1]) if len(found) > limit and rows else None

    async def message(self, call: Call, seq: int) -> Record | None:
        """A message that was taken on a call, by its number there; None when there is none.

        Raises:
            DatabaseError: The database did not answer.
        """
        if self._store.ask_database is None:
            found: Sequence[Record] | None = [
                one for one in await self._messages_here() if (one["call_id"], one["seq"]) == (call.id, seq)
            ]
        else:
            from calls.database import listing

            found = await self._store.look(
                lambda connection: listing.messages(connection, limit=1, only=(call.id, seq))
            )
            if found is None:
                raise DatabaseUnavailable("the database does not answer")
        return found[0] if found else None

    async def _messages_here(
        self,
        *,
        open_only: bool | None = None,
        agent: str | None = None,
        since: datetime | None = None,
        before: MessagePlace | None = None,
    ) -> Sequence[Record]:
        found: list[dict[str, Any]] = []
        for record, made in (await self._these(self._store.unsettled())).values():
            of_call = {name: record[name] for name in ("from_number", "to_number", "direction", "agent")}
            found += [{**of_call, "call_id": record["id"], **one} for one in made.messages]
        return sorted(
            (
                one
                for one in found
                if (open_only is None or open_only is (one["handled_at"] is None))
                and (agent is None or one["agent"] == agent)
                and (since is None or one["at"] >= since)
                and (before is None or _place(one) < before)
            ),
            key=_place,
            reverse=True,
        )

    async def _these(self, calls: Sequence[Call]) -> dict[str, tuple[Record, Derived]]:
        """Calls in memory as records, by our ids; those that talk are let in between."""
        records = {}
        for number, call in enumerate(calls, 1):
            records[call.id] = self._here(call)
            if number % BETWEEN == 0:
                await asyncio.sleep(0)
        return records

    def _here(self, call: Call) -> tuple[Record, Derived]:
        row = row_of(call)
        made = self._deriver.of(call, row)
        return {**row, **made.columns}, made


def message_place_text(place: MessagePlace) -> str:
    """A place in a list of messages, as an address or a command line has it."""
    return f"{Place(*place[:2])}~{place[2]}"


def read_message_place(text: str) -> MessagePlace:
    """From what `message_place_text` makes.

    Raises:
        ValueError: It is none.
    """
    rest, _, seq = text.rpartition("~")
    place = Place.read(rest)
    return place.created_at, place.call_id, int(seq)


def _place(message: Record) -> MessagePlace:
    return message["at"], message["call_id"], message["seq"]
