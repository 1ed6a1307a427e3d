"""Where a call stands, which state may follow which, and who ends a call."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class CallState(StrEnum):
    """Where a call stands.

    The way of most calls::

        queued -> ringing -> in_progress -> completed
                                |    ^
                                v    |
                             transferring -> transferred -> completed

    A call that was handed over can come back to the bot too, when the colleague hangs up first.

    Every state but an end can also go straight to any end: carriers' reports get lost.
    """

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    TRANSFERRING = "transferring"
    TRANSFERRED = "transferred"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"
    VOICEMAIL = "voicemail"

    @property
    def is_end(self) -> bool:
        """Whether nothing can happen to the call any more."""
        return self in ENDS


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    """The other party: the caller, or the callee of a call that we made."""
    BOT = "bot"
    HUMAN = "human"
    """A person of the operator's: through the API, or after a transfer."""
    LIMIT = "limit"
    """A limit of ours: the longest duration, or the capacity or the end of the service."""
    ERROR = "error"


ENDS = frozenset(
    {
        CallState.COMPLETED,
        CallState.BUSY,
        CallState.NO_ANSWER,
        CallState.FAILED,
        CallState.CANCELED,
        CallState.VOICEMAIL,
    }
)

NEXT: Mapping[CallState, frozenset[CallState]] = {
    CallState.QUEUED: ENDS | {CallState.RINGING, CallState.IN_PROGRESS},
    CallState.RINGING: ENDS | {CallState.IN_PROGRESS},
    CallState.IN_PROGRESS: ENDS | {CallState.TRANSFERRING},
    CallState.TRANSFERRING: ENDS | {CallState.TRANSFERRED, CallState.IN_PROGRESS},
    CallState.TRANSFERRED: ENDS | {CallState.IN_PROGRESS},
    **{end: frozenset() for end in ENDS},
}
"""Which state may follow which."""
