"""Processes that share a database: stores that believe to be alone in theirs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from calls.database.call_database import CallDatabase
from calls.store import CallStore


async def nothing(command):
    raise AssertionError(f"{command.what} was not expected")


@asynccontextmanager
async def process(address, obey=nothing):
    """A store that shares its calls; `store.stop()` ends it as a kill would: without a word to the others."""
    store = CallStore(CallDatabase(address))
    await store.start()
    running = asyncio.create_task(store.shared.run(obey))
    try:
        await until(lambda: store.shared._seen)
        yield store
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.aclose()


@asynccontextmanager
async def two(address, obey_a=nothing, obey_b=nothing):
    async with process(address, obey_a) as a, process(address, obey_b) as b:
        await until(lambda: not a.shared.alone and not b.shared.alone)
        yield a, b


async def until(condition, secs=5):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.01)
