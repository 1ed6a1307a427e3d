"""Answers people who look at calls, over connections of their own: what is written of calls never waits for them.

A file is read by threads, two at a time, beside the one that writes: SQLite lets readers and one writer work at once,
and a search is done without Python's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from calls.database.engine import OPTIONS

T = TypeVar("T")

AT_ONCE = 2
"""How many questions are answered at a time; others wait."""

POOL: dict[str, Any] = {**OPTIONS, "pool_size": AT_ONCE}


class Looking:
    """Connections that only read, to a database that is open.

    Parameters:
        url: Its address, from `calls.database.engine.readable`.
        busy_secs: How long SQLite waits for another process that recovers the file.
    """

    def __init__(self, url: URL, busy_secs: float):
        self._engine: AsyncEngine | sa.Engine
        if url.get_backend_name() == "sqlite":
            self._engine = sa.create_engine(url, **POOL)
            _only_read(self._engine, busy_secs)
        else:
            self._engine = create_async_engine(url, pool_pre_ping=True, **POOL)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Read something in one transaction."""
        engine = self._engine
        if isinstance(engine, AsyncEngine):
            async with engine.connect() as connection:
                only = await connection.execution_options(postgresql_readonly=True)
                async with only.begin():
                    return await only.run_sync(work)

        def read() -> T:
            with engine.begin() as connection:
                return work(connection)

        async with self._turns:
            return await asyncio.to_thread(read)

    async def aclose(self) -> None:
        """Close the connections."""
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        else:
            self._engine.dispose()


def _only_read(engine: sa.Engine, busy_secs: float) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_secs * 1000)}")
        cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")
