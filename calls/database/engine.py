"""Opens a database for calls: the file and its permissions, SQLite's settings, the migrations."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from calls.database.errors import DatabaseUnusable, explained
from calls.private_files import FILE_MODE, make_private_folder, open_private

VERSION_TABLE = "phonebot_version"
"""Where Alembic notes the revision; not its usual name, as the database may be shared with other programs."""

MIGRATIONS = Path(__file__).parent / "migrations"

FILE = "sqlite+aiosqlite"
"""How the address of a file begins. Python's own driver is what reads and writes it, without that package."""

DRIVERS = {
    "sqlite": FILE,
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
"""The asynchronous drivers for addresses that name none, as hosting platforms hand them out."""

LOCKED_PAUSE_SECS = 0.05

READING, WRITING, EACH_STATEMENT = "BEGIN", "BEGIN IMMEDIATE", ""
"""The execution option `begin` of a file's connections: how a transaction begins, or that each statement is one.

A transaction that reads before it writes must hold the lock from the beginning: it cannot wait for it later."""

MIGRATION_LOCK = 5138008
"""Of PostgreSQL's advisory locks, the one that this program's migrations take. Any number, always the same."""

DIAL_LOCK = MIGRATION_LOCK + 1
"""The one of a process that counts the calls that were placed, to place another one."""


def readable(url: str) -> URL:
    """The address of a database, with the driver that is used: Python's own for a file, else an asynchronous one.

    Raises:
        DatabaseUnusable: The text is no address, or names no file, or its driver is not installed.
    """
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise DatabaseUnusable(
            "DATABASE_URL is not an address of a database: write it like sqlite+aiosqlite:///data/calls.db"
        ) from None
    if "+" not in read.drivername:
        read = read.set(drivername=DRIVERS.get(read.drivername, read.drivername))
    read = _as_asyncpg_says(read)
    if read.get_backend_name() == "sqlite" and read.database in (None, "", ":memory:"):
        raise DatabaseUnusable(
            "DATABASE_URL names no file: write sqlite+aiosqlite:///data/calls.db, or memory to keep nothing"
        )
    if read.drivername == FILE:
        return read.set(drivername="sqlite")
    try:
        dialect = read.get_dialect()
        if not dialect.is_async:
            use = DRIVERS.get(read.get_backend_name(), FILE)
            raise DatabaseUnusable(
                f"DATABASE_URL names the driver {read.drivername}, with which calls would wait for the database: write "
                f"{use}://..."
            )
        dialect.import_dbapi()
    except (ImportError, ArgumentError) as error:
        raise explained(error, read.render_as_string(hide_password=True)) from None
    return read


def _as_asyncpg_says(url: URL) -> URL:
    """An address whose parameters are libpq's, as hosting platforms hand it out, in the words of asyncpg.

    Source: asyncpg's documentation of `connect`: `ssl` takes the values of libpq's `sslmode`. It negotiates channel
    binding by itself, and cannot be told to.
    """
    if url.drivername != "postgresql+asyncpg" or not url.query.keys() & {"sslmode", "channel_binding"}:
        return url
    query = dict(url.query)
    query.pop("channel_binding", None)
    if mode := query.pop("sslmode", None):
        query.setdefault("ssl", mode)
    return url.set(query=query)


def file_of(url: URL) -> tuple[int, int] | None:
    """Which file a database is in now: its device and number. None for no file, and for databases that have none."""
    if url.get_backend_name() != "sqlite":
        return None
    try:
        found = os.stat(url.database or "")
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def opened(url: URL, *, busy_secs: float) -> AsyncEngine | sa.Engine:
    """Connect to a database, and bring its tables up to date.

    Args:
        url: Its address, from `readable`.
        busy_secs: How long SQLite waits for another process that is writing.

    Returns:
        For a file an engine that blocks, to be used in a thread that may wait.

    Raises:
        DatabaseUnusable: It is newer than this program.
        SQLAlchemyError: Something else is wrong with it.
        OSError: The file cannot be made.
    """
    if url.get_backend_name() != "sqlite":
        return await _opened_server(url)
    _make_private_file(Path(url.database or ""))
    deadline = asyncio.get_running_loop().time() + busy_secs
    while True:
        try:
            return _opened_file(url, busy_secs)
        except OperationalError as error:
            # SQLite does not wait for others while it turns a file into one with a write-ahead log.
            if "locked" not in str(error.orig) or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(LOCKED_PAUSE_SECS)


OPTIONS: dict[str, Any] = {
    "hide_parameters": True,  # errors must not show what callers said
    "json_serializer": json.dumps,
    "pool_size": 2,
    "max_overflow": 0,
}


async def _opened_server(url: URL) -> AsyncEngine:
    # A connection to a server may have died since it was used last.
    engine = create_async_engine(url, pool_pre_ping=True, **OPTIONS)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate, url.render_as_string(hide_password=True))
    except BaseException:
        await engine.dispose()
        raise
    return engine


def _opened_file(url: URL, busy_secs: float) -> sa.Engine:
    engine = sa.create_engine(url, **OPTIONS)
    _set_up_connections(engine, busy_secs)
    try:
        with engine.execution_options(begin=WRITING).begin() as connection:
            _migrate(connection, url.render_as_string(hide_password=True))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_private_file(path: Path) -> None:
    """Make the file before SQLite does, readable by its owner alone: it holds numbers and what was said.

    SQLite gives the files beside it (-wal, -shm) the same permissions.
    """
    make_private_folder(path.parent)
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        # By name: closing a file that this process has open elsewhere would give up SQLite's locks on it.
        with suppress(PermissionError):  # it is another user's, who lets us use it
            if file.exists():
                file.chmod(FILE_MODE)
            elif file == path:
                os.close(open_private(file))


def _set_up_connections(engine: sa.Engine, busy_secs: float) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        # SQLite's Python driver would begin transactions late, and never for a CREATE TABLE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_secs * 1000)}")
        # Readers and one writer at the same time. What was committed survives the death of the process; a power
        # failure may cost the last moments.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # What is deleted or replaced is overwritten with zeros, not only left for later use.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        if statement := connection.get_execution_options().get("begin", READING):
            connection.exec_driver_sql(statement)


def _migrate(connection: sa.Connection, description: str) -> None:
    if connection.dialect.name == "postgresql":
        # Held until the end of the transaction: others who start at the same time find the tables made. A file is
        # locked by its transaction already.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    found: set[str] = set()
    if sa.inspect(connection).has_table(VERSION_TABLE):
        versions = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text))
        found = set(connection.scalars(sa.select(versions.c.version_num)))
    revisions = known_revisions()
    if newer := found - revisions:
        raise DatabaseUnusable(
            f"the database {description} is of a newer version ({', '.join(newer)}) than this program: update "
            "the program, or set DATABASE_URL to another"
        )
    if found == {max(revisions)}:
        return  # without Alembic, which takes a tenth of the time that a start may take
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")


def known_revisions() -> set[str]:
    """The revisions that this program has, by the names of their files: `v0001_calls.py` is 0001."""
    return {path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py")}
