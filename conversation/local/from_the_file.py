"""What the local brain answers from `[hours]` and from the purpose of a call, beside the owner's facts.

Questions about now, today, tomorrow, a date or a holiday by its name are answered from the hours: a fact does not know
the day. Questions about the usual hours are left to the facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from num2words import num2words

from conversation.agents.agent import Agent
from conversation.agents.hours import WEEKDAYS, Hours
from conversation.agents.opening import day_sentence, opening_at, sentence
from conversation.agents.purpose import who_calls
from conversation.language.screening import asks_who
from conversation.language.utterance import plain

_OF_HOURS = re.compile(
    r"\b(?:open|opens|opening|opened|close|closes|closing|closed|hours|(?:are|is|will) (?:you|you guys|anybody|anyone|"
    r"somebody|someone|it) (?:there|in)|(?:come|drop|stop) (?:by|in|over)|work|working)\b"
)
_NO_HOURS = re.compile(
    r"\b(?:open (?:an?|my|the|up)|close to|close by|nearby|closest|openings?|appointments?)\b"
)
_NOW = re.compile(
    r"\b(?:now|still open|already open|currently (?:open|closed)|(?:open|closed) (?:currently|at the moment)|"
    r"(?:open|close|closed) yet)\b|^(?:(?:hi|hello|so|and|um|uh|ok|okay|hey|sorry) )*(?:are|is) "
    r"(?:you|you guys|it|the \w+) (?:open|closed)(?: please)?$"
)
_TODAY = re.compile(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b")
_MONTHS = "january february march april may june july august september october november december".split()
_ORDINALS = {plain(num2words(day, to="ordinal").replace("-", " ")): day for day in range(1, 32)}
_LITTLE = frozenset("day days holiday holidays the of on a public bank our".split())
"""Words of a holiday's name that do not name it."""

_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<month>{'|'.join(_MONTHS)}) (?:the )?(?P<day>\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})\b|"
    rf"\b(?P<day_first>\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL}) (?:of )?(?P<month_behind>{'|'.join(_MONTHS)})\b"
)


def answer_from_file(text: str, agent: Agent, variables: Mapping[str, Any]) -> str:
    """What the file lets the brain say to a question, besides its facts; empty when it is no such question.

    Args:
        text: What was asked.
        agent: Whose file.
        variables: Of the call; `now` is the moment.
    """
    if variables.get("direction") == "outbound" and asks_who(text, agent.language):
        return who_calls(agent, variables)
    now = variables.get("now")
    if agent.hours is None or not isinstance(now, datetime):
        return ""
    return _of_hours(plain(text), agent.hours, now if now.tzinfo is not None else now.astimezone())


def _of_hours(words: str, hours: Hours, now: datetime) -> str:
    if not _OF_HOURS.search(words) or _NO_HOURS.search(words):
        return ""
    today = now.date()
    if day := _holiday(words, hours, today) or _date(words, today):
        return day_sentence(hours, day, today)
    if "day after tomorrow" in words:
        return day_sentence(hours, today + timedelta(days=2), today)
    if re.search(r"\btomorrow\b", words):
        return day_sentence(hours, today + timedelta(days=1), today)
    if _NOW.search(words):
        return sentence(opening_at(hours, now))
    if _TODAY.search(words):
        return day_sentence(hours, today, today)
    named = [number for number, name in enumerate(WEEKDAYS) if re.search(rf"\b{name}s?\b", words)]
    if len(named) == 1:
        day = today + timedelta(days=(named[0] - today.weekday()) % 7)
        # What is so in a usual week the facts say.
        return day_sentence(hours, day, today) if hours.holiday(day) is not None else ""
    return ""


def _holiday(words: str, hours: Hours, today: date) -> date | None:
    said, found, of_words = set(words.split()), None, 0
    for day, holiday in hours.next_holidays(today):
        named = set(plain(holiday.name).split()) - _LITTLE
        if named <= said and len(named) > of_words:
            found, of_words = day, len(named)
    return found


def _date(words: str, today: date) -> date | None:
    found = _DATE.search(words)
    if found is None:
        return None
    month = _MONTHS.index(found["month"] or found["month_behind"]) + 1
    written = found["day"] or found["day_first"]
    number = _ORDINALS.get(written) or int(re.sub(r"\D", "", written) or 0)
    for year in (today.year, today.year + 1):
        try:
            day = date(year, month, number)
        except ValueError:
            continue
        if day >= today:
            return day
    return None
