"""Follows a call as it is written: each event once, in one order, whichever process is asked and however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.events.event import CallEvent
from calls.shared import Shared
from calls.store import CallStore

LOOK_SECS = 2.0
"""How often the database is looked at when nothing wakes us."""


async def follow(store: CallStore, call: Call, after: int = 0) -> AsyncIterator[tuple[int, CallEvent]]:
    """The events of a call, past ones first, then each as it is written, until the call has ended.

    Without a database, and while it cannot be read from the beginning, they come from this process's memory. A database
    that fails later holds them up.

    Args:
        store: Has the call.
        call: The call.
        after: The number of the last event that is known already; 0 for none.

    Yields:
        Each event with its number, which counts from 1 and is the same in all processes.
    """
    shared = store.shared
    if shared is not None and shared.runs:
        try:
            await store.events_after(call.id, after)
        except DatabaseError as error:
            logger.warning("Call {} is followed as this process alone knows it: {}", call.id, error)
        else:
            async for number, event in _written(store, shared, call, after):
                yield number, event
            return
    number = 0
    async for event in call.subscribe():
        number += 1
        if number > after:
            yield number, event


async def _written(
    store: CallStore, shared: Shared, call: Call, after: int
) -> AsyncIterator[tuple[int, CallEvent]]:
    with shared.following(call.id) as woken:
        while True:
            woken.clear()
            found = None
            with suppress(DatabaseError):
                found = await store.events_after(call.id, after)
            if found is not None:
                events, is_over = found
                for number, event in events:
                    after = number
                    yield number, event
                if is_over:
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECS):
                    await woken.wait()
