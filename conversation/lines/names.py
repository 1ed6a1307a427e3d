"""Names of languages, lists and days as each language says them, by the Unicode consortium's data (CLDR, in Babel)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list

from conversation.lines.fixed import DEFAULT, primary


@cache
def locale_of(tag: str) -> Locale:
    """What is known of a language; of its language alone where its region is not known, else of English."""
    for name in (tag.strip().replace("-", "_"), primary(tag), DEFAULT):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    raise LookupError(f"there is no locale {DEFAULT}")


def name_of(language: str, tag: str) -> str:
    """The name of one language in another.

    Args:
        language: The one that is named; its region is left out.
        tag: The one that it is named in.
    """
    return str(locale_of(tag).languages.get(primary(language), language))


def listed(parts: Sequence[str], tag: str) -> str:
    """Several things as one says them: "English and Spanish"."""
    if not parts:
        return ""
    said = str(format_list(list(parts), style="standard", locale=locale_of(tag)))
    # "español e inglés", which CLDR leaves to whoever uses its patterns
    return re.sub(r" y (?=h?i(?![aeou]))", " e ", said) if primary(tag) == "es" else said


def day(moment: date, tag: str) -> str:
    """A day as it is said: "Friday, November 21", "viernes, 21 de noviembre"."""
    if primary(tag) == DEFAULT:
        return str(format_date(moment, "EEEE, MMMM d", locale=locale_of(DEFAULT)))
    return str(format_date(moment, _day_pattern(tag), locale=locale_of(tag)))


@cache
def _day_pattern(tag: str) -> str:
    """The day of the week, the month and the day, in the language's order, with whole words.

    Source: CLDR, `availableFormats` with the skeleton `MMMMEd` or `MMMEd`, and its date field symbols.
    """
    skeletons = locale_of(tag).datetime_skeletons
    pattern = str(skeletons["MMMMEd" if "MMMMEd" in skeletons else "MMMEd"])
    return re.sub(r"[ML]+", "MMMM", re.sub(r"[Ec]+", "EEEE", pattern))
