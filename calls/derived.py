"""What is made of a call's events, to list calls, to search them and to count them: nothing here is known of itself.

It is made when a call has ended, and again when events follow, or something of it is forgotten
(`calls.database.derived`). A call in memory has the same by `Deriver`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from calls.call import Call
from calls.events.event import NOT_RECORDED, CallEvent
from calls.events.forgetting import FORGOTTEN
from calls.events.lifecycle import ErrorHappened, RecordingChanged, TransferStarted
from calls.events.people import MessageHandled
from calls.events.talk import BotHeard, CallerSaid, Interrupted, MessageTaken, SummedUp
from calls.figures import STAGES, figures, response_times
from calls.outcome import achieved, overruled
from calls.states import CallState, EndedBy
from carriers.carrier import Direction

VERSION = 1
"""Raised when something is made in another way: then it is made anew for all calls."""

ABOUT_CHARACTERS = 80

HAS: Mapping[str, type[CallEvent]] = {
    "error": ErrorHappened,
    "message": MessageTaken,
    "recording": RecordingChanged,
    "transfer": TransferStarted,
}
"""What calls can be looked for by, and the kind of event that says so."""

KEYS = "DTMF: "
"""How the caller's keys begin in `caller_said`."""

WORD = re.compile(r"\w[\w'’-]*")

INSTEAD = frozenset({NOT_RECORDED, FORGOTTEN})
"""What stands in the place of words that are not kept."""


@dataclass(frozen=True)
class Derived:
    """What is made of a call.

    Parameters:
        columns: Columns of `calls.database.schema.CALLS`, by name.
        words: What was said, each word once, in small letters; empty for nothing.
        turns: Rows of `CALL_TURNS`, without the call's id and agent.
        messages: Rows of `MESSAGES`, in the same way.
    """

    columns: Mapping[str, Any]
    words: str
    turns: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]


def derived(row: Mapping[str, Any], events: Sequence[tuple[int, CallEvent]]) -> Derived:
    """Make it.

    Args:
        row: The columns that `calls.database.saved.row_of` has.
        events: All events, with their numbers.
    """
    only = [event for _, event in events]
    felt, review = figures(only), overruled(only)
    answered_at, ended_at = row["answered_at"], row["ended_at"]
    found = achieved(
        only,
        state=CallState(row["state"]),
        direction=Direction(row["direction"]),
        ended_by=EndedBy(row["ending_by"]) if row["ending_by"] else None,
        answered_at=answered_at,
        ended_at=ended_at,
    )
    columns = {
        "outcome": (review.outcome if review is not None else None) or found,
        "outcome_found": found,
        "note": (review.note if review is not None else None) or None,
        "reviewed_at": review.at if review is not None and review.reviewed else None,
        "talk_ms": _ms(answered_at, ended_at) if answered_at and ended_at else None,
        "first_words_ms": felt.first_words_ms,
        "response_p50_ms": felt.response_p50_ms,
        "response_max_ms": felt.response_longest_ms,
        "responses": felt.responses,
        "interruptions": felt.interruptions,
        "errors": sum(isinstance(event, ErrorHappened) for event in only),
        "has": " ".join(name for name, kind in HAS.items() if any(isinstance(one, kind) for one in only)),
        "about": _about(only),
    }
    plain = {name: str(value) if isinstance(value, str) else value for name, value in columns.items()}
    return Derived(plain, _words(only), _turns(only), _messages(events))


class Deriver:
    """Makes it of calls in memory, and not twice of the same events."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Call, tuple[Any, Derived]] = WeakKeyDictionary()

    def of(self, call: Call, row: Mapping[str, Any]) -> Derived:
        """What is made of a call.

        Args:
            call: The call.
            row: Its columns, as `calls.database.saved.row_of` makes them.
        """
        state = len(call.events), call.state, call.ended_at
        known = self._known.get(call)
        if known is not None and known[0] == state:
            return known[1]
        made = derived(row, list(enumerate(call.events, 1)))
        self._known[call] = state, made
        return made


def _about(events: Iterable[CallEvent]) -> str | None:
    """The first words of the caller."""
    for event in events:
        if isinstance(event, CallerSaid):
            text = " ".join(event.text.split())
            if text and text not in INSTEAD and not text.startswith(KEYS):
                return text if len(text) <= ABOUT_CHARACTERS else f"{text[: ABOUT_CHARACTERS - 1]}…"
    return None


def _words(events: Iterable[CallEvent]) -> str:
    words: dict[str, None] = {}
    for event in events:
        for text in _texts(event):
            if text not in INSTEAD:
                words.update(dict.fromkeys(WORD.findall(text.casefold())))
    return " ".join(words)


def _texts(event: CallEvent) -> Sequence[str]:
    match event:
        case CallerSaid(text=text) if text.startswith(KEYS):
            return ()
        case CallerSaid(text=text) | BotHeard(text=text) | Interrupted(heard=text) | SummedUp(summary=text):
            return (text,)
        case MessageTaken():
            return event.caller_name, event.callback_number, event.message
    review = overruled([event])
    return (review.note,) if review is not None else ()


def _turns(events: Sequence[CallEvent]) -> list[dict[str, Any]]:
    return [
        {
            "at": one.at,
            "n": n,
            "waits": one.to,
            "ms": one.ms,
            **{stage: _whole(one.stages.get(stage)) for stage in STAGES},
            "interrupted": one.interrupted,
        }
        for n, one in enumerate(response_times(events))
    ]


def _messages(events: Sequence[tuple[int, CallEvent]]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for seq, event in events:
        if isinstance(event, MessageTaken):
            found[seq] = {
                "seq": seq,
                "at": event.at,
                "caller_name": event.caller_name,
                "callback_number": event.callback_number,
                "message": event.message,
                "handled_at": None,
                "handled_by": None,
            }
        elif isinstance(event, MessageHandled) and event.seq in found:
            handled = {"handled_at": event.at, "handled_by": event.by} if event.handled else {}
            found[event.seq] |= {"handled_at": None, "handled_by": None, **handled}
    return list(found.values())


def _whole(value: Any) -> int:
    """A number of an event, which another version of the program may have written."""
    return value if isinstance(value, int) else 0


def _ms(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds() * 1000))
