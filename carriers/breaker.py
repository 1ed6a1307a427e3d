"""A circuit breaker: a carrier whose REST interface does not answer is left alone for a while.

Without one, each request of each call would wait out its time-out, and a carrier that comes back would be met by all of
them at once. It has three states (Nygard, "Release It!", stability patterns):

* *closed*: requests are sent. `FAILURES` failures in a row within `WINDOW_SECS` open it.
* *open*: requests fail at once, certainly without an effect, for a pause that grows with each failed try.
* *half open*: after the pause one request at a time is sent as a try. Any answer closes the breaker.

A failure is no answer, no sensible one, or a 5xx. A refusal (4xx, also 429) is an answer. What is asked for at last, a
hang-up above all, is never given up because of a breaker: who wants it comes again, and is a later try.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from loguru import logger

from carriers.errors import CarrierError, CarrierUnavailable

FAILURES = 5
"""How many requests in a row must have failed. A call makes two of them within one hang-up or transfer."""

WINDOW_SECS = 30.0
"""Within which time: rare requests that fail now and then say nothing about the next one."""

PAUSES_SECS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""How long nothing is sent before each try, the last one again and again. The first is shorter than what a caller on
the line may be kept waiting (`calls.control.ACT_BUDGET_SECS`)."""

TRY_SECS = 0.5
"""When to ask again while another request is the try."""


class Breaker:
    """The breaker of one account at a carrier, in this process.

    Parameters:
        carrier: The carrier's name, for messages.
        failures: See `FAILURES`.
        window_secs: See `WINDOW_SECS`.
        pauses_secs: See `PAUSES_SECS`. Each is shortened by up to a quarter by chance, so that not all processes try
            at the same moment.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        carrier: str,
        *,
        failures: int = FAILURES,
        window_secs: float = WINDOW_SECS,
        pauses_secs: tuple[float, ...] = PAUSES_SECS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._carrier = carrier
        self._window_secs = window_secs
        self._pauses_secs = pauses_secs
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=failures)
        self._silent_since = 0.0
        self._tries = 0
        self._next_try: float | None = None
        self._trying = False

    @property
    def carrier(self) -> str:
        """The carrier's name."""
        return self._carrier

    @property
    def is_open(self) -> bool:
        """Whether requests fail at once, but for tries."""
        return self._next_try is not None

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request: refuses it while the breaker is open, and takes note of what comes of it.

        Raises:
            CarrierUnavailable: The breaker is open; nothing was sent.
        """
        is_try = self._admit()
        try:
            yield
        except CarrierError as error:
            if isinstance(error, CarrierUnavailable) and not error.answers:
                self._failed(is_try)
            else:
                self._answered()
            raise
        else:
            self._answered()
        finally:
            # Also of a try that was cancelled, which says nothing about the carrier.
            if is_try:
                self._trying = False

    def _admit(self) -> bool:
        """Whether a request is a try."""
        if self._next_try is None:
            return False
        wait = self._next_try - self._clock()
        if wait > 0 or self._trying:
            wait = max(wait, TRY_SECS) if self._trying else wait
            raise CarrierUnavailable(
                f"{self._carrier}'s REST interface has not answered for {self._clock() - self._silent_since:.0f} s, so "
                f"nothing was sent; next try in {wait:.1f} s",
                nothing_done=True,
                retry_after_secs=wait,
            )
        self._trying = True
        return True

    def _answered(self) -> None:
        if self._next_try is not None:
            silent = self._clock() - self._silent_since
            logger.info("{}'s REST interface answers again, after {:.0f} s", self._carrier, silent)
        self._failed_at.clear()
        self._next_try, self._tries = None, 0

    def _failed(self, is_try: bool) -> None:
        now = self._clock()
        if self._next_try is None:
            if not self._failed_at:
                self._silent_since = now
            self._failed_at.append(now)
            if len(self._failed_at) < (self._failed_at.maxlen or 0):
                return
            if now - self._failed_at[0] > self._window_secs:
                return
            logger.error(
                "{}'s REST interface has failed {} times in a row: requests to it fail at once, but for one try now "
                "and then. Calls go on; hang-ups are done when it answers",
                self._carrier,
                len(self._failed_at),
            )
        elif not is_try:
            return  # it was sent before the breaker opened, and says nothing new
        pause = self._pauses_secs[min(self._tries, len(self._pauses_secs) - 1)]
        self._tries += 1
        self._next_try = now + pause * random.uniform(0.75, 1.0)


_BREAKERS: dict[Hashable, Breaker] = {}


def breaker_of(carrier: str, account: Hashable) -> Breaker:
    """The breaker of an account at a carrier, one in this process however many connections there are.

    Args:
        carrier: The carrier's name.
        account: What tells accounts apart: the address of the REST interface, and the account's id or key.
    """
    return _BREAKERS.setdefault((carrier, account), Breaker(carrier))
