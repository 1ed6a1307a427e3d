"""Lists of calls lag: both carriers call them eventually consistent. A request for one call by its id does not.

Sources: Twilio docs, call resource; Telnyx docs, TeXML REST, "fetch multiple call resources". How late a list may be is
documented by neither; each leg has a lag of its own here, from a range, by a seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from emulator.legs.leg import Leg
from emulator.line.clock import Clock

LAG_SECS = (1.0, 5.0)
"""The least and the greatest lag."""

AT_ONCE = (0.0, 0.0)
"""No lag: lists are never old."""


class Listed:
    """What the lists of a network have of its legs.

    Args:
        clock: The network's time.
        lag_secs: The least and the greatest lag.
        seed: Decides the lag of each leg, in the order in which they are made.
    """

    def __init__(self, clock: Clock, lag_secs: tuple[float, float] = LAG_SECS, *, seed: int = 0) -> None:
        """Nothing was listed yet."""
        self._clock = clock
        self._lag_secs = lag_secs
        self._random = random.Random(seed)
        self._lags: dict[str, timedelta] = {}

    def add(self, leg: Leg) -> None:
        """A leg is made."""
        leg.created_at = self._clock.wall()
        self._lags[leg.call_id] = timedelta(seconds=self._random.uniform(*self._lag_secs))

    def legs(self, legs: Iterable[Leg]) -> list[Leg]:
        """Those that a list has by now, each as it was some time ago."""
        now = self._clock.wall()
        seen = (as_it_was(leg, now - self._lags.get(leg.call_id, timedelta())) for leg in legs)
        return [leg for leg in seen if leg is not None]


def as_it_was(leg: Leg, moment: datetime) -> Leg | None:
    """A leg at an earlier moment; None before it was made."""
    if leg.created_at > moment:
        return None
    if leg.ended_at is not None and leg.ended_at <= moment:
        return leg
    answered = leg.answered_at is not None and leg.answered_at <= moment
    before = "ringing" if leg.ended_at is not None or leg.answered_at is not None else leg.status
    return replace(
        leg,
        status="in-progress" if answered else before,
        answered_at=leg.answered_at if answered else None,
        answered_by=leg.answered_by if answered else None,
        ended_at=None,
        ending=None,
    )
