"""Whether calls can be kept: what a start finds out about the database before anybody is answered."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from calls.database.call_database import CallDatabase
from calls.database.errors import DatabaseError, DatabaseUnavailable
from calls.database.spool import REFUSED, spool_folder
from calls.private_files import make_private_folder
from settings import Settings

OPEN_SECS = 15.0
"""How long a start waits for a database, which may be bringing its tables up to date for another process."""

KNOWN_OPEN_SECS = 3.0
"""The same for one that was used before: its carriers' requests are waiting, and calls can wait for it on disk."""


def spool_of(settings: Settings) -> Path | None:
    """Where calls wait for the database; None where they are kept in memory alone, and where files cannot be locked.

    Raises:
        DatabaseUnusable: DATABASE_URL cannot be understood.
    """
    if settings.calls_database is None or sys.platform == "win32":
        return None
    return spool_folder(settings.data_dir, CallDatabase(settings.calls_database).description)


def refused_files(settings: Settings) -> list[Path]:
    """Files of calls that waited for the database, which then did not take them.

    Raises:
        DatabaseUnusable: DATABASE_URL cannot be understood.
    """
    spool = spool_of(settings)
    return sorted(spool.glob(f"*{REFUSED}")) if spool is not None else []


def open_database(settings: Settings) -> list[str]:
    """Open the database, and bring its tables up to date.

    One that was used before from this machine, and does not answer just now, stops no start: calls go on, and wait on
    disk for it.

    Returns:
        What the operator is to know, a line each.

    Raises:
        DatabaseError: It cannot be used; one line with cause and fix.
    """
    if settings.calls_database is None:
        return []
    spool = spool_of(settings)
    is_known = spool is not None and spool.is_dir()
    secs = KNOWN_OPEN_SECS if is_known else OPEN_SECS
    try:
        asyncio.run(_open(CallDatabase(settings.calls_database, busy_secs=secs), secs))
    except DatabaseUnavailable as error:
        if not is_known:
            raise
        return [f"calls wait in {spool} until the database can be used: {error}"]
    if spool is not None:
        make_private_folder(spool)
    return []


async def _open(database: CallDatabase, secs: float) -> None:
    try:
        async with asyncio.timeout(secs):
            await database.open()
    except TimeoutError:
        raise DatabaseUnavailable(
            f"the database {database.description} did not answer within {secs:g} s: check that it runs"
        ) from None
    finally:
        with suppress(DatabaseError):
            await database.aclose()
