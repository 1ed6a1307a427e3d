"""The table `[hours]` of an agent's file: when the business is open, and its holidays.

Hours are of the wall clock in the agent's `timezone`. What follows from them at a moment is in
`conversation.agents.opening`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from conversation.agents.tables import Name, Plain, Table

DAY = 24 * 60
"""Minutes of a day."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

CLOSED = "closed"
"""What may stand in the place of a day's hours."""

Span = tuple[int, int]
"""When it opens and when it closes, in minutes since a day's midnight; the second is over 1440 on the next day."""

_RANGE = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)")
_DATE = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)")
_A_LEAP_YEAR = 2024


def _listed(given: Any) -> Any:
    """One range may stand without brackets, and `closed` for none."""
    if isinstance(given, str):
        return [] if given.strip().lower() == CLOSED else [given]
    return given


def _in_order(ranges: list[str]) -> list[str]:
    spans = sorted(map(_span, ranges))
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            raise ValueError(f"{_written(before)} and {_written(after)} overlap; make one range of them")
    return ranges


def _span(written: str) -> Span:
    found = _RANGE.fullmatch(written.strip())
    if found is None:
        raise ValueError(f'{written!r} is no range of hours: write it like "08:00-18:00", or "closed"')
    hour, minute, last_hour, last_minute = map(int, found.groups())
    begins, ends = hour * 60 + minute, last_hour * 60 + last_minute
    if minute > 59 or last_minute > 59 or begins >= DAY or ends > DAY:
        raise ValueError(f'{written!r} has a time that no clock shows: use "00:00" to "24:00"')
    if begins == ends:
        raise ValueError(f'{written!r} begins and ends at the same time: for all day write "00:00-24:00"')
    return begins, ends if ends > begins else ends + DAY


def _written(span: Span) -> str:
    return "-".join(f"{minutes // 60 % 24:02}:{minutes % 60:02}" for minutes in span)


def _dates(written: str) -> str:
    """Check a holiday's date, or first and last date."""
    parts = [part.strip() for part in written.split(" to ")]
    if len(parts) > 2 or not all(map(_DATE.fullmatch, parts)):
        raise ValueError(
            f'{written!r} is no date: write "2026-12-25", "12-25" for every year, or "12-24 to 01-01"'
        )
    years = [_day(part).group(1) for part in parts]
    for part in parts:
        year, month, day = _day(part).groups()
        try:
            date(int(year or _A_LEAP_YEAR), int(month), int(day))
        except ValueError:
            raise ValueError(f"{part!r} is on no calendar; correct the date") from None
    if len(parts) == 2 and (years[0] is None) != (years[1] is None):
        raise ValueError(f"{written!r} has a year on one side only: give both dates a year, or none")
    if len(parts) == 2 and years[0] is not None and parts[1] < parts[0]:
        raise ValueError(f"{written!r} ends before it begins; exchange the dates")
    return " to ".join(parts)


def _day(written: str) -> re.Match[str]:
    found = _DATE.fullmatch(written)
    assert found is not None
    return found


def _named(given: Any) -> Any:
    """A holiday may be its name alone: then it is a day on which nobody is there."""
    if not isinstance(given, dict):
        return given
    return {day: {"name": one} if isinstance(one, str) else one for day, one in given.items()}


Ranges = Annotated[
    list[Annotated[str, Plain()]],
    BeforeValidator(_listed),
    AfterValidator(_in_order),
    Field(default_factory=list),
]
Dates = Annotated[str, AfterValidator(_dates)]


class Holiday(Table):
    """A day, or some days, with hours of their own. A text in its place is its name.

    Attributes:
        name: How it is called to callers, "Christmas Day".
        open: When the business is open on it all the same; closed when not given.
    """

    name: Name
    open: Ranges

    @property
    def spans(self) -> list[Span]:
        """When it is open."""
        return sorted(map(_span, self.open))


class Hours(Table):
    """When the business is open, in the agent's `timezone`: the model and the local brain are told.

    Each day has ranges such as "08:00-18:00"; one that ends before it begins goes on past midnight. A day that is not
    there is closed.

    Attributes:
        monday: Ranges, or one alone, or `closed`.
        tuesday: The same.
        wednesday: The same.
        thursday: The same.
        friday: The same.
        saturday: The same.
        sunday: The same.
        holidays: Days with other hours, by their dates: `2026-12-25`, `12-25` for every year, `"12-24 to 01-01"`.
    """

    monday: Ranges
    tuesday: Ranges
    wednesday: Ranges
    thursday: Ranges
    friday: Ranges
    saturday: Ranges
    sunday: Ranges
    holidays: Annotated[dict[Dates, Holiday], BeforeValidator(_named)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _days_do_not_meet(self) -> Hours:
        for number, name in enumerate(WEEKDAYS):
            today, tomorrow = self.week[number], self.week[(number + 1) % 7]
            if today and tomorrow and today[-1][1] - DAY > tomorrow[0][0]:
                following = WEEKDAYS[(number + 1) % 7]
                raise ValueError(
                    f"{name} {_written(today[-1])} overlaps with {following} {_written(tomorrow[0])}; end it earlier"
                )
        if not any(self.week) and not any(one.spans for one in self.holidays.values()):
            raise ValueError('no day has hours: add monday = "09:00-17:00" and others, or remove [hours]')
        return self

    @property
    def week(self) -> list[list[Span]]:
        """When it is open on each day of a week without holidays, from Monday on."""
        return [sorted(map(_span, getattr(self, name))) for name in WEEKDAYS]

    def holiday(self, day: date) -> Holiday | None:
        """The holiday that a day is: one with the year in its date before one of every year, a day before a span."""
        found = [(key, one) for key, one in self.holidays.items() if _covers(key, day)]
        return min(found, key=lambda one: (" to " in one[0], len(one[0]) < 8))[1] if found else None

    def spans(self, day: date) -> list[Span]:
        """When the business opens on a day, and when it closes after that."""
        holiday = self.holiday(day)
        return holiday.spans if holiday is not None else self.week[day.weekday()]

    def next_holidays(self, day: date, *, days: int = 366) -> Iterator[tuple[date, Holiday]]:
        """The holidays from a day on, each by its first day that is still to come."""
        seen: list[Holiday] = []
        for after in range(days):
            one = day + timedelta(days=after)
            holiday = self.holiday(one)
            if holiday is not None and not any(holiday is other for other in seen):
                seen.append(holiday)
                yield one, holiday


@lru_cache(maxsize=4096)
def _covers(key: str, day: date) -> bool:
    parts = [_day(part).groups() for part in key.split(" to ")]
    first, last = parts[0], parts[-1]
    if first[0] is not None:
        begins, ends = (date(int(year), int(month), int(number)) for year, month, number in (first, last))
        return begins <= day <= ends
    begins_on, ends_on = (int(first[1]), int(first[2])), (int(last[1]), int(last[2]))
    today = (day.month, day.day)
    if begins_on <= ends_on:
        return begins_on <= today <= ends_on
    return today >= begins_on or today <= ends_on  # over New Year
