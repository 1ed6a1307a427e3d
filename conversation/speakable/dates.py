"""Dates and names of days as they are said."""

from __future__ import annotations

import re
from datetime import date

from num2words import num2words

_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_DAY = r"(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_DASH = r"\s*[-–—]\s*"
_ISO_DATE = re.compile(r"(?<![\w./-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\w/-]|\.\d)")
_MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\b")
_SLASH_DATE = re.compile(r"(?<![\w./-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|(?<=/)\d\d)(?![\w/-]|\.\d)")
_DAY_OF_MONTH = re.compile(
    r"(\b(?:on|by|from|until|since|before|after|[A-Z][a-z]+day,?) )(\d{1,2})/(\d{1,2})(?![\w/]|\.\d)", re.I
)
_NAMED_MONTH = (
    r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|January|February|March|April|May|June|July|August|September|October"
    r"|November|December)"
)
_DAY_MONTH = re.compile(
    rf"(?<![\w.:/$€£-])(?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_NAMED_MONTH}\b(?:\.?,? (\d{{4}})\b|\.(?= [a-z]))?"
    r"(?! (?:St|Street|Road|Rd|Ave|Avenue|Lane|Drive|Court|Way)\b)"
)
_MONTH_DAY = re.compile(
    rf"\b{_NAMED_MONTH}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:{_DASH}(\d{{1,2}})(?:st|nd|rd|th)?)?"
    r"(?:,?\s+(\d{4}))?\b(?!:)"
)
_MONTH_SPAN = re.compile(rf"(?<=[\dtdh]){_DASH}(?={_NAMED_MONTH}\.? \d)")
_DAY_SPAN = re.compile(rf"\b({_DAY})\.?{_DASH}({_DAY})\b\.?")
_DAY_ALONE = re.compile(rf"\b({_DAY})\b\.?(?=\s*[:,&]|\s+(?:and|to|from|through|\d))")


def dates(text: str, region: str) -> str:
    """Write the dates of a sentence as they are said.

    Args:
        text: The sentence.
        region: The country by two letters; it decides which of the numbers of 3/4/2026 is the month.
    """
    text = _MOMENT.sub(r"\1 at \2", text)

    def iso(found: re.Match[str]) -> str:
        return _date(int(found[1]), int(found[3]), int(found[4])) or found[0]

    def slashed(found: re.Match[str]) -> str:
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        year += 2000 * (year < 100)
        month_first = region in ("US", "CA", "PH") and found[2] != "."
        month, day = (first, second) if month_first else (second, first)
        return _date(year, month, day) or _date(year, day, month) or found[0]

    def named(found: re.Match[str]) -> str:
        month = next(name for name in _MONTHS if name.startswith(found[1][:3]))
        if not 1 <= int(found[2]) <= 31:
            return found[0]
        last = f" to {num2words(int(found[3]), to='ordinal')}" if found[3] else ""
        year = f", {num2words(int(found[4]), to='year')}" if found[4] else ""
        return f"{month} {num2words(int(found[2]), to='ordinal')}{last}{year}"

    def numbered(found: re.Match[str]) -> str:
        first, second = int(found[2]), int(found[3])
        month, day = (first, second) if region in ("US", "CA", "PH") else (second, first)
        said = _date(2000, month, day)
        return found[1] + said.removesuffix(", two thousand") if said else found[0]

    def day_first(found: re.Match[str]) -> str:
        month = next(name for name in _MONTHS if name.startswith(found[2][:3]))
        if not 1 <= int(found[1]) <= 31:
            return found[0]
        year = f", {num2words(int(found[3]), to='year')}" if found[3] else ""
        return f"the {num2words(int(found[1]), to='ordinal')} of {month}{year}"

    text = _MONTH_SPAN.sub(" to ", text)
    text = _DAY_MONTH.sub(day_first, _DAY_OF_MONTH.sub(numbered, text))
    return _MONTH_DAY.sub(named, _SLASH_DATE.sub(slashed, _ISO_DATE.sub(iso, text)))


def _date(year: int, month: int, day: int) -> str | None:
    try:
        moment = date(year, month, day)
    except ValueError:
        return None
    return f"{_MONTHS[moment.month - 1]} {num2words(moment.day, to='ordinal')}, {num2words(moment.year, to='year')}"


def names_of_days(text: str) -> str:
    """Write "Mon-Fri" as the names of days."""

    def name(short: str) -> str:
        return next(day for day in _DAYS if day.startswith(short[:3]))

    text = _DAY_SPAN.sub(lambda found: f"{name(found[1])} to {name(found[2])}", text)
    return _DAY_ALONE.sub(lambda found: name(found[1]), text)
