"""Frees what sessions leave behind in memory: when Python's garbage collector runs, and on what.

A session's parts refer to each other in circles, which only the garbage collector frees. Python runs it by the number
of all objects in the process, most of which are modules and models that stay for good: each run takes a quarter of a
second, during which every call on the process is silent, and until then the remains of some forty calls pile up.

So once the service is ready, the collector leaves out what was loaded by then. A run then takes some milliseconds, and
there is one soon after each call.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from conversation.native_memory import give_memory_back

SOON_SECS = 0.1
"""The pause between the end of a session and a run of the collector: calls often end together."""

LATE_SECS = (2.0, 6.0, 15.0)
"""Pauses before further runs once no session is live: requests and connections of a call outlive its session."""

REST = 20
"""After a run there is none for this many times as long as it took."""


def leave_out_what_is_loaded() -> None:
    """Leave everything that is in memory now out of all runs, for good: for a process that has no session yet."""
    gc.collect()
    gc.freeze()


class Leftovers:
    """Runs the garbage collector on what sessions leave behind.

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
        """Leave everything that is in memory now out of all runs: what calls need has been loaded.

        What belongs to a session must not be left out, or it would stay for good: while one is live, this waits.
        """
        self._loaded = True
        if not self._any_live():
            self._look()

    def session_ended(self) -> None:
        """Have the collector run soon, for what a session has left."""
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
