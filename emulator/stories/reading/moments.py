"""Moments of a story as they are written: `caller hears "Goodbye."`, `sam answers`, `rest hang_up`, `hang_up`.

What happened has the same words whichever carrier it was, so that a moment is found on both.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from emulator.requests import VERBS
from emulator.stories.reading.yaml_values import Value, did_you_mean
from emulator.stories.story import Moment

PERSON_EVENTS = {
    "is rung": "ringing",
    "answers": "answered",
    "is connected": "connected",
    "hangs up": "hangs_up",
    "is gone": "hang_up",
    "is not reached": "not_reached",
}
"""What a story can say that a person does, and the kind of that event. `connected` is with a person, not the bot."""

EVENTS = (
    "ringing",
    "webhook",
    "retry",
    "fallback",
    "answered",
    "stream_open",
    "socket_closed",
    "first_audio",
    "bot_speech",
    "caller_speech",
    "caller_hears",
    "bridged",
    "conference",
    "leave",
    "amd",
    "mark_sent",
    "mark_returned",
    "clear",
    "digits",
    "keys_heard",
    "say",
    "seam",
    "pause",
    "gather",
    "record",
    "recording",
    "document",
    "callback",
    "event",
    "event_told",
    "fault",
    "operator",
    "killed",
    "restarted",
    "underrun",
    "warning",
    "hang_up",
)
"""Kinds of the timeline's entries that a story may name."""

_WORDS = re.compile(r'(?P<who>\S+) (?P<kind>hears|says) "(?P<text>.+)"')
_KEYS = re.compile(r"(?P<who>\S+) presses (?P<text>[0-9A-D*#]+)")
FORMS = (
    '`WHO hears "words"`, `WHO says "words"`, `WHO presses 1`, `SOMEBODY answers`, `rest hang_up`, `api EVENT` or '
    "an event"
)


def read_moment(value: Value, people: Collection[str], callers: Collection[str]) -> Moment | None:
    """Read a moment; None (and a mistake) if it is none.

    Args:
        value: Where it is written.
        people: The names of those who can be called.
        callers: The names of those who call.
    """
    text = value.text()
    if not text:
        return None
    everybody = [*callers, *people]
    if match := _WORDS.fullmatch(text) or _KEYS.fullmatch(text):
        who = match["who"]
        if who not in everybody:
            value.wrong(
                f"nobody is called {who!r}{did_you_mean(who, everybody)}; there are {', '.join(everybody)}"
            )
            return None
        return Moment(
            match["kind"] if "kind" in match.groupdict() else "presses", who, match["text"], written=text
        )
    one, _, other = text.partition(" ")
    if one == "rest":
        if other not in VERBS:
            value.wrong(f"no request is called {other!r}{did_you_mean(other, VERBS)}; use {', '.join(VERBS)}")
            return None
        return Moment("rest", None, other, text)
    if one == "api" and other:
        return Moment("api", None, other, text)
    if one in everybody and other in PERSON_EVENTS:
        return Moment("event", one, PERSON_EVENTS[other], text)
    if text in EVENTS:
        return Moment("event", None, text, text)
    if one in everybody and other in EVENTS:
        return Moment("event", one, other, text)
    known = [
        *EVENTS,
        *(f"{who} {event}" for who in people for event in PERSON_EVENTS),
        *(f"rest {verb}" for verb in VERBS),
    ]
    value.wrong(f"{text!r} is no moment{did_you_mean(text, known)}; write {FORMS}")
    return None
