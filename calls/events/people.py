"""Events of what people do about a call, during it or afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from calls.events.event import CallEvent, Personal


@dataclass(frozen=True, repr=False)
class Reviewed(CallEvent, kind="reviewed"):
    """A person has looked at the call. The last of these events counts.

    Parameters:
        outcome: What they say that the call has achieved, in place of what was found; null for what was found.
        note: Their note; empty for none.
        reviewed: Whether they are done with it.
        by: Who they are: the name of their key, as in `hang_up`, or the command that they have given.
    """

    outcome: str | None = None
    note: Personal = ""
    reviewed: bool = False
    by: str = ""


@dataclass(frozen=True, repr=False)
class MessageHandled(CallEvent, kind="message_handled"):
    """A person says that a message has been dealt with, or that it has not.

    Parameters:
        seq: The number of the message's event `message_taken` in the call.
        handled: Whether it has been.
        by: As in `reviewed`.
    """

    seq: int
    handled: bool
    by: str = ""
