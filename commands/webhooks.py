"""`phonebot webhooks`: what the owner's systems were not told of, and telling them again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from loguru import logger

from calls.database.errors import DatabaseError
from calls.outbox.parcels import Outbox, Parcel
from calls.store import default_store
from commands.calls import NothingKept
from settings import Settings, SettingsError, load_settings

UNKNOWN = 1
CANNOT = 2


def list_undelivered() -> int:
    """Print what was given up.

    Returns:
        The exit status.
    """
    try:
        found = asyncio.run(_undelivered(_settings()))
    except (SettingsError, DatabaseError, NothingKept) as error:
        return _cannot(error)
    print("\n".join(table(found)))
    return 0


def send_again(parcel_id: str | None) -> int:
    """Have what was given up tried for another day; a running server does it.

    Args:
        parcel_id: Which; None for all.

    Returns:
        The exit status.
    """
    try:
        count = asyncio.run(_again(_settings(), parcel_id))
    except (SettingsError, DatabaseError, NothingKept) as error:
        return _cannot(error)
    if parcel_id is not None and not count:
        print(
            f"nothing undelivered is called {parcel_id}: `phonebot webhooks undelivered` lists what is",
            file=sys.stderr,
        )
        return UNKNOWN
    print(
        f"{count} to be sent again: the running server does it within seconds, or the next one that is started"
    )
    return 0


def table(parcels: list[Parcel]) -> list[str]:
    """A line for each, under a line that names the columns. No number and no word of a call is in it."""
    if not parcels:
        return ["nothing is undelivered"]
    rows = [
        {
            "id": parcel.id,
            "what": parcel.kind.value,
            "by": parcel.channel.value,
            "call": parcel.call_id,
            "happened": f"{parcel.event_at.astimezone():%Y-%m-%d %H:%M:%S}",
            "tried": str(parcel.attempts),
            "trouble": parcel.trouble or "",
        }
        for parcel in parcels
    ]
    cells = [list(rows[0]), *([*row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]


def _settings() -> Settings:
    logger.remove()
    return load_settings()


def _cannot(error: Exception) -> int:
    print(error, file=sys.stderr)
    return CANNOT


async def _undelivered(settings: Settings) -> list[Parcel]:
    async with _outbox(settings) as outbox:
        return await outbox.undelivered()


async def _again(settings: Settings, parcel_id: str | None) -> int:
    async with _outbox(settings) as outbox:
        return await outbox.again(datetime.now(UTC), parcel_id)


@asynccontextmanager
async def _outbox(settings: Settings) -> AsyncIterator[Outbox]:
    if settings.calls_database is None:
        raise NothingKept(
            "DATABASE_URL is memory: what is undelivered is known to the running server alone, and lost with it; name "
            "a database to keep it"
        )
    store = default_store(settings.calls_database)
    try:
        await store.start()
        outbox = store.outbox
        assert outbox is not None
        yield outbox
    finally:
        await store.aclose()
