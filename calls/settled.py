"""Tells of calls that have ended in this process, once nothing more is going to happen on them.

A carrier often reports a call's end before its media stream is gone, and the session then still records what it was at:
the last turn, or a message. What counts calls, or makes something of all their events, therefore waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from calls.call import Call
from calls.events.event import CallEvent
from calls.events.lifecycle import Ended
from calls.events.talk import Attached, Detached
from calls.feed import Feed

AFTER_SECS = 1.0
"""How long after the end, and the end of the session, further events are waited for, in seconds."""

LONGEST_SECS = 15.0
"""How long a session may outlive its call, in seconds."""


class Settled:
    """Follows a feed, and tells once of each call whose end this process has recorded.

    Parameters:
        feed: Of the process's calls.
        tell: Gets the call, in the thread of the calls.
        after_secs: See `AFTER_SECS`.
        longest_secs: See `LONGEST_SECS`.
    """

    def __init__(
        self,
        feed: Feed,
        tell: Callable[[Call], None],
        after_secs: float = AFTER_SECS,
        longest_secs: float = LONGEST_SECS,
    ):
        self._tell = tell
        self._after_secs = after_secs
        self._longest_secs = longest_secs
        self._waiting: dict[str, tuple[Call, asyncio.TimerHandle]] = {}
        self._stop = feed.listen(self._happened)

    def close(self) -> None:
        """Tell of the calls that have ended and were still waited for, and of no further ones."""
        self._stop()
        for call, timer in list(self._waiting.values()):
            timer.cancel()
            self._over(call)

    def _happened(self, call: Call, event: CallEvent) -> None:
        if isinstance(event, Ended) and event.stored is None:
            has_session = isinstance(call.last(Attached, Detached), Attached)
            self._wait(call, self._longest_secs if has_session else self._after_secs)
        elif isinstance(event, Detached) and call.id in self._waiting:
            self._wait(call, self._after_secs)

    def _wait(self, call: Call, secs: float) -> None:
        if call.id in self._waiting:
            self._waiting.pop(call.id)[1].cancel()
        timer = asyncio.get_running_loop().call_later(secs, self._over, call)
        self._waiting[call.id] = call, timer

    def _over(self, call: Call) -> None:
        if self._waiting.pop(call.id, None) is not None:
            self._tell(call)
