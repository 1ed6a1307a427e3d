"""Frees the memory that ended calls leave behind, at moments that disturb no caller.

A session's parts know each other in circles, so that Python frees them only when it looks for such circles. On its own
it does so by the number of all objects in the process, most of which are modules and models that stay for good: each
look takes a quarter of a second, during which no caller hears anything, and until then the leftovers of some forty
calls take memory.

So what was loaded is left out of all looks, once the service is ready. Then a look takes some milliseconds, and there
is one soon after each call.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from conversation.native_memory import give_memory_back

SOON_SECS = 0.1
"""From the end of a session to the look: calls often end together."""

LATE_SECS = (2.0, 6.0, 15.0)
"""From a look with no session left to further ones: a call's requests and connections outlive its session."""

REST = 20
"""After a look, none for this many times as long as it took."""


class Leftovers:
    """Looks for what is left of sessions.

    Parameters:
        any_live: Whether a session goes on.
    """

    def __init__(self, any_live: Callable[[], bool]):
        self._any_live = any_live
        self._loaded = False
        self._left_out = False
        self._next: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def loaded(self) -> None:
        """Note that everything is in memory that calls need, which is left out from now on.

        What belongs to a session must not be left out, or it would stay for good: while one goes on, this waits.
        """
        self._loaded = True
        if not self._any_live():
            self._look()

    def session_ended(self) -> None:
        """Look for what a session has left, soon."""
        loop = asyncio.get_running_loop()
        at = max(loop.time() + SOON_SECS, self._not_before)
        if self._next is not None and self._next.when() <= at:
            return
        if self._next is not None:
            self._next.cancel()
        self._next = loop.call_at(at, self._look)

    def close(self) -> None:
        """Look no more, and leave nothing out any more."""
        if self._next is not None:
            self._next.cancel()
        if self._left_out:
            gc.unfreeze()

    def _look(self, late: int = 0) -> None:
        self._next = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        gc.collect()
        give_memory_back()
        self._not_before = loop.time() + REST * (loop.time() - began)
        if self._loaded and not self._left_out and not self._any_live():
            gc.freeze()
            self._left_out = True
            self._not_before = 0.0  # from now on it takes less
        elif late < len(LATE_SECS) and not self._any_live():
            self._next = loop.call_later(LATE_SECS[late], self._look, late + 1)
