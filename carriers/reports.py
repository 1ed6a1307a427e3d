"""What carriers say about calls: states, answers to requests, and webhooks, each as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from carriers.dialling import DialStatus
from carriers.forms import Form
from carriers.recording import RecordingUpdate


class LineState(StrEnum):
    """The state of a call as carriers report it. The values are some of those of `calls.states.CallState`."""

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


class Direction(StrEnum):
    """Whether the call came to us or was made by us."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Signature(StrEnum):
    """What verifying a webhook's signature found."""

    VALID = "valid"
    INVALID = "invalid"
    """Signed, but not by the carrier, or not for this URL, or too long ago."""
    ABSENT = "absent"
    """Not signed at all."""
    UNCHECKED = "unchecked"
    """The key to check it with is not configured."""


@dataclass(frozen=True)
class HangUp:
    """The carrier has taken a request to end a call. Whether the call is over is another question.

    Parameters:
        already_ended: It had ended before we asked.
        state: Where the call stands by the answer itself; None where the answer does not tell.
    """

    already_ended: bool
    state: LineState | None = None


@dataclass(frozen=True)
class CarrierCall:
    """A call as the carrier's REST API describes it.

    Parameters:
        id: The carrier's id of the call.
        state: Its state, or None when the carrier uses a word that we do not know.
        from_number: The number (E.164) or SIP address of the caller, when the carrier says.
        to_number: The number or address that was dialled, when the carrier says.
        ended_at: When it ended; None while it lives.
    """

    id: str
    state: LineState | None
    from_number: str | None = None
    to_number: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class IncomingCall:
    """A carrier's question "what shall I do with this call?".

    Parameters:
        call_id: The carrier's id of the call.
        from_number: The number (E.164) or SIP address of the caller; None when the caller withheld it.
        to_number: The number or address that was dialled.
        direction: `outbound` when we had asked for the call ourselves.
    """

    call_id: str
    from_number: str | None
    to_number: str | None
    direction: Direction


@dataclass(frozen=True)
class StatusUpdate:
    """A carrier's report of where a call stands. Reports come late, twice and out of order.

    Parameters:
        call_id: The carrier's id of the call.
        state: The state reported, or None when the carrier uses a word that we do not know.
        reason: What the carrier says about the cause, in its own words; empty when it says nothing.
    """

    call_id: str
    state: LineState | None
    reason: str = ""


class LegEnd(StrEnum):
    """Why a leg ended, as far as that says more than its state."""

    HUNG_UP = "hung_up"
    """It was answered, and one of the two hung up."""
    TIME_LIMIT = "time_limit"
    """It was answered, and may last no longer at this carrier."""
    DECLINED = "declined"
    """The callee rejected the call."""


class AnsweredBy(StrEnum):
    """Who, or what, took a call of ours."""

    HUMAN = "human"
    MACHINE = "machine"
    """An answering machine; its greeting may still be playing."""
    GREETING_ENDED = "greeting_ended"
    """An answering machine whose greeting is over: the moment to leave a message."""
    FAX = "fax"
    UNKNOWN = "unknown"
    """The carrier could not tell, or uses a word that we do not know."""


@dataclass(frozen=True)
class MachineResult:
    """What a carrier's machine detection found.

    Parameters:
        call_id: The carrier's id of the call.
        answered_by: Who, or what, took the call.
    """

    call_id: str
    answered_by: AnsweredBy


@dataclass(frozen=True)
class ReferResult:
    """How the attempt to hand a SIP caller over to another address by REFER ended.

    Parameters:
        call_id: The call that was to be handed over.
        status: `completed` when the new address has taken the caller, or when the caller's phone has agreed to call it
            and reported nothing more.
        sip_code: The last SIP response that the carrier reports: the new address's, else the caller's.
    """

    call_id: str
    status: DialStatus
    sip_code: int | None = None


@dataclass(frozen=True)
class CarrierEvent:
    """A webhook of a carrier whose calls are run by commands instead of documents.

    Events come late, twice and out of order.

    Parameters:
        kind: The carrier's own word for what happened.
        event_id: The same for repeated deliveries.
        call_id: The carrier's id of the leg that it happened to. None when the event does not tell this id, as those
            about a finished recording do not.
        occurred_at: When it happened, by the carrier's clock.
        client_state: What we had given the leg to carry: the parameters of its stream.
        transfer_of: The carrier's id of the call whose `transfer` made this leg; None for every other leg.
        status: The leg's new state; None for events that do not change it.
        incoming: For a new call that we have not made: who calls whom. It waits for `answer`.
        answered_by: What machine detection found.
        recording: What became of a recording.
        hangup_cause: Why the leg ended, in the carrier's own words; empty for other events.
        end: The same in our words, for the causes that we know.
        hangup_source: Who ended it: `caller`, `callee` or `unknown`, seen from the leg.
        sip_code: The SIP response that ended it, or that a REFER led to.
        bridged: The leg is now connected with another one.
        stream_failed: Why the media stream could not be connected, in the carrier's own words.
        stream_stopped: The media stream is over.
        refer: How a REFER ended.
        spoken: The carrier is done with a sentence that it was told to speak.
    """

    kind: str
    event_id: str
    call_id: str | None
    occurred_at: datetime | None = None
    client_state: Mapping[str, Any] = field(default_factory=dict)
    transfer_of: str | None = None
    status: StatusUpdate | None = None
    incoming: IncomingCall | None = None
    answered_by: AnsweredBy | None = None
    recording: RecordingUpdate | None = None
    hangup_cause: str = ""
    end: LegEnd | None = None
    hangup_source: str = ""
    sip_code: int | None = None
    bridged: bool = False
    stream_failed: str | None = None
    stream_stopped: bool = False
    refer: ReferResult | None = None
    spoken: bool = False


def call_direction(form: Form) -> Direction:
    """The direction, from a webhook's `Direction` field (`inbound`, `outbound-api`, `outbound-dial`)."""
    return Direction.OUTBOUND if form.get("Direction", "").startswith("outbound") else Direction.INBOUND
