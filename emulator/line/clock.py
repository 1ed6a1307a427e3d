"""The network's time: one clock steps every phone line, 20 ms at a time.

All lines move in step, so who talks to whom never matters for the timing: a late machine is late for all of them,
and no hole is torn into what one leg hears of another.

Time is real while the network waits for a server: a media stream is open, a phone rings, a request is under way.
While every live leg only talks to people, nothing outside of the network can tell how fast time passes, and
`hold_speed` lets it pass faster. What was gained is added to the clock, and everything here is timed by it: scripts,
`<Pause>`, time limits, timelines, the durations that servers get. A server's own clock knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from emulator.line.codecs import FRAME_MS

FRAME_SECS = FRAME_MS / 1000
FARTHEST_BEHIND_SECS = 0.05
"""How much time a hurried clock makes up for; the rest of it has simply passed more slowly."""


class Stepped(Protocol):
    """A line, as its clock sees it."""

    @property
    def only_people(self) -> bool:
        """Whether people of the network are at both ends, and no bot."""

    def late(self, lag_ms: int) -> None:
        """The next frame comes so much too late."""

    def speak_frame(self) -> None:
        """Take the next 20 ms out of the mouth."""

    def hear_frame(self) -> None:
        """Bring 20 ms to the ear; every mouth has spoken."""

    def broken(self, error: Exception) -> None:
        """A step has failed; the line takes no more of them."""


class Clock:
    """Real time, and on request a faster one while only people talk.

    Args:
        hold_speed: How many seconds pass in one while every leg only talks to people; 1 for real time.
    """

    def __init__(self, hold_speed: float = 1.0) -> None:
        """Stand still until the first line is attached."""
        self._hold_speed = hold_speed
        self._lines: list[Stepped] = []
        self._gained = 0.0
        self._waiting_outside = 0
        self._task: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic() + self._gained

    def wall(self) -> datetime:
        """The date, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._gained)

    async def sleep(self, secs: float) -> None:
        """Let time pass."""
        until = self.now() + secs
        left = secs
        while left > 0:
            # At the greatest speed it might be over so soon; then it is looked at again.
            await asyncio.sleep(left if self._hold_speed <= 1 else max(left / self._hold_speed, 0.001))
            left = until - self.now()

    @contextlib.contextmanager
    def real_time(self) -> Iterator[None]:
        """Let time pass as it does outside, while something outside of the network is waited for."""
        self._waiting_outside += 1
        try:
            yield
        finally:
            self._waiting_outside -= 1

    def attach(self, line: Stepped) -> None:
        """Step this line from now on."""
        self._lines.append(line)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def detach(self, line: Stepped) -> None:
        """Step it no more."""
        if line in self._lines:
            self._lines.remove(line)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = before = loop.time()
        hurried = False
        while True:
            lag = loop.time() - due
            if lag < 0:
                await asyncio.sleep(-lag)
            else:
                # Catching up: let the sockets be read in between, or a busy machine would look like a silent
                # bot.
                for _ in range(3):
                    await asyncio.sleep(0)
            if not self._lines:
                self._task = None
                return
            now = loop.time()
            if not hurried:
                self._tell_lag(round((now - due) * 1000))
            self._step()
            hurried = self._may_hurry()
            if hurried:
                self._gained += max(0.0, FRAME_SECS - (now - before))
                due = max(due + FRAME_SECS / self._hold_speed, now - FARTHEST_BEHIND_SECS)
            else:
                due += FRAME_SECS
            before = now

    def _may_hurry(self) -> bool:
        return (
            self._hold_speed > 1
            and not self._waiting_outside
            and bool(self._lines)
            and all(line.only_people for line in self._lines)
        )

    def _tell_lag(self, lag_ms: int) -> None:
        for line in tuple(self._lines):
            line.late(lag_ms)

    def _step(self) -> None:
        lines = tuple(self._lines)
        for line in lines:
            self._safely(line, line.speak_frame)
        for line in lines:
            if line in self._lines:
                self._safely(line, line.hear_frame)

    def _safely(self, line: Stepped, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # one line's failure must not stop the others
            self.detach(line)
            line.broken(error)
