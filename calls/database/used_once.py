"""What works once over all processes that share a database, such as the token of a media socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.database.engine import EACH_STATEMENT
from calls.database.schema import USED_ONCE

FORGET_EVERY = timedelta(minutes=5)
"""How often it is forgotten what was used once and need not be known any more."""


class UsedOnce:
    """Uses such things up on a server. A use is a single statement, and each statement a transaction of its own.

    Parameters:
        engine: The database, opened.
    """

    def __init__(self, engine: AsyncEngine):
        """Ask nothing yet."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._uses = _Uses(engine.dialect)

    async def use(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        """Use something up; see `CallDatabase.use_once`.

        Raises:
            SQLAlchemyError: The database did not answer.
        """
        async with self._engine.connect() as connection:
            return await connection.run_sync(self._uses.use, use_id, note, now, until)

    def close(self) -> None:
        """Nothing is held on to between two uses."""


class UsedOnceInFile:
    """The same in SQLite's file, by a thread and a connection of its own, whichever loop asks.

    Going there and back by the thread of the calls' writer would take longer than the statement, and a carrier waits.

    Parameters:
        engine: The database, opened.
    """

    def __init__(self, engine: sa.Engine):
        """Ask nothing yet."""
        self._engine = engine.execution_options(begin=EACH_STATEMENT)
        self._uses = _Uses(engine.dialect)
        self._connection: sa.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="used-once")

    async def use(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        """Use something up; see `CallDatabase.use_once`.

        Raises:
            SQLAlchemyError: The database did not answer, or was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._thread, self._use_in_file, use_id, note, now, until)
        except RuntimeError:
            raise SQLAlchemyError("the database was closed meanwhile") from None
        return await asked

    def close(self) -> None:
        """Let go of the file."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=False)

    def _use_in_file(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            return self._uses.use(self._connection, use_id, note, now, until)
        except SQLAlchemyError:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # not back to a pool that may be gone
            self._connection.close()
            self._connection = None


class _Uses:
    """The statements."""

    def __init__(self, dialect: sa.Dialect):
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        self._first_use = insert(USED_ONCE).on_conflict_do_nothing()
        self._forgotten_at: datetime | None = None

    def use(
        self, connection: sa.Connection, use_id: str, note: str, now: datetime, until: datetime
    ) -> str | None:
        columns = USED_ONCE.c
        if self._forgotten_at is None or now - self._forgotten_at > FORGET_EVERY:
            self._forgotten_at = now
            connection.execute(sa.delete(USED_ONCE).where(columns.until < now))
        use = {"id": use_id, "note": note, "until": until}
        if connection.execute(self._first_use, use).rowcount == 1:
            return None
        # Nothing is there when another process has forgotten it in between; then the note is lost.
        return connection.scalar(sa.select(columns.note).where(columns.id == use_id)) or ""
