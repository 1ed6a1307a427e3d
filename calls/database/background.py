"""An event loop in a thread of its own.

What talks to a database must not share a loop with calls: an application may run several loops one after another, and a
slow query must not make a caller's voice stutter.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopStopped(Exception):
    """The loop ended before what it was asked for was done."""


class BackgroundLoop:
    """An event loop that starts when it is first needed, and again when it is needed after it was stopped.

    Parameters:
        name: The thread's name.
        on_start: Called in the thread before anything else runs in a new loop.
    """

    def __init__(self, name: str, on_start: Callable[[], None] | None = None):
        """Start nothing yet."""
        self._name = name
        self._on_start = on_start
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether there is a loop now."""
        return self._loop is not None

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Have something done in the loop; from any thread."""
        with self._lock:
            loop = self._started()
            return asyncio.run_coroutine_threadsafe(work(), loop)

    async def ask(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Have something done in the loop and wait for its result, in whatever loop this is called.

        Raises:
            LoopStopped: The loop was stopped meanwhile.
        """
        future = self.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise LoopStopped("the loop was stopped before it was done") from None

    def call_soon(self, function: Callable[[], None]) -> None:
        """Have a function called in the loop, soon; from any thread."""
        with self._lock:
            self._started().call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the loop and its thread. What still runs in it is cancelled."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = asyncio.new_event_loop()
            # A daemon: a database that hangs must not keep the program from ending.
            thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the program is ending
                loop.close()
                raise
            self._loop, self._thread = loop, thread
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        if self._on_start is not None:
            loop.call_soon(self._on_start)
        try:
            loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()
