"""Callers for whom there was no room and who are to be called back: a list that all processes share, in the database.

There is no such list without a database. An entry is leased while its caller is called, and only one is at a time; the
lease of a process that died ends by itself, and the entry says which call was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from calls.database.call_database import DatabaseRefused
from calls.database.schema import CALL_BACKS
from calls.store import CallStore

T = TypeVar("T")

WITHIN = timedelta(hours=4)
"""How long after their call somebody may be called back."""

MAX_WAITING = 100
"""How many may wait: who sends calls with numbers of others must not have them all called."""

LEASE = timedelta(seconds=90)
"""How long a process has an entry without saying that it still does."""

LOCK = 5138009
"""Of PostgreSQL's advisory locks, the one under which an entry is taken. Any number, always the same."""


@dataclass(frozen=True)
class CallBack:
    """Somebody who is to be called back.

    Parameters:
        number: In E.164.
        carrier: The name of the carrier that they called by.
        agent: The agent that they called; None for the usual one.
        called: The number that they called.
        asked_at: When they called first.
        due_at: When they are to be called.
        tries: How often they were called.
        call_id: Our id of the last of these calls; None for none.
    """

    number: str
    carrier: str
    agent: str | None
    called: str | None
    asked_at: datetime
    due_at: datetime
    tries: int = 0
    call_id: str | None = None


class CallBacks:
    """The list.

    All of it may raise `DatabaseError`.

    Parameters:
        store: The calls, and the database behind them.
    """

    def __init__(self, store: CallStore):
        self._store = store

    @property
    def can_be_kept(self) -> bool:
        """Whether there is a list."""
        return self._store.ask_database is not None

    async def keep(self, entry: CallBack) -> bool:
        """Note somebody, unless there are too many; who is on the list already stays where they are.

        Returns:
            Whether they are on the list now.
        """

        def keep(connection: sa.Connection) -> bool:
            values = {"carrier": entry.carrier, "agent": entry.agent, "called": entry.called}
            if connection.execute(_of(sa.update(CALL_BACKS), entry.number).values(values)).rowcount:
                return True
            if (connection.scalar(sa.select(sa.func.count()).select_from(CALL_BACKS)) or 0) >= MAX_WAITING:
                return False
            connection.execute(sa.insert(CALL_BACKS), {**vars(entry), "leased_until": None})
            return True

        try:
            return await self._do(keep)
        except DatabaseRefused:  # two processes noted the same caller at the same time
            return True

    async def take_off(self, number: str) -> None:
        """Forget somebody: they were reached, or have called again, or are not to be called."""
        await self._do(lambda connection: connection.execute(_of(sa.delete(CALL_BACKS), number)))

    async def clear(self) -> None:
        """Forget all."""
        await self._do(lambda connection: connection.execute(sa.delete(CALL_BACKS)))

    async def take(self, now: datetime) -> CallBack | None:
        """Take the oldest entry that is due, unless another one is being dealt with. Those that are too old go."""
        column = CALL_BACKS.c

        def take(connection: sa.Connection) -> CallBack | None:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            free = sa.or_(column.leased_until.is_(None), column.leased_until <= now)
            connection.execute(sa.delete(CALL_BACKS).where(column.asked_at < now - WITHIN, free))
            if connection.scalar(sa.select(column.number).where(column.leased_until > now).limit(1)):
                return None
            due = sa.select(CALL_BACKS).where(column.due_at <= now).order_by(column.asked_at).limit(1)
            row = connection.execute(due).mappings().first()
            if row is None:
                return None
            connection.execute(_of(sa.update(CALL_BACKS), row["number"]).values(leased_until=now + LEASE))
            return CallBack(**{name: row[name] for name in CallBack.__dataclass_fields__})

        return await self._do(take)

    async def hold(self, number: str, now: datetime, **noted: Any) -> None:
        """Go on having an entry, and note something of it: `tries`, `call_id`."""
        change = _of(sa.update(CALL_BACKS), number).values(leased_until=now + LEASE, **noted)
        await self._do(lambda connection: connection.execute(change))

    async def put_off(self, number: str, due_at: datetime) -> None:
        """Give an entry back, to be taken later."""
        change = _of(sa.update(CALL_BACKS), number)
        change = change.values(leased_until=None, due_at=due_at, call_id=None)
        await self._do(lambda connection: connection.execute(change))

    async def _do(self, work: Callable[[sa.Connection], T]) -> T:
        ask = self._store.ask_database
        assert ask is not None
        return await ask(lambda database: database.do(work))


def _of(statement: Any, number: str) -> Any:
    return statement.where(CALL_BACKS.c.number == number)
