"""How a process learns at once that another one has written something.

A server tells (PostgreSQL's LISTEN and NOTIFY). A file is looked at every `LOOK_SECS`: SQLite's `PRAGMA data_version`
says, in some microseconds and without a lock, whether another connection has committed since the last look. So on one
machine there is nothing beside the file that can be lost, blocked, left over by a dead process or out of step with what
was written; what a socket would save is some hundredths of a second. What was written is in the tables either way: a
word that is lost costs time, as all look through them at each beat.

Sources: SQLite, "PRAGMA data_version"; PostgreSQL's manual, NOTIFY ("the payload must be shorter than 8000 bytes");
asyncpg's documentation of `Connection.add_listener`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

CHANNEL = "phonebot"
"""The name of PostgreSQL's channel. Each database has its own."""

MAX_PAYLOAD = 7000
"""In bytes; a longer one is left out, and all look through the tables."""

LOOK_SECS = 0.03
"""How often a file is looked at."""

Names = frozenset[str]
"""Ids of calls that have changed, and of processes that are asked or answered; empty for "look at everything"."""

EVERYTHING: Names = frozenset()


class Waking(Protocol):
    """Says when others have written something."""

    async def wait(self, secs: float) -> Names | None:
        """Wait for at most so long.

        Returns:
            What has changed; None when nothing did.

        Raises:
            OSError: The connection is lost: begin anew.
        """
        ...


def tell(connection: sa.Connection, names: Iterable[str]) -> None:
    """Wake other processes when this transaction is committed; nothing need be done for a file."""
    if connection.dialect.name == "postgresql":
        payload = " ".join(names)
        if len(payload) > MAX_PAYLOAD:
            payload = ""
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, payload)))


@asynccontextmanager
async def woken_by_file(url: URL, is_same_file: Callable[[], bool]) -> AsyncIterator[Waking]:
    """Look at a file.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    with closing(sqlite3.connect(url.database or "", timeout=0, isolation_level=None)) as connection:
        yield _FileWaking(connection, is_same_file)


class _FileWaking:
    def __init__(self, connection: sqlite3.Connection, is_same_file: Callable[[], bool]):
        self._connection = connection
        self._is_same_file = is_same_file
        self._version = self._data_version()

    async def wait(self, secs: float) -> Names | None:
        """See `Waking`."""
        deadline = asyncio.get_running_loop().time() + secs
        while True:
            if not self._is_same_file():
                raise OSError("the file was replaced")
            version = self._data_version()
            if version != self._version:
                self._version = version
                return EVERYTHING
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(LOOK_SECS)

    def _data_version(self) -> int | None:
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:  # it is locked for a moment: look again
            return None


@asynccontextmanager
async def woken_by_server(url: URL) -> AsyncIterator[Waking]:
    """Listen to a server, on a connection of its own."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            waking = _ServerWaking()
            raw.add_termination_listener(waking.lost)
            await raw.add_listener(CHANNEL, waking.told)
            yield waking
    finally:
        await engine.dispose()


class _ServerWaking:
    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._names: set[str] = set()
        self._everything = self._is_lost = False

    def told(self, _: Any, __: int, ___: str, payload: str) -> None:
        """Take in a notification."""
        names = payload.split()
        self._names.update(names)
        self._everything |= not names
        self._news.set()

    def lost(self, _: Any) -> None:
        """Take in that the connection is gone."""
        self._is_lost = True
        self._news.set()

    async def wait(self, secs: float) -> Names | None:
        """See `Waking`."""
        try:
            async with asyncio.timeout(secs):
                await self._news.wait()
        except TimeoutError:
            return None
        if self._is_lost:
            raise OSError("the connection to the database is lost")
        names = EVERYTHING if self._everything else frozenset(self._names)
        self._news.clear()
        self._names.clear()
        self._everything = False
        return names
