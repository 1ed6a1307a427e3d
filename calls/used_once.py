"""What works once over all processes that share a database, such as the token of a media socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.tables import USED_ONCE

FORGET_EVERY = timedelta(minutes=5)
"""How often it is forgotten what was used once and need not be known any more."""


class UsedOnce:
    """Uses such things up. A use is a single statement, and each statement a transaction of its own.

    Parameters:
        engine: The database, opened.
        plain: The same one without an asynchronous driver, for a file: its calls are made in a thread. SQLite's driver
            has a thread, too, but goes there and back ten times for one statement, which takes far longer than the
            statement. None for a database that is asked over a network.
    """

    def __init__(self, engine: AsyncEngine, plain: sa.Engine | None):
        """Ask nothing yet."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._plain = plain
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="used-once")
        insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._first_use = insert(USED_ONCE).on_conflict_do_nothing()
        self._forgotten_at: datetime | None = None

    async def use(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        """Use something up; see `CallDatabase.use_once`.

        Raises:
            SQLAlchemyError: There was no answer to that.
        """
        if self._plain is not None:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._thread, self._use_in_file, self._plain, use_id, note, now, until
            )
        async with self._engine.connect() as connection:
            return await connection.run_sync(self._use, use_id, note, now, until)

    def close(self) -> None:
        """Let go of the file."""
        if self._plain is not None:
            self._thread.submit(self._plain.dispose)
        self._thread.shutdown(wait=False)

    def _use_in_file(
        self, plain: sa.Engine, use_id: str, note: str, now: datetime, until: datetime
    ) -> str | None:
        with plain.connect() as connection:
            return self._use(connection, use_id, note, now, until)

    def _use(
        self, connection: sa.Connection, use_id: str, note: str, now: datetime, until: datetime
    ) -> str | None:
        columns = USED_ONCE.c
        if self._forgotten_at is None or now - self._forgotten_at > FORGET_EVERY:
            self._forgotten_at = now
            connection.execute(sa.delete(USED_ONCE).where(columns.until < now))
        use = {"id": use_id, "note": note, "until": until}
        if connection.execute(self._first_use, use).rowcount == 1:
            return None
        # Nothing is there when another process has forgotten it in between; then nobody knows the note any more.
        return connection.scalar(sa.select(columns.note).where(columns.id == use_id)) or ""
