"""Calls in a database: SQLite by default, or whatever else SQLAlchemy has an asynchronous driver for.

Everything here belongs to one event loop, and a file is read and written in that loop's thread, which waits for it:
`calls.database.writer` gives it a loop and a thread of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from loguru import logger
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.database.engine import DIAL_LOCK, EACH_STATEMENT, READING, WRITING, file_of, opened, readable
from calls.database.errors import (
    DatabaseError,
    DatabaseRefused,
    DatabaseUnavailable,
    DatabaseUnusable,
    explained,
)
from calls.database.looking import Looking
from calls.database.merging import ENDED_STATES, Theirs
from calls.database.processes import Me
from calls.database.reading import changed, events_after
from calls.database.saved import SavedCall
from calls.database.saving import Saved, Unsaved, save, unless_decided
from calls.database.schema import CALLS, SESSIONS
from calls.database.used_once import UsedOnce, UsedOnceInFile
from calls.database.waking import Waking, woken_by_file, woken_by_server
from calls.events.event import CallEvent
from calls.outbox.notices import Wants

__all__ = [
    "CallDatabase",
    "DatabaseError",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DatabaseUnusable",
]

T = TypeVar("T")

QUERY_SECS = 10.0
"""How long one transaction may take before a server counts as gone."""

MIGRATION_SECS = 60.0
"""The same for bringing the tables up to date, which may have to wait for another process that does it."""

BUSY_SECS = 5.0
"""How long SQLite waits for another process that is writing."""


class CallDatabase:
    """Calls on disk.

    Parameters:
        url: SQLAlchemy's address of the database, for example `sqlite+aiosqlite:///data/calls.db`.
        busy_secs: How long SQLite waits for another process that is writing.

    Attributes:
        wants: Who wants to be told of what is saved; None for nobody.
        on_news: Called, in the database's thread, when the outbox has got something.
        me: This process, where others learn of its sessions; else None.

    Raises:
        DatabaseUnusable: The address cannot be understood, or its driver is not installed.
    """

    def __init__(self, url: str, *, busy_secs: float = BUSY_SECS):
        """Read the address; the database is opened when it is needed."""
        self._url = readable(url)
        self._busy_secs = busy_secs
        self._engine: AsyncEngine | sa.Engine | None = None
        self._file: tuple[int, int] | None = None
        self._opening: asyncio.Lock | None = None
        self._used_once: UsedOnce | UsedOnceInFile | None = None
        self._looking: Looking | None = None
        self.wants: Wants | None = None
        self.on_news: Callable[[], None] = _nothing
        self.me: Me | None = None

    @property
    def description(self) -> str:
        """What is meant by "the database" in a message: its address without a password."""
        return self._url.render_as_string(hide_password=True)

    async def open(self) -> None:
        """Connect, and bring the tables up to date.

        Raises:
            DatabaseError: It cannot be used; the message says why and what to do.
        """
        await self._opened()

    async def aclose(self) -> None:
        """Close the connections. The next request opens the database again, in the event loop that it comes from."""
        self._opening = None
        await self._close()

    async def save(self, records: Sequence[Unsaved]) -> dict[str, Saved]:
        """Write calls, all or none of them.

        An end stays: it is not overwritten by a process that has not heard of it. Events are numbered in the order
        of writing, so that several processes can write about the same call. What was written before, by an attempt that
        succeeded without this process learning of it, is not written again.

        Returns:
            How each was written, by our id of the call.

        Raises:
            DatabaseError: Nothing was written, as far as we know.
        """
        saved, has_news = await self._do(
            lambda connection: save(connection, records, self.wants, self.me), begin=WRITING
        )
        if has_news:
            self.on_news()
        return saved

    async def replay(self, record: Unsaved) -> Saved:
        """Write what a dead process has left to be written of a call.

        Where others have written about the call since, what they decided stays: then only events that the database does
        not have are added, and an end.

        Raises:
            DatabaseError: Nothing was written, as far as we know.
        """

        def write(connection: sa.Connection) -> tuple[dict[str, Saved], bool]:
            return save(connection, [unless_decided(connection, record)], self.wants, None)

        saved, has_news = await self._do(write, begin=WRITING)
        if has_news:
            self.on_news()
        return saved[record.row["id"]]

    async def changed(self, known: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, Theirs]]:
        """Look whether others have written about calls.

        Args:
            known: The number of the last event of each call, and its revision, as this process knows them, by our id.

        Returns:
            The revision, and what the database has, of those that are different, by our id.

        Raises:
            DatabaseError: The database did not answer.
        """
        return await self._do(lambda connection: changed(connection, known))

    async def events_after(self, call_id: str, seq: int) -> tuple[list[tuple[int, CallEvent]], bool] | None:
        """The events of a call behind one of them, with their numbers, and whether the call is over.

        Returns:
            None when there is no such call.

        Raises:
            DatabaseError: The database did not answer.
        """

        def read(connection: sa.Connection) -> tuple[list[tuple[int, CallEvent]], bool] | None:
            state = connection.scalar(sa.select(CALLS.c.state).where(CALLS.c.id == call_id))
            return None if state is None else (events_after(connection, call_id, seq), state in ENDED_STATES)

        return await self._do(read)

    @asynccontextmanager
    async def waking(self) -> AsyncIterator[Waking]:
        """Learn at once when other processes write something.

        Raises:
            DatabaseError: The database cannot be used, or the connection was lost.
        """
        await self._opened()
        file = self._file
        is_file = self._url.get_backend_name() == "sqlite"
        how = (
            woken_by_file(self._url, lambda: file_of(self._url) == file)
            if is_file
            else woken_by_server(self._url)
        )
        try:
            async with how as waking:
                yield waking
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise explained(error, self.description) from None

    async def do(self, work: Callable[[sa.Connection], T], *, begin: str = WRITING) -> T:
        """Do something in one transaction, for tables beside those of the calls.

        Args:
            work: What. It may be given up on a server that takes too long; a file is waited for.
            begin: How the transaction begins, for a file.

        Raises:
            DatabaseError: Nothing was written, as far as we know.
        """
        return await self._do(work, begin=begin)

    async def look(self, work: Callable[[sa.Connection], T]) -> T:
        """Read something for people who look at calls: nothing that is written waits for it.

        Args:
            work: What; it is called in another thread.

        Raises:
            DatabaseError: The database did not answer.
        """
        await self._opened()
        self._looking = self._looking or Looking(self._url, self._busy_secs)
        async with self._translated(QUERY_SECS):
            return await self._looking.do(work)

    async def empty_log(self) -> None:
        """Have a file's write-ahead log, which has what was deleted, moved into the file and cut off.

        Not while another process reads or writes: it stays until the next time then.

        A server does that in its own time. Source: SQLite, "PRAGMA wal_checkpoint".

        Raises:
            DatabaseError: The database did not answer.
        """
        if self._url.get_backend_name() != "sqlite":
            return

        def cut(connection: sa.Connection) -> None:
            connection.exec_driver_sql("PRAGMA busy_timeout = 100")
            try:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(self._busy_secs * 1000)}")

        await self._do(cut, begin=EACH_STATEMENT)

    async def load(self, call_id: str, carrier: str | None = None) -> SavedCall | None:
        """Read a call.

        Args:
            call_id: Our id, or the carrier's.
            carrier: Name of the carrier, when `call_id` is an id of the carrier's.

        Raises:
            DatabaseError: The database did not answer.
        """
        if carrier is None:
            wanted = sa.or_(CALLS.c.id == call_id, CALLS.c.carrier_call_id == call_id)
        else:
            wanted = sa.and_(CALLS.c.carrier == carrier, CALLS.c.carrier_call_id == call_id)

        def read(connection: sa.Connection) -> SavedCall | None:
            row = connection.execute(sa.select(CALLS).where(wanted).limit(1)).mappings().first()
            if row is None:
                return None
            found = events_after(connection, row["id"], 0)
            return SavedCall(dict(row), [event for _, event in found], last_seq=found[-1][0] if found else 0)

        return await self._do(read)

    async def revision(self, call_id: str) -> int | None:
        """The revision of a call by our id; None when there is no such call.

        Raises:
            DatabaseError: The database did not answer.
        """
        query = sa.select(CALLS.c.revision).where(CALLS.c.id == call_id)
        return await self._do(lambda connection: connection.scalar(query))

    async def latest(self, limit: int) -> list[SavedCall]:
        """The last calls, newest first, without their events.

        Raises:
            DatabaseError: The database did not answer.
        """
        return await self._rows(sa.select(CALLS).order_by(CALLS.c.created_at.desc()).limit(limit))

    async def unended(
        self,
        silent_since: datetime,
        unattended_since: datetime | None = None,
        living: Sequence[str] = (),
        promised_since: datetime | None = None,
    ) -> list[str]:
        """Our ids of the calls that have not ended and have had no event since a moment.

        Args:
            silent_since: The moment.
            unattended_since: Another one, for calls on which no living process talks; the same when not given.
            living: The ids of the processes that live.
            promised_since: The moment for calls of which it is noted who ends them; the first one when not given.

        Raises:
            DatabaseError: The database did not answer.
        """
        silent = CALLS.c.heard_at < silent_since
        if unattended_since is not None:
            is_attended = sa.exists().where(
                SESSIONS.c.call_id == CALLS.c.id, SESSIONS.c.process_id.in_(living)
            )
            silent = sa.or_(silent, sa.and_(CALLS.c.heard_at < unattended_since, ~is_attended))
        if promised_since is not None:
            silent = sa.or_(
                silent, sa.and_(CALLS.c.ending_by.is_not(None), CALLS.c.heard_at < promised_since)
            )
        query = sa.select(CALLS.c.id).where(CALLS.c.state.not_in(ENDED_STATES), silent)
        return await self._do(lambda connection: list(connection.scalars(query)))

    async def save_if(
        self, record: Unsaved, check: Callable[[Sequence[SavedCall]], None], since: datetime
    ) -> Saved:
        """Write a call that we are about to place, if those that were placed before allow it.

        No other process counts meanwhile.

        Args:
            record: The call.
            check: Gets the calls that were placed, without their events; what it raises is raised, and nothing is
                written.
            since: From when on.

        Raises:
            DatabaseError: Nothing was written, as far as we know.
        """
        query = sa.select(CALLS).where(CALLS.c.direction == "outbound", CALLS.c.created_at >= since)

        def write(connection: sa.Connection) -> Saved:
            if connection.dialect.name == "postgresql":  # a file is locked by its transaction
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(DIAL_LOCK)))
            check([SavedCall(dict(row)) for row in connection.execute(query).mappings()])
            saved, _ = save(connection, [record], self.wants, self.me)
            return saved[record.row["id"]]

        return await self._do(write, begin=WRITING)

    async def use_once(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        """Use up something that works once, over all processes that share this database.

        Unlike everything else here this may be asked from any loop, while `is_open_file`.

        Args:
            use_id: What to use up, for example the id of a token.
            note: Returned to the next one who tries to use it.
            now: The present time: what was to be remembered until before it is forgotten.
            until: How long this is to be remembered.

        Returns:
            The note of the use before; None when this is the first one.

        Raises:
            DatabaseError: The database did not answer.
        """
        if not self.is_open_file:
            await self._opened()
        used_once = self._used_once
        if used_once is None:
            raise DatabaseUnavailable("the database was closed meanwhile")
        async with self._translated(QUERY_SECS):
            return await used_once.use(use_id, note, now, until)

    @property
    def is_open_file(self) -> bool:
        """Whether things can be used up from any loop: that takes a file which is open, and where it was."""
        return isinstance(self._used_once, UsedOnceInFile) and not self._is_another_file()

    async def _rows(self, query: sa.Select[Any]) -> list[SavedCall]:
        return await self._do(
            lambda connection: [SavedCall(dict(row)) for row in connection.execute(query).mappings()]
        )

    async def _do(self, work: Callable[[sa.Connection], T], *, begin: str = READING) -> T:
        """Do something in one transaction.

        Args:
            work: What. It may be given up on a server that takes too long; a file is waited for.
            begin: How the transaction begins, for a file.
        """
        engine = await self._opened()
        async with self._translated(QUERY_SECS):
            if isinstance(engine, AsyncEngine):
                async with engine.begin() as connection:
                    return await connection.run_sync(work)
            with engine.execution_options(begin=begin).begin() as connection:
                return work(connection)

    async def _opened(self) -> AsyncEngine | sa.Engine:
        if self._engine is None or self._is_another_file():
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._engine is not None and self._is_another_file():
                    # SQLite would go on writing into a file without a name, which cannot be found again.
                    logger.error(
                        "The database {} was deleted or replaced while it was in use: it is opened anew. What was in "
                        "it is gone, unless you put it back",
                        self.description,
                    )
                    await self._close()
                if self._engine is None:
                    async with self._translated(MIGRATION_SECS):
                        try:
                            engine = await opened(self._url, busy_secs=self._busy_secs)
                        # A driver raises it that gets a parameter which it does not know.
                        except TypeError as error:
                            raise explained(error, self.description) from None
                    self._used_once = (
                        UsedOnceInFile(engine) if isinstance(engine, sa.Engine) else UsedOnce(engine)
                    )
                    self._engine = engine
                    self._file = file_of(self._url)
        return self._engine

    async def _close(self) -> None:
        engine, used_once, self._engine, self._used_once = self._engine, self._used_once, None, None
        looking, self._looking = self._looking, None
        if looking is not None:
            await looking.aclose()
        if used_once is not None:
            used_once.close()
        if isinstance(engine, AsyncEngine):
            await engine.dispose()
        elif engine is not None:
            engine.dispose()

    def _is_another_file(self) -> bool:
        """Whether another file, or none, is where the one was that is open."""
        return file_of(self._url) != self._file

    @asynccontextmanager
    async def _translated(self, timeout_secs: float) -> AsyncIterator[None]:
        """Give it so much time, and raise nothing but our errors."""
        try:
            async with asyncio.timeout(timeout_secs):
                yield
        except TimeoutError:
            raise DatabaseUnavailable(
                f"the database {self.description} did not answer within {timeout_secs:g} s: is it overloaded?"
            ) from None
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise explained(error, self.description) from None
        except Exception as error:
            # Drivers have errors of their own, and SQLAlchemy translates none of those of connecting
            if type(error).__module__.partition(".")[0] != self._url.get_driver_name():
                raise
            raise explained(error, self.description) from None


def _nothing() -> None:
    """Nobody waits for news."""
