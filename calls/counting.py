"""Counts calls by hour or by day: how many, what they achieved, how long callers waited, and what for.

What is counted comes from the tables (`calls.database.counting`) or from calls in memory (`count`). Times of a response
are counted in steps of 10 ms, so that half a year of them takes no room; medians and the like are as exact as that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from calls.derived import Derived
from calls.figures import STAGES
from calls.searching import Record

STEP_MS = 10

MOST_BUCKETS = 400
"""Two weeks of hours, a year of days."""

HOUR, DAY = "hour", "day"


class TooMany(ValueError):
    """More hours or days than are counted at once."""


@dataclass(frozen=True)
class Range:
    """The hours or days that are counted.

    Parameters:
        edges: When each begins, in order, and when the last one ends; in UTC.
    """

    edges: Sequence[datetime]

    @classmethod
    def of(cls, since: datetime, until: datetime, bucket: str, zone: tzinfo) -> Range:
        """The hours, or the days of a time zone, from one moment to another.

        Args:
            since: In the first of them.
            until: The last one ends here or later; behind `since`.
            bucket: `HOUR` or `DAY`.
            zone: Where the days are.

        Raises:
            TooMany: These are too many to be counted at once.
        """
        # Hours are counted in UTC: in local time one is missing in spring, and one is there twice in autumn.
        place = UTC if bucket == HOUR else zone
        step = timedelta(hours=1) if bucket == HOUR else timedelta(days=1)
        local = since.astimezone(place).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        local = local if bucket == HOUR else local.replace(hour=0)
        edges = [local.replace(tzinfo=place).astimezone(UTC)]
        while edges[-1] < until:
            if len(edges) > MOST_BUCKETS:
                raise TooMany(
                    f"these are more than {MOST_BUCKETS} {bucket}s: ask for fewer"
                    + (", or for days" if bucket == HOUR else "")
                )
            local += step
            edges.append(local.replace(tzinfo=place).astimezone(UTC))
        return cls(edges)

    @property
    def since(self) -> datetime:
        """When the first one begins."""
        return self.edges[0]

    @property
    def until(self) -> datetime:
        """When the last one ends."""
        return self.edges[-1]

    def number(self, moment: datetime) -> int | None:
        """In which one a moment is, from 0."""
        number = bisect_right(self.edges, moment) - 1
        return number if 0 <= number < len(self.edges) - 1 else None


@dataclass
class Tally:
    """What was counted of an hour, of a day, or of all.

    Parameters:
        calls: How many calls have begun.
        outcomes: How many of those that have ended achieved what.
        talk_ms: How long they were together.
        responses: How many responses took how long, in steps.
        first_words: How many calls had the bot's first sound how long after the answer, in steps.
        stages: How long responses were waited for, by stage, all together, in milliseconds.
    """

    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    talk_ms: int = 0
    responses: Counter[int] = field(default_factory=Counter)
    first_words: Counter[int] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count what another one has as well."""
        self.calls += other.calls
        self.talk_ms += other.talk_ms
        self.outcomes += other.outcomes
        self.responses += other.responses
        self.first_words += other.first_words
        self.stages += other.stages


@dataclass
class Counts:
    """What was counted.

    Parameters:
        range: Of which hours or days.
        tallies: Of each of them.
        open_messages: How many messages nobody has dealt with yet, whenever they were left.
    """

    range: Range
    tallies: Sequence[Tally]
    open_messages: int = 0

    @classmethod
    def nothing(cls, of: Range) -> Counts:
        """Nothing yet."""
        return cls(of, [Tally() for _ in of.edges[1:]])

    @property
    def total(self) -> Tally:
        """All of it."""
        total = Tally()
        for tally in self.tallies:
            total.add(tally)
        return total

    def stages_ms(self) -> dict[str, int]:
        """What a response was waited for, on average, in milliseconds; empty when there was none."""
        total = self.total
        number = sum(total.responses.values())
        return {name: round(total.stages[name] / number) for name in STAGES} if number else {}


def step(ms: int) -> int:
    """The step of a time."""
    return ms // STEP_MS * STEP_MS


def share(times: Mapping[int, int], percent: int) -> int | None:
    """The time that so many of a hundred do not exceed, to a step; None when there are none."""
    wanted, seen = -(-sum(times.values()) * percent // 100), 0
    for ms in sorted(times):
        seen += times[ms]
        if seen >= wanted:
            return ms
    return None


def count(calls: Iterable[tuple[Record, Derived]], of: Range, agent: str | None) -> Counts:
    """Count calls that are in memory."""
    counts = Counts.nothing(of)
    for record, made in calls:
        counts.open_messages += sum(one["handled_at"] is None for one in made.messages)
        if agent is not None and record["agent"] != agent:
            continue
        if (number := of.number(record["created_at"])) is not None:
            tally = counts.tallies[number]
            tally.calls += 1
            tally.talk_ms += record["talk_ms"] or 0
            if record["outcome"] is not None:
                tally.outcomes[record["outcome"]] += 1
            if record["first_words_ms"] is not None:
                tally.first_words[step(record["first_words_ms"])] += 1
        for turn in made.turns:
            number = of.number(turn["at"])
            if number is not None and turn["waits"] == "caller" and record["outcome"] is not None:
                _count_turn(counts.tallies[number], turn)
    return counts


def _count_turn(tally: Tally, turn: Mapping[str, Any]) -> None:
    tally.responses[step(turn["ms"])] += 1
    for stage in STAGES:
        tally.stages[stage] += turn[stage]
