"""Whether the business is open at a moment, until when, and the words for it.

Hours are of the wall clock, and moments are compared in UTC: on the two days of a year on which clocks are changed, an
hour more or less lies between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise

from num2words import num2words

from conversation.agents.hours import DAY, Hours

AHEAD_DAYS = 370
"""How far ahead a business that is closed is looked for its next opening."""

ROUND_THE_CLOCK_DAYS = 8
"""A business that does not close within these days never does."""

NIGHT_UNTIL = 6
"""Up to this hour a time belongs to the night before it: "until two in the morning" needs no day."""

_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


@dataclass(frozen=True)
class Opening:
    """How it stands at a moment.

    Parameters:
        is_open: Whether the business is open.
        at: The moment, in the business' zone.
        changes: When it closes, or opens next, in the same zone; None when that is in no near future.
        holiday: The name of the day's holiday; empty when it is none.
    """

    is_open: bool
    at: datetime
    changes: datetime | None
    holiday: str = ""


def opening_at(hours: Hours, moment: datetime) -> Opening:
    """How it stands at a moment.

    Args:
        hours: When the business is open.
        moment: With the business' zone.
    """
    zone = moment.tzinfo
    assert zone is not None
    now = moment.astimezone(UTC)
    holiday = hours.holiday(moment.date())
    name = holiday.name if holiday is not None else ""
    closes: datetime | None = None
    for begins, ends in _spans(hours, zone, moment.date() - timedelta(days=1), AHEAD_DAYS):
        if closes is not None:
            if begins > closes:
                break  # it closes in between
            closes = ends
            if closes - now > timedelta(days=ROUND_THE_CLOCK_DAYS):
                return Opening(True, moment, None, name)
        elif begins <= now < ends:
            closes = ends
        elif begins > now:
            return Opening(False, moment, begins.astimezone(zone), name)
    return Opening(closes is not None, moment, closes.astimezone(zone) if closes is not None else None, name)


def _spans(hours: Hours, zone: tzinfo, first: date, days: int) -> Iterator[tuple[datetime, datetime]]:
    for after in range(days):
        day = first + timedelta(days=after)
        for begins, ends in hours.spans(day):
            span = _moment(day, begins, zone), _moment(day, ends, zone)
            if span[0] < span[1]:
                yield span


def _moment(day: date, minutes: int, zone: tzinfo) -> datetime:
    on, of_day = divmod(minutes, DAY)
    wall = datetime.combine(day + timedelta(days=on), time(*divmod(of_day, 60)), tzinfo=zone)
    return wall.astimezone(UTC)


def in_words(opening: Opening) -> str:
    """The state in a few words, such as "open now, until six in the evening", or "closed, opens tomorrow at noon"."""
    changes = opening.changes
    if opening.is_open:
        return f"open now, until {_until(opening.at, changes)}" if changes else "open now, around the clock"
    closed = f"closed for {opening.holiday}" if opening.holiday else "closed"
    return f"{closed}, opens {_when(opening.at, changes)}" if changes is not None else closed


def sentence(opening: Opening) -> str:
    """The same as a sentence to a caller."""
    changes = opening.changes
    if opening.is_open:
        until = f"until {_until(opening.at, changes)}" if changes is not None else "around the clock"
        return f"We are open now, {until}."
    closed = f"We are closed now, for {opening.holiday}." if opening.holiday else "We are closed now."
    return f"{closed} We open {_when(opening.at, changes)}." if changes is not None else closed


def day_sentence(hours: Hours, day: date, today: date) -> str:
    """What a caller is told of a day: when it is open, or that it is closed, and for which holiday."""
    holiday, spans = hours.holiday(day), hours.spans(day)
    named = {0: "today", 1: "tomorrow"}.get((day - today).days, "")
    if holiday is not None and not named:
        when = f"on {holiday.name}"
    else:
        when = named or f"on {day_words(day, today)}"
    if not spans:
        closed = f"{when[0].upper()}{when[1:]} we are closed"
        return f"{closed}, for {holiday.name}." if holiday is not None and named else f"{closed}."
    if spans == [(0, DAY)]:
        return f"{when[0].upper()}{when[1:]} we are open around the clock."
    listed = [f"from {time_words(begins)} until {time_words(ends)}" for begins, ends in spans]
    joined = " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else listed[0]
    return f"{when[0].upper()}{when[1:]} we are open {joined}."


def week_in_words(hours: Hours) -> str:
    """The hours of a week in a line, for a model: days with the same hours together."""
    days = [", ".join(f"{_clock(b)}-{_clock(e)}" for b, e in spans) or "closed" for spans in hours.week]
    firsts = [number for number in range(7) if number == 0 or days[number] != days[number - 1]]
    parts = []
    for first, after in pairwise([*firsts, 7]):
        named = _DAYS[first] if after - first == 1 else f"{_DAYS[first]} to {_DAYS[after - 1]}"
        parts.append(f"{named} {days[first]}")
    return "; ".join(parts)


def holidays_in_words(hours: Hours, today: date, *, most: int = 6) -> str:
    """The next holidays in a line, for a model; empty when none is known."""
    parts = []
    for day, holiday in hours.next_holidays(today):
        open_then = ", ".join(f"{_clock(b)}-{_clock(e)}" for b, e in holiday.spans) or "closed"
        parts.append(f"{holiday.name} (from {day:%A}, {day.isoformat()}) {open_then}")
        if len(parts) == most:
            break
    return "; ".join(parts)


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}" if minutes != DAY else "24:00"


def time_words(minutes: int) -> str:
    """A time of the day as it is said: "eight in the morning", "half" hours as "eight thirty", "noon", "midnight".

    Args:
        minutes: Since midnight.
    """
    hour, minute = divmod(minutes % DAY, 60)
    if minute == 0 and hour in (0, 12):
        return "noon" if hour else "midnight"
    words = num2words((hour - 1) % 12 + 1)
    if minute:
        words += f" oh {num2words(minute)}" if minute < 10 else f" {num2words(minute)}"
    if hour < 12:
        return f"{words} in the morning"
    return f"{words} {'in the afternoon' if hour < 18 else 'in the evening' if hour < 22 else 'at night'}"


def day_words(day: date, today: date) -> str:
    """A day as it is said after "on": its name within a week, else the date as well."""
    name = _DAYS[day.weekday()]
    if 0 <= (day - today).days < 7:
        return name
    return f"{name}, {_MONTHS[day.month - 1]} {num2words(day.day, to='ordinal')}"


def _of_day(moment: datetime) -> str:
    return time_words(moment.hour * 60 + moment.minute)


def _until(now: datetime, closes: datetime | None) -> str:
    assert closes is not None
    days = (closes.date() - now.date()).days
    if days == 0 or (days == 1 and closes.hour < NIGHT_UNTIL):
        return _of_day(closes)
    day = "tomorrow" if days == 1 else day_words(closes.date(), now.date())
    return f"{day} at {_of_day(closes)}"


def _when(now: datetime, opens: datetime | None) -> str:
    assert opens is not None
    days = (opens.date() - now.date()).days
    day = {0: "today", 1: "tomorrow"}.get(days) or f"on {day_words(opens.date(), now.date())}"
    return f"{day} at {_of_day(opens)}"
