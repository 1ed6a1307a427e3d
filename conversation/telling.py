"""Telling the owner of a call on a host without a server of ours: what can be told while the bot's process lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

from calls.call import Call
from calls.outbox.sender import Sender
from calls.store import CallStore
from conversation.after_call import sum_up
from conversation.agents.owner import OwnersSystems
from settings import Settings

TELL_SECS = 20.0
"""How long a bot may stay for it after its call: a host charges for that time."""


def sender_of(store: CallStore, settings: Settings) -> Sender:
    """What tells the owner of the calls of a store."""
    return Sender(store, OwnersSystems(settings), sum_up=lambda call: sum_up(call, settings))


class Telling:
    """Tells the owner of one call, from its beginning until a little after its end.

    Parameters:
        store: Where the call is.
        settings: Whom to tell.
    """

    def __init__(self, store: CallStore, settings: Settings):
        """Begin; what happened before is not told."""
        self._owner = OwnersSystems(settings)
        self._sender = sender_of(store, settings)
        self._running = asyncio.create_task(self._sender.run(), name="telling the owner of a call")

    async def finish(self, call: Call) -> None:
        """Tell what is left, as far as that can be done in time. With a database, another process does the rest."""
        secs = TELL_SECS + (self._owner.sums_up_secs(call.agent) or 0.0)
        has_told = await self._sender.has_told(call.id, secs)
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        if not has_told:
            logger.error(f"call {call.id}: the owner could not be told of all of it before the bot had to go")
