"""Stores on real SQLite files."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from calls.database.call_database import CallDatabase
from calls.database.engine import MIGRATIONS, VERSION_TABLE
from calls.store import CallStore


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@asynccontextmanager
async def store_on(file: Path, *, busy_secs: float = 5.0, **options: Any) -> AsyncIterator[CallStore]:
    store = CallStore(CallDatabase(url_of(file), busy_secs=busy_secs), **options)
    try:
        yield store
    finally:
        await store.aclose(1)


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file, timeout=10)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def change(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file, timeout=10)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()


def make_older(file: Path, revision: str) -> None:
    """Take a file back to what an older version of the program made."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        command.downgrade(config, revision)
    engine.dispose()
