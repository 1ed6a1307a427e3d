"""Fills in what is made of calls that have ended, where an older version of the program has ended them.

It goes on in the background, a few calls at a time, in one of the processes that share the database.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import sqlalchemy as sa
from loguru import logger

from calls.database.errors import DatabaseError
from calls.store import CallStore

if TYPE_CHECKING:
    from desk.service import Service

JOB = "figures"
"""The name of the job, which one process does."""

BATCH = 20
"""How many calls are dealt with in a transaction: a tenth of a second, in which nothing else is written."""

PAUSE_SECS = 0.2
"""Between one transaction and the next: what running calls write comes first."""

START_SECS = 20.0
"""How long after the start it begins: those who call a server that has just come up come first."""

LOOK_SECS = 300.0
"""How often it is looked whether there is something to do: while a deployment goes on, older processes end calls."""


async def derive_old_calls(service: Service) -> None:
    """Fill in what is missing, until cancelled."""
    if service.store.ask_database is None:
        return
    await asyncio.sleep(START_SECS)
    while True:
        try:
            if await service.store.holds(JOB) and (done := await derive_all(service.store)):
                logger.info("Figures were made of {} calls of before", done)
        except DatabaseError as error:
            logger.warning("No figures are made of calls of before for now: {}", error)
        await asyncio.sleep(LOOK_SECS)


async def derive_all(store: CallStore, *, pause_secs: float = PAUSE_SECS) -> int:
    """Fill in what is missing of all calls; returns of how many.

    Raises:
        DatabaseError: The database did not answer; what was done so far stays.
    """
    from calls.database.derived import derive, underived

    ask, done = store.ask_database, 0
    if ask is None:
        return 0

    def some(connection: sa.Connection) -> int:
        ids = underived(connection, BATCH)
        derive(connection, ids)
        return len(ids)

    while count := await ask(lambda database: database.do(some)):
        done += count
        await asyncio.sleep(pause_secs)
    return done
