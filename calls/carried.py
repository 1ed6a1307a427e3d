"""What a call takes along to its next media stream where no store is shared: signed, short, in the stream's parameters.

A carrier hands a document's parameters back in the first messages of the stream. Each may have fewer than 500
characters, name and value together (Source: Twilio docs, TwiML Stream), and a whole document 4000 in a request (Source:
Twilio docs, error 32018). They come over a socket that a stranger may open as well, so they are signed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from loguru import logger

from calls.call import Call
from calls.clocks import age_problem
from calls.events.event import CallEvent
from calls.events.lifecycle import TransferEnded, TransferStarted
from calls.events.reading import read_event
from calls.events.talk import (
    Attached,
    BotHeard,
    CallerSaid,
    DtmfReceived,
    Interrupted,
    LanguageChanged,
    MessageTaken,
    Resumed,
    ToolStarted,
    ToolUsed,
)
from calls.transfer import Resume

PREFIX = "_phonebot"
"""The beginning of the parameters' names; a number follows."""

PART_CHARS = 450
MAX_CHARS = 1800
"""The most characters of all parts together: a document has room for these beside the rest of it."""

LIFETIME_SECS = 4 * 3600
"""The longest that a carrier lets a call last."""

KINDS = (
    CallerSaid,
    BotHeard,
    Interrupted,
    DtmfReceived,
    MessageTaken,
    ToolStarted,
    ToolUsed,
    TransferStarted,
    TransferEnded,
    Resumed,
)
"""The events that a conversation can be restored from."""


@dataclass(frozen=True)
class Carried:
    """What a call has taken along to its next media stream.

    Parameters:
        call_id: Our id of the call.
        direction: `inbound` or `outbound`.
        agent: Name of the agent that talks.
        parameters: The call's own.
        resume: Why the caller comes back; None for a call's first stream.
        events: The conversation before, the latest of it.
    """

    call_id: str
    direction: str
    agent: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    resume: Resume | None = None
    events: tuple[CallEvent, ...] = ()

    def restore(self, call: Call) -> None:
        """Give a call that this process does not know its past; one that it knows keeps its own."""
        if self.resume is not None and call.resume is None and not call.has(Attached):
            call.expect_return(self.resume)
        if self.events and not call.has(CallerSaid) and not call.has(BotHeard):
            call.events.extend(self.events)
            call.arrived.extend(self.events)


def carry(call: Call, secret: str) -> dict[str, str]:
    """Pack what the next session must know into parameters; the oldest of the conversation stays behind.

    Args:
        call: The call.
        secret: Signs it; the host that reads it must have the same one.
    """
    serializer = _serializer(secret)
    events = [event for event in call.events if isinstance(event, KINDS)]
    changed = call.last(LanguageChanged)
    kept = [changed] if changed is not None else []  # whatever else stays behind
    while True:
        text = serializer.dumps(
            {
                "id": call.id,
                "carrier_call_id": call.carrier_call_id,
                "direction": call.direction.value,
                "agent": call.agent,
                "parameters": call.parameters,
                "resume": call.resume.as_dict() if call.resume else None,
                "events": [
                    [round(event.at.timestamp(), 1), event.kind, dict(event.data)]
                    for event in (*kept, *events)
                ],
            }
        )
        signed = str(text)  # typed as bytes, too, which it is not
        if len(signed) <= MAX_CHARS or not events:
            break
        events = events[1 + len(events) // 8 :]
    if len(signed) > MAX_CHARS:
        logger.warning(
            f"call {call.id}: what it should take along has {len(signed)} characters and is left behind"
        )
        return {}
    parts = [signed[start : start + PART_CHARS] for start in range(0, len(signed), PART_CHARS)]
    return {f"{PREFIX}{number}": part for number, part in enumerate(parts)}


def read_carried(parameters: dict[str, Any], secret: str | None, carrier_call_id: str) -> Carried | None:
    """Unpack what `carry` packed, and take its parts out of the parameters.

    Args:
        parameters: Of the stream.
        secret: As it was packed with; None believes nothing.
        carrier_call_id: The carrier's id of the call whose stream brings it; what another call was given is not
            believed.

    Returns:
        None when there is nothing, or nothing that can be believed.
    """
    parts: list[str] = []
    while isinstance(part := parameters.pop(f"{PREFIX}{len(parts)}", None), str):
        parts.append(part)
    if not parts or not secret:
        return None
    try:
        content, signed_at = _serializer(secret).loads("".join(parts), return_timestamp=True)
        problem = age_problem(signed_at.timestamp(), time.time(), LIFETIME_SECS)
        if content["carrier_call_id"] not in ("", carrier_call_id):
            problem = "was given to another call"
        if problem:
            logger.warning(f"what a call took along is not believed: it {problem}")
            return None
        return Carried(
            call_id=str(content["id"]),
            direction=str(content["direction"]),
            agent=content["agent"],
            parameters=dict(content["parameters"]),
            resume=Resume.from_dict(content["resume"]) if content["resume"] else None,
            events=tuple(
                read_event(datetime.fromtimestamp(at, UTC), kind, data)
                for at, kind, data in content["events"]
            ),
        )
    except (BadData, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        logger.warning(f"what a call took along is not believed: {type(error).__name__}")
        return None


def _serializer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="phonebot.carried")
