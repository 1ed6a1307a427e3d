"""The sums of the comparison: spreads, ratios, and at how many calls something begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What several measurements of one thing have come to.

    Parameters:
        p50: The median.
        p95: What nineteen of twenty do not exceed.
        worst: The largest.
        count: How many there were.
    """

    p50: float
    p95: float
    worst: float
    count: int

    def __str__(self) -> str:
        """As in a table: median, 95th percentile and worst."""
        return f"{self.p50:.0f} / {self.p95:.0f} / {self.worst:.0f}"


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of some values; None of nothing."""
    if not values:
        return None
    return Spread(percentile(values, 50), percentile(values, 95), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed, between its two neighbours in proportion.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ratio(ours: float | None, stock: float | None) -> float | None:
    """Ours over stock; None where one of them was not measured, or stock's is nothing."""
    if ours is None or not stock:
        return None
    return round(ours / stock, 3)


def calls_without(trouble: Mapping[int, int]) -> int | None:
    """The most calls up to which there was no trouble at all; 0 when the fewest had some, None of nothing.

    Args:
        trouble: How much of it there was, by number of calls.
    """
    fine = 0
    for calls in sorted(trouble):
        if trouble[calls]:
            return fine
        fine = calls
    return fine if trouble else None


def begins_at(trouble: Mapping[int, int]) -> int | None:
    """The fewest calls at which there was some; None where there never was."""
    return next((calls for calls in sorted(trouble) if trouble[calls]), None)


def doubled_at(values: Mapping[int, float]) -> int | None:
    """The fewest calls at which a value is twice what it is with the fewest of all; None where it never is."""
    counts = sorted(values)
    return next((calls for calls in counts if values[calls] >= 2 * values[counts[0]]), None)
