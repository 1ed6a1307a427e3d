"""Signals: the first SIGTERM or SIGINT lets calls end before the server stops, the second one stops it at once.

What a process needs at its end, which is mostly Python's taking apart of all that was loaded, would make "at once" a
second or more; and a request that goes on, such as an event stream, is waited for by uvicorn. So a process of ours ends
without that after the second signal (`end_at_once`).

SIGUSR1 has the server take no new calls without stopping, SIGUSR2 takes that back. uvicorn would stop at the first
SIGTERM and, after its time-out, cut all media sockets (`uvicorn/server.py`, `handle_exit` and `shutdown`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn
from loguru import logger

from calls.errors import NotPossible
from desk.draining import Drain

REQUESTS_SECS = 0.3
"""How long requests may still take after the second signal."""

AT_ONCE_SECS = 1.5
"""How long after the second signal the process is there, whatever it is at. What the database has not taken by then is
on the disk (`calls.database.spooling`)."""


class StoppingServer(uvicorn.Server):
    """A server that stops when its calls have ended.

    Parameters:
        config: How it serves.
        drain: Empties the service of calls; None for an application without any.
        at_once: Whether the second signal has come.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain | None):
        super().__init__(config)
        self.at_once = False
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[Any] | None = None) -> None:
        """Serve until stopped."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take in SIGTERM or SIGINT. Not kept for uvicorn to raise again at its end: the process exits with 0."""
        if self._loop is None or self._drain is None or not self.started:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._stop, sig)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals while serving, where that is possible: in the main thread, and SIGUSR1 not on Windows."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR1"):
                yield
                return
            before = {
                signal.SIGUSR1: signal.signal(signal.SIGUSR1, lambda *_: self._soon(self._begin)),
                signal.SIGUSR2: signal.signal(signal.SIGUSR2, lambda *_: self._soon(self._undo)),
            }
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _soon(self, work: Callable[[], None]) -> None:
        if self._loop is not None and self._drain is not None:
            self._loop.call_soon_threadsafe(work)

    def _begin(self) -> None:
        assert self._drain is not None
        self._drain.begin()

    def _undo(self) -> None:
        assert self._drain is not None
        try:
            self._drain.undo()
        except NotPossible as error:
            logger.warning("{}", error)

    def _stop(self, sig: int) -> None:
        assert self._drain is not None
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain.finish(), name="draining")
            self._draining.add_done_callback(lambda _: self._exit())
        elif not self.should_exit:
            logger.warning("A second signal: stopping at once")
            self.at_once = True
            # Declared as whole seconds; uvicorn hands it to `asyncio.wait_for` (`uvicorn/server.py`)
            self.config.timeout_graceful_shutdown = REQUESTS_SECS  # type: ignore[assignment]
            self._exit()
            self.hurry()
        elif sig == signal.SIGINT:
            self.force_exit = True

    def _exit(self) -> None:
        self.should_exit = True

    def hurry(self) -> None:
        """Called at the second signal; a process that is nothing but a server can see to it that it ends soon."""


class ServerProcess(StoppingServer):
    """The same as all that its process does: after the second signal the process ends."""

    def run(self, sockets: list[Any] | None = None) -> None:
        """Serve until stopped."""
        super().run(sockets)
        if self.at_once:
            end_at_once()

    def hurry(self) -> None:
        """End the process in a moment in any case."""
        late = threading.Timer(AT_ONCE_SECS, end_at_once)
        late.daemon = True
        late.start()


def end_at_once() -> None:
    """End the process with status 0, and leave it to the system to take it apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
