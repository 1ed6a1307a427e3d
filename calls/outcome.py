"""What a call has achieved, from its events alone: apart from how it ended, which is its state and who ended it.

A call that the bot has ended may have achieved nothing, and one whose line was lost may have left a message. A person
may overrule it (`calls.events.people.Reviewed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from calls.events.event import CallEvent
from calls.events.lifecycle import BriefingStarted, Connected, TransferEnded, TurnedAway
from calls.events.people import Reviewed
from calls.events.talk import BotHeard, CallerSaid, DtmfReceived, MessageTaken, VoicemailLeft
from calls.states import CallState, EndedBy
from calls.transfer import TransferOutcome
from carriers.carrier import Direction

LEFT_AT_ONCE_SECS = 5.0
"""Who leaves within this time after the answer, in seconds, has not talked with the bot."""


class Outcome(StrEnum):
    """What a call has achieved."""

    TRANSFERRED = "transferred"
    """The caller was connected with a person."""
    MESSAGE = "message"
    """A message for the business was taken."""
    ANSWERED = "answered"
    """The two have talked."""
    VOICEMAIL = "voicemail"
    """A voicemail box has answered, with or without a message being left."""
    ABANDONED = "abandoned"
    """The other side has left before they said anything, or at once."""
    TURNED_AWAY = "turned_away"
    """There was no room for the call."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELED = "canceled"
    FAILED = "failed"
    """It could not be placed, or not be answered."""
    LOST = "lost"
    """It was ended by an error while the two talked."""


NEVER_ANSWERED = {
    CallState.BUSY: Outcome.BUSY,
    CallState.NO_ANSWER: Outcome.NO_ANSWER,
    CallState.VOICEMAIL: Outcome.VOICEMAIL,
}


def achieved(
    events: Sequence[CallEvent],
    *,
    state: CallState,
    direction: Direction,
    ended_by: EndedBy | None,
    answered_at: datetime | None,
    ended_at: datetime | None,
) -> Outcome | None:
    """What a call has achieved.

    Args:
        events: All that happened on it.
        state: Where it stands.
        direction: Who dialled.
        ended_by: Who ended it.
        answered_at: When it was answered.
        ended_at: When it ended.

    Returns:
        None while it lives.
    """
    if not state.is_end:
        return None
    if any(isinstance(event, TurnedAway) for event in events):
        return Outcome.TURNED_AWAY
    if any(_connects(event) for event in events):
        return Outcome.TRANSFERRED
    if any(isinstance(event, MessageTaken) for event in events):
        return Outcome.MESSAGE
    if any(isinstance(event, VoicemailLeft) for event in events):
        return Outcome.VOICEMAIL
    if state in NEVER_ANSWERED:
        return NEVER_ANSWERED[state]
    inbound = direction is Direction.INBOUND
    if answered_at is None:
        if state is CallState.FAILED or ended_by is EndedBy.ERROR:
            return Outcome.FAILED
        if inbound:
            return Outcome.ABANDONED
        return Outcome.CANCELED if state is CallState.CANCELED else Outcome.NO_ANSWER
    if state is CallState.FAILED or ended_by is EndedBy.ERROR:
        return Outcome.LOST
    if any(isinstance(event, BriefingStarted) for event in events):
        return Outcome.ANSWERED  # a colleague, who was told what the caller wants
    secs = (ended_at - answered_at).total_seconds() if ended_at is not None else 0.0
    left_at_once = ended_by is EndedBy.CALLER and secs < LEFT_AT_ONCE_SECS
    spoke = any(_says_something(event) for event in events)
    listened = not inbound and any(isinstance(event, BotHeard) for event in events)
    return Outcome.ABANDONED if left_at_once or not (spoke or listened) else Outcome.ANSWERED


def overruled(events: Sequence[CallEvent]) -> Reviewed | None:
    """What a person has said of the call last."""
    return next((event for event in reversed(events) if isinstance(event, Reviewed)), None)


def _connects(event: CallEvent) -> bool:
    return isinstance(event, Connected) or (
        isinstance(event, TransferEnded) and event.outcome is TransferOutcome.CONNECTED
    )


def _says_something(event: CallEvent) -> bool:
    return isinstance(event, DtmfReceived) or (isinstance(event, CallerSaid) and bool(event.text.strip()))
