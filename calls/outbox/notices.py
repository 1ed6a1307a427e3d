"""What the owner's systems can be told of, by which ways, and which event of a call causes which notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from calls.colleague import COLLEAGUE, ROLE
from calls.events.event import CallEvent
from calls.events.lifecycle import Answered, Ended, RecordingReported
from calls.events.talk import MessageTaken

FILE_IS_THERE = "completed"
"""The state of a recording whose file can be fetched."""


class Kind(StrEnum):
    """What happened."""

    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"
    MESSAGE_TAKEN = "message.taken"
    RECORDING_READY = "recording.ready"


class Channel(StrEnum):
    """By which way a notice goes. In a call, the notices of one channel keep their order."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    AFTER_CALL = "after_call"
    """To the agent's own model, which sums the call up: no notice to anybody, but as durable as one."""


@dataclass(frozen=True)
class Way:
    """A way that a notice is to go.

    Parameters:
        channel: Which.
        patience_secs: How long it may wait for what is still to come of its call.
    """

    channel: Channel
    patience_secs: float = 0.0


class Wants(Protocol):
    """Who wants to be told. It is asked in the thread of the database, and must neither block nor raise."""

    def __call__(self, row: Mapping[str, Any], kind: Kind) -> Sequence[Way]:
        """The ways that a notice is to go.

        Args:
            row: The call, as `calls.database.saved.row_of` makes it.
            kind: What happened.
        """
        ...


def kind_of(event: CallEvent) -> Kind | None:
    """The notice that an event causes; None for most."""
    match event:
        case Answered():
            return Kind.CALL_STARTED
        case Ended():
            return Kind.CALL_ENDED
        case MessageTaken():
            return Kind.MESSAGE_TAKEN
        case RecordingReported(state=state, url=url) if state == FILE_IS_THERE and url:
            return Kind.RECORDING_READY
    return None


def is_told_of(row: Mapping[str, Any]) -> bool:
    """Whether a call is one to tell of: the leg to a colleague is not, the caller's call has what came of it."""
    return bool(row["parameters"].get(ROLE) != COLLEAGUE)
