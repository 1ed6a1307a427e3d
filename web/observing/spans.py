"""The trace of a call, made of its events when it is over: what happened when, as a tree of spans.

    call                        from the first we heard of it to its end
      ringing                   until it was answered
      attachment                a session of the bot, with its media stream
        turn                    from the caller's last sound to the bot's first one: what the caller has waited
          endpointing, stt, llm, tool, tts, line, other     what for; together as long as the turn
        execute_tool NAME       a tool
      transfer                  until it is known how it went

What else happened is an event of the span that it fell into. Names and attributes of models and tools are those of
OpenTelemetry's semantic conventions for generative AI, where they have one (gen_ai.*).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from calls.call import Call
from calls.events.event import CallEvent, Privacy, own_fields, private_fields
from calls.events.lifecycle import Answered, Ended, Ringing, StateChanged, TransferEnded, TransferStarted
from calls.events.talk import (
    Attached,
    Detached,
    DtmfReceived,
    Responded,
    ToolStarted,
    ToolUsed,
    TurnMeasured,
)
from calls.outcome import Outcome
from calls.transfer import TransferOutcome

STAGES = {
    "end_of_turn": "endpointing",
    "recogniser": "stt",
    "model": "llm",
    "tool": "tool",
    "voice": "tts",
    "line": "line",
}
"""The names of spans by the stages of a turn; what is not here is `other`."""

BAD_OUTCOMES = (Outcome.FAILED, Outcome.LOST)

KEPT_DIGITS = 4
"""How many of a telephone number's last digits a trace has."""

OWN_SPANS = (
    StateChanged,
    Ringing,
    Answered,
    Ended,
    Attached,
    Detached,
    Responded,
    TurnMeasured,
    ToolStarted,
    ToolUsed,
    TransferStarted,
    TransferEnded,
)
"""Events of which spans are made, so that they are not events of a span as well."""

Value = str | bool | int | float

_private: dict[type[CallEvent], Mapping[str, Privacy]] = {}
"""The private fields of each kind of event. To look at its types anew each time would be most of what a trace takes."""


@dataclass
class Happening:
    """An event of a span."""

    name: str
    at: datetime
    attributes: Mapping[str, Value]


@dataclass
class Span:
    """A span, and those in it.

    Parameters:
        name: Of a small set of names.
        start: When it began.
        end: When it was over.
        attributes: What is known of it.
        error: What went wrong, in a fixed word; None when nothing did.
        happenings: What happened meanwhile.
        children: The spans in it.
    """

    name: str
    start: datetime
    end: datetime
    attributes: dict[str, Value] = field(default_factory=dict)
    error: str | None = None
    happenings: list[Happening] = field(default_factory=list)
    children: list[Span] = field(default_factory=list)


def trace_of(call: Call, outcome: Outcome | None, *, words: bool = False) -> Span:
    """Make the trace of a call.

    Args:
        call: The call, which has ended.
        outcome: What it has achieved.
        words: Whether what was said is in it. Keys that were pressed are never.
    """
    events = sorted(call.events, key=lambda event: event.at)
    end = max([call.ended_at or call.created_at, *(event.at for event in events)])
    root = Span("call", call.created_at, end, _of_call(call, outcome))
    if outcome in BAD_OUTCOMES:
        root.error = str(outcome)
    if call.answered_at is not None:
        root.children.append(Span("ringing", call.created_at, call.answered_at))
    sessions = _sessions(events, end)
    root.children += sessions
    root.children += _transfers(events, end)
    for turn in _turns(call, events, words=words):
        _around(turn.start, sessions, root).children.append(turn)
    for tool in _tools(events, end, words=words):
        _around(tool.start, sessions, root).children.append(tool)
    for event in events:
        if not isinstance(event, OWN_SPANS):
            happening = Happening(event.kind, event.at, attributes_of(event, words=words))
            _around(event.at, sessions, root).happenings.append(happening)
    return root


def attributes_of(event: CallEvent, *, words: bool) -> dict[str, Value]:
    """The values of an event that a trace may have: none that is personal, and what was said only if asked for."""
    kind = type(event)
    if kind not in _private:
        _private[kind] = private_fields(kind)
    private = _private[kind]
    found: dict[str, Value] = {}
    for one in own_fields(kind):
        value, mark = getattr(event, one.name), private.get(one.name)
        if isinstance(value, Enum):
            value = value.value
        said = words and mark is Privacy.SAID and not isinstance(event, DtmfReceived)
        if isinstance(value, str | bool | int | float) and value != "" and (mark is None or said):
            found[f"phonebot.{one.name}"] = value
    return found


def _of_call(call: Call, outcome: Outcome | None) -> dict[str, Value]:
    known = {
        "phonebot.call.id": call.id,
        "gen_ai.conversation.id": call.id,
        "phonebot.carrier": call.carrier,
        "phonebot.mode": call.mode,
        "phonebot.direction": str(call.direction),
        "phonebot.agent": call.agent,
        "phonebot.from": _last_digits(call.from_number),
        "phonebot.to": _last_digits(call.to_number),
        "phonebot.state": str(call.state),
        "phonebot.outcome": str(outcome) if outcome is not None else None,
        "phonebot.ended_by": str(call.ended_by) if call.ended_by is not None else None,
    }
    return {name: value for name, value in known.items() if value}


def _last_digits(number: str | None) -> str | None:
    """The end of a telephone number; nothing of a SIP address, which may be a name."""
    if number is None or not number.startswith("+"):
        return None
    return f"…{number[-KEPT_DIGITS:]}"


def _sessions(events: Sequence[CallEvent], end: datetime) -> list[Span]:
    found: list[Span] = []
    is_open = False
    for event in events:
        if isinstance(event, Attached):
            found.append(Span("attachment", event.at, end, {"phonebot.attachment": len(found) + 1}))
            is_open = True
        elif isinstance(event, Detached) and is_open:
            found[-1].end, is_open = event.at, False
    return found


def _transfers(events: Sequence[CallEvent], end: datetime) -> list[Span]:
    found: list[Span] = []
    is_open = False
    for event in events:
        if isinstance(event, TransferStarted):
            attributes: dict[str, Value] = {
                "phonebot.destination": event.destination,
                "phonebot.warm": event.warm,
            }
            found.append(Span("transfer", event.at, end, attributes))
            is_open = True
        elif isinstance(event, TransferEnded) and is_open:
            found[-1].end, is_open = event.at, False
            found[-1].attributes["phonebot.outcome"] = str(event.outcome)
            if event.outcome is TransferOutcome.FAILED:
                found[-1].error = str(event.outcome)
    return found


def _turns(call: Call, events: Sequence[CallEvent], *, words: bool) -> list[Span]:
    found = []
    spoke_at: datetime | None = None
    for event in events:
        if isinstance(event, Responded):
            spoke_at = event.at
        if not isinstance(event, TurnMeasured):
            continue
        heard_at = spoke_at or event.at
        if call.answered_at is not None and event.after_answer_ms is not None:
            heard_at = call.answered_at + timedelta(milliseconds=event.after_answer_ms)
        start = heard_at - timedelta(milliseconds=event.response_ms)
        attributes = attributes_of(event, words=words)
        found.append(Span("turn", start, heard_at, attributes, children=_parts(event, start)))
    return found


def _parts(turn: TurnMeasured, start: datetime) -> list[Span]:
    """What was waited for, one after the other."""
    found = []
    for part in turn.parts:
        if part["ms"] <= 0:
            continue
        end = start + timedelta(milliseconds=part["ms"])
        name = STAGES.get(part["stage"], "other")
        attributes: dict[str, Value] = {f"phonebot.{key}": part[key] for key in ("key", "owner", "kind")}
        if name == "llm":
            attributes["gen_ai.operation.name"] = "chat"
        found.append(Span(name, start, end, attributes))
        start = end
    return found


def _tools(events: Sequence[CallEvent], end: datetime, *, words: bool) -> list[Span]:
    found: list[Span] = []
    running: dict[str, list[Span]] = {}
    for event in events:
        if isinstance(event, ToolStarted):
            span = Span(f"execute_tool {event.name}", event.at, end, _of_tool(event, words=words))
            running.setdefault(event.name, []).append(span)
            found.append(span)
        elif isinstance(event, ToolUsed):
            if not running.get(event.name):
                found.append(
                    Span(f"execute_tool {event.name}", event.at, event.at, _of_tool(event, words=words))
                )
                running[event.name] = found[-1:]
            span = running[event.name].pop(0)
            span.end = event.at
            if event.ok is False:
                span.error = "failed"
    for span in (one for waiting in running.values() for one in waiting):
        span.error = "unfinished"
    return found


def _of_tool(event: ToolStarted | ToolUsed, *, words: bool) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": event.name,
        "gen_ai.tool.type": "function",
    }
    if words and event.arguments:
        attributes["gen_ai.tool.call.arguments"] = str(dict(event.arguments))
    return attributes


def _around(at: datetime, sessions: Sequence[Span], root: Span) -> Span:
    """The session that a moment fell into, else the whole call."""
    return next((one for one in reversed(sessions) if one.start <= at <= one.end), root)
