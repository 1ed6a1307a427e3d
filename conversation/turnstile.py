"""Calls that begin at the same moment begin one after the other: those that are talking come first.

To build a call's pipeline takes the event loop some 15 ms, in pieces. When many calls begin at once, the loop does a
piece of each of them before it looks at the sound of any call, and everybody who is talking hears gaps. So they begin
one by one, each as soon as the loop has caught up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

LOOK_SECS = 0.03
"""How long after one has passed it is looked whether the loop is free for the next."""

LATE_SECS = 0.01
"""When that look comes later than this, the loop has other things to do."""

PATIENCE_SECS = 0.25
"""The next one passes after this time in any case: a loop that is always late is no reason not to answer."""


class Turnstile:
    """Lets one pass at a time, in the order in which they come."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed_at = 0.0
        self._looking = False

    async def enter(self) -> None:
        """Wait for one's turn; who comes alone does not wait."""
        loop = asyncio.get_running_loop()
        if self._looking:
            place = loop.create_future()
            self._waiting.append(place)
            await place
        else:
            self._let_pass(loop)

    def _let_pass(self, loop: asyncio.AbstractEventLoop) -> None:
        self._passed_at = loop.time()
        self._look_later(loop)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        due = loop.time() + LOOK_SECS
        loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._looking = False
        while self._waiting and self._waiting[0].done():  # gone meanwhile
            self._waiting.popleft()
        if not self._waiting:
            return
        now = loop.time()
        if now - due < LATE_SECS or now - self._passed_at > PATIENCE_SECS:
            self._waiting.popleft().set_result(None)
            self._let_pass(loop)
        else:
            self._look_later(loop)


_turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, Turnstile] = WeakKeyDictionary()


async def begin_in_turn() -> None:
    """Wait until a call may begin in the running loop."""
    await _turnstiles.setdefault(asyncio.get_running_loop(), Turnstile()).enter()
