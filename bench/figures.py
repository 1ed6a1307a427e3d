"""A measured value beside its target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

NAME_WIDTH = 62


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Parameters:
        name: What was measured.
        value: The value, or the median of several; None when nothing was measured.
        unit: `ms` or `MB`.
        target: What it should be at most; None for a figure without one.
        worst: The largest of several values.
        count: How many there were; 0 for a value that is measured once.
    """

    name: str
    value: float | None
    unit: str
    target: float | None = None
    worst: float | None = None
    count: int = 0

    def line(self) -> str:
        """The figure as a line of a table."""
        value = "      -" if self.value is None else f"{self.value:7.{0 if self.value >= 10 else 2}f}"
        spread = "" if self.worst is None else f", median of {self.count}, worst {self.worst:.0f}"
        target = "" if self.target is None else f"target: at most {self.target:.0f}"
        notes = f"{spread:<26}{f'({target})' if target else ''}"
        return f"{self.name:<{NAME_WIDTH}}{value} {self.unit}{notes}".rstrip()


def figure_of(name: str, values: Sequence[float], target: float) -> Figure:
    """Median and worst of several times in ms."""
    return Figure(name, median(values), "ms", target, max(values, default=None), len(values))


def median(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(values) if values else None
