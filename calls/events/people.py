"""Events of what people do about a call, during it or afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from calls.events.event import CallEvent, Personal, Said


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


@dataclass(frozen=True, repr=False)
class SaidByPerson(CallEvent, kind="said_by_person"):
    """A person has had the bot say something to the other side. What was heard of it is in `bot_heard`, as ever.

    Parameters:
        text: The words.
        by: As in `reviewed`.
    """

    text: Said
    by: str = ""


@dataclass(frozen=True, repr=False)
class NoteGiven(CallEvent, kind="note_given"):
    """A person has told the bot something that the other side does not hear; the model finds it in the conversation.

    Parameters:
        text: The note.
        answer_now: Whether the bot was to say something at once.
        by: As in `reviewed`.
    """

    text: Said
    answer_now: bool = False
    by: str = ""


@dataclass(frozen=True, repr=False)
class ListeningStarted(CallEvent, kind="listening_started"):
    """A person begins to listen in on the call. The agent's file allows it, and the caller has been told.

    Parameters:
        by: As in `reviewed`.
    """

    by: str


@dataclass(frozen=True, repr=False)
class ListeningEnded(CallEvent, kind="listening_ended"):
    """A person listens no more. Without this, as after the death of the process, `detached` ended it.

    Parameters:
        by: As in `reviewed`.
        secs: How long they have listened, in seconds, to a tenth.
        why: `left` (they have stopped), `detached` (the bot's session with the caller is over), `too_slow` (they did
            not take what was said) or `not_allowed` (their key or session has ended meanwhile).
    """

    by: str
    secs: float
    why: str
