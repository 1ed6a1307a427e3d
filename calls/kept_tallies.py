"""What was counted of hours and days that are long over, so that a month is not counted anew for each who looks at it.

Little changes there: a call that has ended late, an outcome that a person has overruled, what is made of calls of an
earlier version. So it is counted again now and then, beside whoever looks, who does not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from calls.counting import Counts, Range, Tally

OVER = timedelta(hours=2)
"""An hour, or a day, that ended so long ago is kept: by then the calls that began in it have mostly ended."""

AGAIN_SECS = 300.0
"""How old what is kept may get before it is counted again."""

MOST_KEPT = 4000
"""Hours and days of all agents; those that were counted first go first."""

Key = tuple[datetime, datetime, str | None]


class KeptTallies:
    """Counts by asking for what is not known.

    Parameters:
        ask: Counts a range for an agent, or for all; None when the database does not answer.
    """

    def __init__(self, ask: Callable[[Range, str | None], Awaitable[Counts | None]]):
        self._ask = ask
        self._kept: dict[Key, tuple[float, Tally]] = {}
        self._again: asyncio.Task[Counts | None] | None = None

    async def count(self, of: Range, agent: str | None, now: datetime) -> Counts | None:
        """Count calls by hour or by day.

        Args:
            of: Which hours or days.
            agent: Only calls of this agent.
            now: The time.

        Returns:
            None when the database does not answer.
        """
        keys = [(begin, end, agent) for begin, end in pairwise(of.edges)]
        known = 0
        while known < len(keys) and keys[known] in self._kept:
            known += 1
        found = await self._counted(Range(of.edges[known:]), agent, now)
        if found is None:
            return None
        old = [self._kept[key] for key in keys[:known]]
        oldest = min((at for at, _ in old), default=None)
        if oldest is not None and time.monotonic() - oldest > AGAIN_SECS and self._again is None:
            self._again = asyncio.create_task(
                self._counted(Range(of.edges[: known + 1]), agent, now), name="counting again"
            )
            self._again.add_done_callback(self._is_again)
        return replace(found, range=of, tallies=[*(tally for _, tally in old), *found.tallies])

    async def _counted(self, of: Range, agent: str | None, now: datetime) -> Counts | None:
        found = await self._ask(of, agent)
        if found is None:
            return None
        for (begin, end), tally in zip(pairwise(of.edges), found.tallies, strict=True):
            if end <= now - OVER:
                self._kept.pop((begin, end, agent), None)
                self._kept[begin, end, agent] = time.monotonic(), tally
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def _is_again(self, task: asyncio.Task[Counts | None]) -> None:
        self._again = None
        if not task.cancelled():
            task.exception()  # as of a database that has been closed meanwhile: the next one tries again
