"""How an attempt to hand a caller over ends, and what a bot must know when a caller comes back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from carriers.carrier import CarrierEvent, LegEnd, LineState

COLLEAGUE_HUNG_UP = "the colleague has hung up"
"""Why a call ended whose caller had been put through, when it was not the caller who hung up."""


class TransferOutcome(StrEnum):
    """How a transfer ended. Unless it is `connected`, the caller is back with the bot."""

    CONNECTED = "connected"
    """The two talk, or talked, with each other."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    """A person answered, heard what it was about, and did not want the call."""
    VOICEMAIL = "voicemail"
    """A machine answered."""
    FAILED = "failed"
    """It could not be tried; the reason goes with it."""
    UNKNOWN = "unknown"
    """It could not be found out in time: the two may have talked."""


def outcome_of(
    state: str | None, *, connects: bool = True, declined: bool = False, machine: bool = False
) -> TransferOutcome:
    """How a transfer ended, from the end of the leg to its destination: the one place where that is decided.

    Args:
        state: The leg's last state, a `LineState`, `DialStatus` or `CallState`; None for a word that we do not know.
        connects: Whether an answered leg is connected with the caller at once; False for a leg of its own, and for one
            that is known never to have been connected.
        declined: Whether the person who answered did not want the call.
        machine: Whether a machine answered.
    """
    if declined:
        return TransferOutcome.DECLINED
    if machine:
        return TransferOutcome.VOICEMAIL
    match state:
        case "in_progress" | "completed":
            return TransferOutcome.CONNECTED if connects else TransferOutcome.NO_ANSWER
        case "busy":
            return TransferOutcome.BUSY
        case "no_answer" | "canceled":
            return TransferOutcome.NO_ANSWER
    return TransferOutcome.FAILED


@dataclass(frozen=True)
class TransferNews:
    """What an event of a call that is run by commands says of its transfer.

    Parameters:
        outcome: How the transfer ended; None when the destination has answered: another event says, perhaps later,
            whether it is connected with the caller.
        detail: The carrier's words for it.
        leg_is_over: Whether the leg to the destination is over.
        leg_is_left_over: Whether the caller talks with the destination without us, after a REFER.
        colleague_hung_up: Whether the destination has hung up.
    """

    outcome: TransferOutcome | None
    detail: str
    leg_is_over: bool = False
    leg_is_left_over: bool = False
    colleague_hung_up: bool = False


def transfer_news(event: CarrierEvent) -> TransferNews | None:
    """What an event says of a transfer; None when it says nothing of one."""
    if event.bridged:
        return TransferNews(TransferOutcome.CONNECTED, event.kind)
    if event.refer is not None:
        outcome = outcome_of(event.refer.status)
        detail = f"SIP {event.refer.sip_code}" if event.refer.sip_code else event.kind
        return TransferNews(outcome, detail, leg_is_left_over=outcome is TransferOutcome.CONNECTED)
    if event.transfer_of is None or event.status is None or event.status.state is None:
        return None
    state = event.status.state
    if state is LineState.IN_PROGRESS:
        return TransferNews(None, event.kind)
    if state in (LineState.QUEUED, LineState.RINGING):
        return None
    was_answered = event.end in (LegEnd.HUNG_UP, LegEnd.TIME_LIMIT)
    return TransferNews(
        None if was_answered else outcome_of(state, connects=False, declined=event.end is LegEnd.DECLINED),
        event.hangup_cause,
        leg_is_over=True,
        colleague_hung_up=event.hangup_source == "callee",
    )


@dataclass(frozen=True)
class Target:
    """Where a caller can be put through to. The agent's file names it; callers and models say only the name.

    Parameters:
        name: The name in the agent's file.
        address: E.164 or a SIP address.
        warm: Whether the colleague is asked first, while the bot keeps the caller company.
        ring_timeout_secs: How long the colleague's phone may ring.
        caller_id: The number that the colleague sees; None for the number that the caller has dialled.
        refer: Whether a SIP caller is handed over by REFER, which takes the call away from the carrier too.
    """

    name: str
    address: str
    warm: bool = False
    ring_timeout_secs: int = 25
    caller_id: str | None = None
    refer: bool = False


class ResumeReason(StrEnum):
    """Why a call has another media stream."""

    DIGITS = "digits"
    """Keys were pressed for the other side; the conversation goes on as if nothing had been."""
    TRANSFER = "transfer"
    """A transfer has ended."""
    LOST = "lost"
    """The stream before it was lost."""
    HANDED_OVER = "handed_over"
    """The process that had the stream before is to stop, and has let go of it."""


@dataclass(frozen=True)
class Resume:
    """What the next session must know about how the last one ended.

    Parameters:
        reason: Why the caller comes back.
        destination: Name of the transfer's target in the agent's file.
        outcome: How the transfer ended; empty while that is not known.
        detail: More about the outcome, for people who read the events.
    """

    reason: ResumeReason
    destination: str = ""
    outcome: TransferOutcome | None = None
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for storing it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `as_dict` wrote.

        Raises:
            ValueError: It did not write this.
        """
        outcome = values.get("outcome")
        return cls(
            reason=ResumeReason(values.get("reason", "")),
            destination=str(values.get("destination") or ""),
            outcome=TransferOutcome(outcome) if outcome else None,
            detail=str(values.get("detail") or ""),
        )
