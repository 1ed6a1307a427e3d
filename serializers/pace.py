"""How fast a media stream may come in.

A stream that is further ahead of real time than a carrier's buffers can explain is not a caller speaking, and working
through it would make all other callers wait. Such a stream is read at the pace of its playing: the network keeps the
rest. Nothing is lost, and a stream that was late may catch up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

AHEAD_SECS = 2.0
"""How far ahead of real time the audio of a stream may be."""

LATE_SECS = 30.0
"""How much that a stream is late, after a stall of the network, may be made up for."""

CATCH_UP = 10
"""How many times as fast as real time it may be made up for, not counting the time for messages."""

MESSAGE_SECS = 1 / 400
"""What a message counts for, whatever is in it: a carrier sends some 60 a second."""

KEY_SECS = 1 / 30
"""What a pressed key counts for: each one is a turn of the conversation that begins, and no keypad is faster."""

BURST_SECS = 0.45
"""How much may come at once, before any pace: 2 s of audio in messages of 20 ms, or 180 other messages."""


class Pace:
    """The pace of one stream. Taking a message in is a few additions.

    Parameters:
        held_back: How many messages had to wait.
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.held_back = 0
        self._clock = clock
        self._plays_until = self._busy_until = clock()

    def message(self) -> None:
        """Count a message of any kind."""
        self._busy_until = max(self._busy_until, self._clock()) + MESSAGE_SECS

    def key(self) -> None:
        """Count a pressed key."""
        self._busy_until += KEY_SECS

    def audio(self, secs: float) -> None:
        """Count audio of this length."""
        self._busy_until += secs / CATCH_UP
        self._plays_until = max(self._plays_until, self._clock() - LATE_SECS) + secs

    def delay(self) -> float:
        """How long the next message has to wait, in seconds; mostly 0."""
        now = self._clock()
        delay = max(self._busy_until - BURST_SECS, self._plays_until - AHEAD_SECS) - now
        if delay <= 0:
            return 0.0
        self.held_back += 1
        return delay
