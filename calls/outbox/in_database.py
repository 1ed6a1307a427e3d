"""The outbox in the calls' database. Its parcels are written with the events that cause them, all or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from calls.database.engine import READING, WRITING
from calls.database.errors import DatabaseUnavailable
from calls.database.schema import OUTBOX
from calls.outbox.notices import Channel, Kind
from calls.outbox.parcels import LEASE_SECS, UNDELIVERED, WAITING, Parcel

if TYPE_CHECKING:
    from calls.database.call_database import CallDatabase
    from calls.database.writer import CallWriter

T = TypeVar("T")

INSISTED_SECS = LEASE_SECS / 2
"""How long what became of a parcel is tried to be written. Unwritten, it is told once more when its lease ends."""

INSIST_PAUSE_SECS = 1.0

LISTED = 1000
"""How many undelivered parcels are listed, the oldest ones."""


def insert(connection: sa.Connection, parcels: Sequence[Parcel]) -> None:
    """Write parcels, in the transaction of their events."""
    rows = [{**asdict(parcel), "state": WAITING, "leased_until": None} for parcel in parcels]
    connection.execute(sa.insert(OUTBOX), rows)


async def count_undelivered(database: CallDatabase) -> int:
    """How many parcels were given up.

    Raises:
        DatabaseError: The database did not answer.
    """
    query = sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.state == UNDELIVERED)
    return await database.do(lambda connection: connection.scalar(query) or 0, begin=READING)


class DatabaseOutbox:
    """The parcels of all processes that share the database.

    Parameters:
        writer: Asks the database, in the thread that it belongs to.
    """

    def __init__(self, writer: CallWriter):
        self._writer = writer

    async def lease(self, now: datetime, limit: int) -> list[Parcel]:
        """See `Outbox`."""
        column, earlier = OUTBOX.c, OUTBOX.alias("earlier")
        is_behind_another = sa.exists().where(
            earlier.c.call_id == column.call_id,
            earlier.c.channel == column.channel,
            earlier.c.state == WAITING,
            earlier.c.seq < column.seq,
        )
        free = sa.or_(column.leased_until.is_(None), column.leased_until < now)
        query = (
            sa.select(OUTBOX)
            .where(column.state == WAITING, column.due_at <= now, free, ~is_behind_another)
            .order_by(column.due_at)
            .limit(limit)
            # Where several processes ask at the same time, each takes what the others have not taken.
            .with_for_update(skip_locked=True)
        )
        until = now + timedelta(seconds=LEASE_SECS)

        def take(connection: sa.Connection) -> list[Parcel]:
            parcels = [_parcel(row) for row in connection.execute(query).mappings()]
            if parcels:
                ids = [parcel.id for parcel in parcels]
                connection.execute(sa.update(OUTBOX).where(column.id.in_(ids)).values(leased_until=until))
            return parcels

        return await self._do(take)

    async def hold(self, parcel: Parcel, until: datetime) -> None:
        """See `Outbox`."""
        await self._change(parcel, leased_until=until)

    async def keep_body(self, parcel: Parcel) -> None:
        """See `Outbox`."""
        await self._change(parcel, body=parcel.body)

    async def postpone(self, parcel: Parcel, due_at: datetime) -> None:
        """See `Outbox`."""
        await self._change(
            parcel, due_at=due_at, attempts=parcel.attempts, trouble=parcel.trouble, leased_until=None
        )

    async def give_up(self, parcel: Parcel) -> None:
        """See `Outbox`."""
        await self._change(
            parcel, state=UNDELIVERED, attempts=parcel.attempts, trouble=parcel.trouble, leased_until=None
        )

    async def delivered(self, parcel: Parcel) -> None:
        """See `Outbox`."""
        await self._insist(sa.delete(OUTBOX).where(OUTBOX.c.id == parcel.id))

    async def is_empty(self, call_id: str | None = None) -> bool:
        """See `Outbox`."""
        query = sa.select(OUTBOX.c.id).where(OUTBOX.c.state == WAITING).limit(1)
        if call_id is not None:
            query = query.where(OUTBOX.c.call_id == call_id)
        return await self._do(lambda connection: connection.scalar(query) is None, begin=READING)

    async def undelivered(self) -> list[Parcel]:
        """See `Outbox`."""
        query = (
            sa.select(OUTBOX).where(OUTBOX.c.state == UNDELIVERED).order_by(OUTBOX.c.event_at).limit(LISTED)
        )
        return await self._do(
            lambda connection: [_parcel(row) for row in connection.execute(query).mappings()], begin=READING
        )

    async def again(self, now: datetime, parcel_id: str | None = None) -> int:
        """See `Outbox`."""
        change = sa.update(OUTBOX).where(OUTBOX.c.state == UNDELIVERED)
        if parcel_id is not None:
            change = change.where(OUTBOX.c.id == parcel_id)
        change = change.values(state=WAITING, since=now, due_at=now, attempts=0)
        return await self._do(lambda connection: int(connection.execute(change).rowcount))

    async def _change(self, parcel: Parcel, **values: Any) -> None:
        await self._insist(sa.update(OUTBOX).where(OUTBOX.c.id == parcel.id).values(values))

    async def _insist(self, change: sa.Update | sa.Delete) -> None:
        """Write what became of a parcel, also when others hold the database up for a while."""
        until = asyncio.get_running_loop().time() + INSISTED_SECS
        while True:
            try:
                await self._do(lambda connection: connection.execute(change))
                return
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(INSIST_PAUSE_SECS)

    async def _do(self, work: Callable[[sa.Connection], T], *, begin: str = WRITING) -> T:
        return await self._writer.ask(lambda database: database.do(work, begin=begin))


def _parcel(row: sa.RowMapping) -> Parcel:
    known = {name: row[name] for name in Parcel.__dataclass_fields__}
    return Parcel(**{**known, "kind": Kind(row["kind"]), "channel": Channel(row["channel"])})
