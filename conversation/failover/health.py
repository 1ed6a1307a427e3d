"""Which services have failed lately, in all calls of this process.

A service that has failed is passed over in new calls: for 30 s at first, and longer each time that it fails again. Then
one call tries it, while calls that begin meanwhile still pass it over; if it works there, it is as good as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_REST_SECS = 30.0
LONGEST_REST_SECS = 300.0

TRIAL_SECS = 10.0
"""How long one call tries a service that has rested, before others do."""


@dataclass
class _Record:
    failures: int
    rests_until: float


class Health:
    """Remembers failures by kind and name of a service. It holds no key, no address and no word of a call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with services that have not failed.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._records: dict[tuple[str, str], _Record] = {}

    def failed(self, kind: str, name: str) -> None:
        """A service has failed in a call. Calls that fail with it together count as one failure."""
        now = self._clock()
        record = self._records.get((kind, name))
        if record is None:
            self._records[kind, name] = _Record(1, now + FIRST_REST_SECS)
        elif not self.rests(kind, name) or self._is_on_trial(record):
            record.failures += 1
            rest = min(FIRST_REST_SECS * 2 ** (record.failures - 1), LONGEST_REST_SECS)
            record.rests_until = now + rest

    def works(self, kind: str, name: str) -> None:
        """A service has done its work in a call, after it had rested."""
        record = self._records.get((kind, name))
        if record is not None and (not self.rests(kind, name) or self._is_on_trial(record)):
            del self._records[kind, name]

    def rests(self, kind: str, name: str) -> bool:
        """Whether a service is passed over now."""
        record = self._records.get((kind, name))
        return record is not None and self._clock() < record.rests_until

    def in_order(self, kind: str, names: Sequence[str], last: str | None = None) -> list[str]:
        """The services of a list in the order in which a new call should try them.

        Args:
            kind: Their job.
            names: The list.
            last: What stands behind the list and needs no provider: before services that rest.
        """
        fit = [name for name in names if not self.rests(kind, name)]
        if fit and (record := self._records.get((kind, fit[0]))) is not None:
            record.rests_until = self._clock() + TRIAL_SECS
        return [*fit, *([last] if last else []), *(name for name in names if name not in fit)]

    def _is_on_trial(self, record: _Record) -> bool:
        # Its rest was set to the trial's length, which is shorter than any rest after a failure.
        return record.rests_until - self._clock() <= TRIAL_SECS


HEALTH = Health()
"""That of this process."""
