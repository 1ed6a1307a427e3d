"""How values are written on a page: times, durations, numbers, names of states. Filters of the templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

SLOW_MS = 1500
"""A response that takes longer is shown as slow: people begin to ask whether anybody is there."""

NANP = re.compile(r"\+1(\d{3})(\d{3})(\d{4})")
"""A North American number. Source: ITU-T E.164, NANP country code 1 and ten digits."""

STATES: Mapping[str, tuple[str, str]] = {
    "queued": ("queued", "wait"),
    "ringing": ("ringing", "wait"),
    "in_progress": ("talking", "good"),
    "transferring": ("being put through", "busy"),
    "transferred": ("with a colleague", "busy"),
    "completed": ("completed", "over"),
    "busy": ("busy", "over"),
    "no_answer": ("no answer", "over"),
    "failed": ("failed", "bad"),
    "canceled": ("canceled", "over"),
    "voicemail": ("voicemail", "over"),
}
"""For each state of a call its words, and which mark stands before them."""

STAGES: Mapping[str, str] = {
    "end_of_turn": "end of speech",
    "recogniser": "recognition",
    "model": "model",
    "tool": "tool",
    "voice": "voice",
    "line": "line",
    "other": "other",
}
"""What a response's time is spent on (`calls.figures.STAGES`), in the words of the pages."""

PEOPLE: Mapping[str, str] = {
    "caller": "the other side",
    "bot": "the bot",
    "human": "a person",
    "limit": "a limit",
    "error": "an error",
}
"""Who ends calls (`calls.states.EndedBy`)."""


def clock(ms: float | None) -> str:
    """A moment of a call: `0:17.4` for 17,400 ms."""
    if ms is None:
        return ""
    tenths = max(0, round(ms / 100))
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def duration(secs: float | None) -> str:
    """How long something took: `0:48`, or `1:02:03` from an hour on."""
    if secs is None:
        return ""
    whole = max(0, int(secs))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def ms(value: float | None) -> str:
    """Milliseconds: `2,050 ms`; nothing when they are not known."""
    return "" if value is None else f"{round(value):,} ms"


def count(value: int | None) -> str:
    """A whole number with commas."""
    return "" if value is None else f"{value:,}"


def phone(number: str | None, unknown: str = "unknown") -> str:
    """A telephone number as people write it, as far as its country is known here; others as they are."""
    if not number:
        return unknown
    found = NANP.fullmatch(number)
    return f"+1 {found[1]} {found[2]} {found[3]}" if found else number


def plain(value: str | None) -> str:
    """A name of the program in words: `no_answer` as `no answer`."""
    return (value or "").replace("_", " ")


def state(value: str) -> str:
    """A call's state in words."""
    return STATES.get(value, (plain(value), "over"))[0]


def mark(value: str) -> str:
    """Which mark stands before a call's state: each has a shape of its own beside its colour."""
    return STATES.get(value, ("", "over"))[1]


def stage(value: str) -> str:
    """A stage of a response in words."""
    return STAGES.get(value, plain(value))


def who_ended(value: str | None) -> str:
    """Who ended a call, in words."""
    return PEOPLE.get(value or "", plain(value))


def ticked(text: str) -> Markup:
    """A text in which what stands between backticks is code, as in what the doctor says."""
    pieces = [str(escape(piece)) for piece in text.split("`")]
    if len(pieces) % 2 == 0:
        return escape(text)  # one of them stands alone
    return Markup("".join(f"<code>{one}</code>" if place % 2 else one for place, one in enumerate(pieces)))


def moment(text: str | None, style: str = "moment") -> Markup:
    """A time of the API as a `<time>`, in UTC; `console.js` puts it into the reader's own zone.

    Args:
        text: As the API writes it, or nothing.
        style: `moment` for day and time, `time` for the time alone, `day` for the day alone.
    """
    at = read_time(text)
    if at is None:
        return Markup("")
    patterns = {"moment": f"{at.day} %b %Y, %H:%M:%S UTC", "time": "%H:%M:%S UTC", "day": f"{at.day} %b %Y"}
    return Markup('<time datetime="{}" data-style="{}">{}</time>').format(
        text, style, at.strftime(patterns[style])
    )


def read_time(text: str | None) -> datetime | None:
    """A time as the API writes it; None for nothing, or what is none."""
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None else None


FILTERS: Mapping[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (clock, count, duration, mark, moment, ms, phone, plain, stage, state, ticked, who_ended)
}
"""The filters of the templates, by name."""
