"""What happened on a call, in words for people: one short text for each kind of event that a page shows as a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from web.console.words import PEOPLE, duration, plain

Event = Mapping[str, Any]


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return "" if value is None else str(value)


def _with(text: str, more: str) -> str:
    return f"{text}: {more}" if more else text


def _ended(event: Event) -> str:
    who = PEOPLE.get(_text(event, "ended_by"), _text(event, "ended_by"))
    return _with(f"call ended by {who}", _text(event, "cause"))


def _transfer(event: Event) -> str:
    asked = ", the colleague is asked first" if event.get("warm") is True else ""
    return f"put through to {_text(event, 'destination')}{asked}"


def _transfer_ended(event: Event) -> str:
    to = f" to {_text(event, 'destination')}" if event.get("destination") else ""
    return _with(f"transfer{to}: {plain(_text(event, 'outcome'))}", _text(event, "reason"))


def _recording(event: Event) -> str:
    secs = event.get("duration_secs")
    length = f", {duration(secs)}" if isinstance(secs, int) else ""
    return f"recording {plain(_text(event, 'state'))}{length}"


def _message(event: Event) -> str:
    if event.get("recorded"):
        return "message recorded by the carrier"
    who = " · ".join(filter(None, (_text(event, "caller_name"), _text(event, "callback_number"))))
    return _with(f"message taken ({who})" if who else "message taken", _text(event, "message"))


def _reviewed(event: Event) -> str:
    said = [_text(event, "outcome") and f"outcome {plain(_text(event, 'outcome'))}", _text(event, "note")]
    return _with("reviewed" if event.get("reviewed") else "to be reviewed", ", ".join(filter(None, said)))


def _dead_air(event: Event) -> str:
    return f"{event.get('silent_secs')} s of silence: {plain(_text(event, 'cause'))}"


_STOPPED: Mapping[str, str] = {
    "detached": "the media stream has ended",
    "too_slow": "took nothing of what was said",
    "not_allowed": "the key or session is over",
}

HAPPENINGS: Mapping[str, Callable[[Event], str]] = {
    "ringing": lambda event: "ringing",
    "answered": lambda event: "answered",
    "ended": _ended,
    "turned_away": lambda event: (
        f"turned away, no room ({_text(event, 'reason')}): {plain(_text(event, 'how'))}"
    ),
    "carrier_speaks": lambda event: f"the carrier says: {plain(_text(event, 'line'))}",
    "goodbye": lambda event: "the bot says goodbye",
    "goodbye_taken_back": lambda event: "the goodbye is taken back",
    "hang_up": lambda event: "hang-up asked for",
    "hang_up_failed": lambda event: _with("hang-up failed", _text(event, "reason")),
    "dialling": lambda event: "the carrier is asked to call",
    "answered_by": lambda event: f"answered by: {plain(_text(event, 'who'))}",
    "opening": lambda event: f"taken for {plain(_text(event, 'who'))} ({_text(event, 'why')})",
    "lookup": lambda event: f"caller looked up: {plain(_text(event, 'result'))}, {event.get('ms')} ms",
    "digits_sent": lambda event: f"{event.get('count')} keys pressed for the other side",
    "error": lambda event: _with("error", _text(event, "message")),
    "transfer_started": _transfer,
    "transfer_ended": _transfer_ended,
    "colleague_called": lambda event: "a colleague is called",
    "briefing": lambda event: "the colleague is told what it is about",
    "accepted": lambda event: "the colleague takes the call",
    "declined": lambda event: "the colleague declines",
    "connected": lambda event: "connected",
    "connect_failed": lambda event: _with("could not be connected", _text(event, "reason")),
    "caller_gone": lambda event: "the caller does not wait any more",
    "recording": _recording,
    "caller_erased": lambda event: "the caller was erased",
    "attached": lambda event: "media stream begins",
    "detached": lambda event: _with("media stream ends", _text(event, "reason")),
    "handed_over": lambda event: "handed over to another process",
    "resumed": lambda event: f"back with the bot ({plain(_text(event, 'reason'))})",
    "language": lambda event: f"language: {_text(event, 'language')} ({_text(event, 'why')})",
    "interruption_undone": lambda event: "no interruption after all: the bot goes on",
    "not_understood": lambda event: "not understood",
    "dtmf": lambda event: f"key {_text(event, 'digits')}",
    "silence_prompt": lambda event: "asked whether they are still there",
    "service_failed_over": lambda event: (
        f"{_text(event, 'failed')} {_text(event, 'cause')}: {_text(event, 'next')} goes on"
    ),
    "dead_air": _dead_air,
    "message_taken": _message,
    "after_call": lambda event: _with(
        f"summed up ({plain(_text(event, 'result'))})", _text(event, "summary")
    ),
    "flow_node": lambda event: f"flow: {_text(event, 'node')}",
    "beep": lambda event: "a beep",
    "voicemail_message": lambda event: "message left on the voicemail box",
    "said_by_person": lambda event: _with("had the bot say", _text(event, "text")),
    "note_given": lambda event: _with("note", _text(event, "text")),
    "listening_started": lambda event: "listens in",
    "listening_ended": lambda event: _with("listens no more", _STOPPED.get(_text(event, "why"), "")),
    "reviewed": _reviewed,
    "message_handled": lambda event: "message dealt with" if event.get("handled") else "message open again",
}
"""By the kind of an event. Kinds that are not here are in the transcript, or no line is made of them."""

NO_LINE = frozenset(
    {
        *("state", "responded", "turn", "bot_said", "bot_heard", "interrupted", "caller_said"),
        *("tool_started", "tool", "carrier_spoke", "flow_state"),
    }
)
"""Kinds of which no line of their own is made: what they tell is seen elsewhere on the page."""


def happening(event: Event) -> str | None:
    """What happened, in words; None for an event that is no line. One of a later version is named by its kind.

    Args:
        event: As the API describes it; its values may be anything.
    """
    kind = str(event["kind"])
    if kind in NO_LINE:
        return None
    try:
        return HAPPENINGS[kind](event)
    except (KeyError, TypeError, ValueError):
        return plain(kind)
