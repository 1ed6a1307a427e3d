"""How busy this process is: whether its event loop is late, and how much of the machine's processor time it takes.

Both are looked at over some seconds: a call that begins, or a sentence that is understood on this machine, may take all
of it for a moment, and nobody hears that.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

LOOK_SECS = 0.2
"""Between looks."""

LOOKS = 20
"""How many looks count: those of the last four seconds."""

LATE_SECS = 0.1
"""How late the event loop is, at every other look, when callers hear it: about as much is sent ahead to carriers."""

SHARE = 0.95
"""Of the processor time that there is, how much is too much."""

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux tells a container how much processor time it has. Source: Linux, admin-guide/cgroup-v2, cpu.max."""


def cores() -> float:
    """How many processor cores this process may use, by its affinity and by its container's quota."""
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        return min(count, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return count  # there is no quota: `max`, another system, or no container


class Load:
    """Watches the running event loop.

    Parameters:
        of_cores: How many cores there are for the process.
    """

    def __init__(self, of_cores: float):
        self._cores = of_cores
        self._late: deque[float] = deque(maxlen=LOOKS)
        self._listeners: list[Callable[[float], object]] = []
        self._used: deque[tuple[float, float]] = deque(maxlen=LOOKS + 1)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._used.append((time.monotonic(), time.process_time()))
            due = loop.time() + LOOK_SECS
            await asyncio.sleep(LOOK_SECS)
            self.looked(loop.time() - due)

    def looked(self, late_secs: float) -> None:
        """Note how late a look was, in seconds."""
        self._late.append(late_secs)
        for listener in self._listeners:
            listener(late_secs)

    def tell(self, listener: Callable[[float], object]) -> Callable[[], None]:
        """Have a function told of how late each look was, in seconds.

        Returns:
            A function that stops it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def is_high(self) -> bool:
        """Whether callers would hear it if another call began."""
        if len(self._late) < LOOKS:
            return False
        return median(self._late) > LATE_SECS or self.share > SHARE

    @property
    def share(self) -> float:
        """How much of the processor time of the last seconds this process took, 0 to 1."""
        if len(self._used) < 2:
            return 0.0
        (began, before), (ended, after) = self._used[0], self._used[-1]
        return (after - before) / max(ended - began, LOOK_SECS) / self._cores
