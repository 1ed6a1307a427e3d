"""Signals: the first SIGTERM or SIGINT lets calls end before the server stops, the second one stops it at once.

SIGUSR1 has the server take no new calls without stopping, SIGUSR2 takes that back. uvicorn would stop at the first
SIGTERM and, after its time-out, cut all media sockets (`uvicorn/server.py`, `handle_exit` and `shutdown`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn
from loguru import logger

from calls.errors import NotPossible
from desk.draining import Drain


class StoppingServer(uvicorn.Server):
    """A server that stops when its calls have ended.

    Parameters:
        config: How it serves.
        drain: Empties the service of calls; None for an application without any.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain | None):
        super().__init__(config)
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
            self._exit()
        elif sig == signal.SIGINT:
            self.force_exit = True

    def _exit(self) -> None:
        self.should_exit = True
