"""How often somebody may ask: each key its requests a minute, and strangers their wrong guesses.

Both count in this process alone: several processes on a port together let as many times more pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

WRONG_PER_MINUTE = 5
"""How many wrong keys an address may give at the login within a minute."""

MINUTE = 60.0

MAX_KNOWN = 10_000
"""Of how many addresses wrong guesses are remembered; those that came first are forgotten first."""


@dataclass
class _Bucket:
    """What is left of a rate: a minute's worth at most, filled up all the time."""

    left: float
    at: float


class Rates:
    """Counts requests by the names of keys.

    Parameters:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, per_minute: int) -> float:
        """Count a request.

        Args:
            name: Of the key.
            per_minute: How many it is good for; 0 for any number.

        Returns:
            0 when it is within the rate, else after how many seconds one will be; then it was not counted.
        """
        if not per_minute:
            return 0.0
        now = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(per_minute, now))
        bucket.left = min(per_minute, bucket.left + (now - bucket.at) * per_minute / MINUTE)
        bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) * MINUTE / per_minute
        bucket.left -= 1
        return 0.0


class Guesses:
    """Counts wrong keys by where they came from.

    Parameters:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._wrong: dict[str, list[float]] = {}

    def wait_secs(self, peer: str) -> float:
        """How long an address has to wait before its next guess; 0 when it need not."""
        now = self._clock()
        recent = [at for at in self._wrong.get(peer, ()) if now - at < MINUTE]
        if not recent:
            self._wrong.pop(peer, None)
            return 0.0
        self._wrong[peer] = recent
        return recent[-WRONG_PER_MINUTE] + MINUTE - now if len(recent) >= WRONG_PER_MINUTE else 0.0

    def was_wrong(self, peer: str) -> None:
        """Count a wrong key."""
        if peer not in self._wrong and len(self._wrong) >= MAX_KNOWN:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(peer, []).append(self._clock())
