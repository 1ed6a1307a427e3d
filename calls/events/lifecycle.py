"""Events of what becomes of a call: its states, its end, transfers, colleagues, recordings, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from calls.events.event import LEFT_OUT, CallEvent, Personal, Privacy, Said
from calls.states import CallState, EndedBy
from calls.transfer import TransferOutcome
from carriers.reports import AnsweredBy


@dataclass(frozen=True, repr=False)
class StateChanged(CallEvent, kind="state"):
    """The call is in another state now.

    Parameters:
        state: The new state; `completed` and those behind it are ends.
        cause: Why, in a few words for people.
    """

    ONCE = True

    state: CallState
    cause: str


@dataclass(frozen=True, repr=False)
class Ringing(CallEvent, kind="ringing"):
    """The phone rings: the bot's, or that of the person whom the bot calls."""

    ONCE = True


@dataclass(frozen=True, repr=False)
class Answered(CallEvent, kind="answered"):
    """The call was answered. It happens once."""

    ONCE = True


@dataclass(frozen=True, repr=False)
class Ended(CallEvent, kind="ended"):
    """The call is over. Events may follow that were under way, such as `detached` or a report about a recording.

    Parameters:
        ended_by: Who ended it. `caller` is the other party, also on a call that the bot made; `human` is a person of
            the operator's.
        cause: Why, in a few words for people.
    """

    ended_by: EndedBy
    cause: str


@dataclass(frozen=True, repr=False)
class TurnedAway(CallEvent, kind="turned_away"):
    """The call was not given to the bot, as there was no room for it.

    Parameters:
        reason: `full` (as many calls as may run), `busy` (the machine is too busy) or `draining` (the service is to
            stop).
        how: What the caller gets: `say` (a sentence), `busy` (a busy tone), `overflow` (another number), `call_back`
            (a sentence that they will be called back) or `message` (the carrier records a message).
        by: Who has had the service take no calls: the name of their key, as in `hang_up`. There only in the process
            that was asked for it.
    """

    reason: str
    how: str
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class CarrierSpeaks(CallEvent, kind="carrier_speaks"):
    """The carrier is told to say something in its own voice, on a call that the bot is not given.

    Parameters:
        line: The line's name in the agent's file, of several the first one.
    """

    line: str


@dataclass(frozen=True, repr=False)
class CarrierSpoke(CallEvent, kind="carrier_spoke"):
    """The carrier is done with saying it.

    Parameters:
        line: As in `carrier_speaks`.
    """

    ONCE = True

    line: str


@dataclass(frozen=True, repr=False)
class GoodbyePromised(CallEvent, kind="goodbye"):
    """The bot says goodbye, and hangs up when it was heard: from here on the call is to end, whatever happens.

    Parameters:
        farewell: The last words; empty where what is being said already is the last.
        ended_by: Who ends the call, as in `ended`.
        cause: Why, in a few words for people.
        state: Which end it is to be: `completed` or `voicemail`.
    """

    farewell: Said
    ended_by: EndedBy
    cause: str
    state: CallState


@dataclass(frozen=True, repr=False)
class GoodbyeTakenBack(CallEvent, kind="goodbye_taken_back"):
    """The caller has asked for something else over the goodbye, and the call goes on."""


@dataclass(frozen=True, repr=False)
class HangUpStarted(CallEvent, kind="hang_up"):
    """The carrier is asked to end the call; `ended` follows when it says that the call is over.

    Parameters:
        ended_by: Who ends the call, as in `ended`.
        cause: Why, in a few words for people.
        by: Who of the operator's people has asked for it: the name of their key. There only when one of them has.
    """

    ended_by: EndedBy
    cause: str
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class HangUpFailed(CallEvent, kind="hang_up_failed"):
    """The carrier could not be asked to end the call, or refused. It is asked again in the background.

    Parameters:
        reason: What went wrong.
    """

    reason: str


@dataclass(frozen=True, repr=False)
class Dialling(CallEvent, kind="dialling"):
    """The carrier is asked to make the call.

    Parameters:
        ring_timeout_secs: How long the phone may ring, in seconds.
        by: As in `hang_up`.
    """

    ring_timeout_secs: int
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class AnswererDetected(CallEvent, kind="answered_by"):
    """The carrier has found out who, or what, has answered a call that we made. It may correct itself.

    Parameters:
        who: What it takes them for; `greeting_ended` is a machine whose greeting is over.
    """

    ONCE = True

    who: AnsweredBy


@dataclass(frozen=True, repr=False)
class LookedUp(CallEvent, kind="lookup"):
    """The operator's service was asked who the caller is, before the greeting.

    Parameters:
        result: `found`, `empty` (it does not know them), `late` (no answer within the budget) or `failed`.
        ms: How long that took, in milliseconds.
    """

    result: str
    ms: int


@dataclass(frozen=True, repr=False)
class DigitsSent(CallEvent, kind="digits_sent"):
    """Keys were pressed for the other side.

    Parameters:
        count: How many, pauses included. Which ones is not kept: they may be a secret.
        by: As in `hang_up`.
    """

    count: int
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class ErrorHappened(CallEvent, kind="error"):
    """Something went wrong that the call may have survived.

    Parameters:
        message: What, in a sentence for people; it may quote a service that quotes what was said to it.
        category: Of what sort the error of a speech or language service is, in Pipecat's words; not there for others.
    """

    message: Personal
    category: str | None = field(default=None, metadata=LEFT_OUT)


# Transfers


@dataclass(frozen=True, repr=False)
class TransferStarted(CallEvent, kind="transfer_started"):
    """The caller is being put through. `transfer_ended` says how it went.

    Parameters:
        destination: The destination's name in the agent's file.
        warm: Whether the colleague is asked first, on a call of their own.
        refer: Whether a SIP caller is handed over by REFER; there only when that is so.
        by: As in `hang_up`.
    """

    destination: str
    warm: bool = False
    refer: bool = field(default=False, metadata=LEFT_OUT)
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class ColleagueCalled(CallEvent, kind="colleague_called"):
    """A colleague is called, who is to be asked whether they take the caller.

    Parameters:
        call_id: Our id of that call, which has events of its own.
    """

    call_id: str


@dataclass(frozen=True, repr=False)
class TransferEnded(CallEvent, kind="transfer_ended"):
    """It is known how a transfer went.

    Parameters:
        destination: As in `transfer_started`; empty when it is not known.
        outcome: How it went. Unless it is `connected`, the caller is back with the bot.
        reason: More about the outcome, in a few words of the bot's or of the carrier's; it may be empty.
    """

    destination: str
    outcome: TransferOutcome
    reason: str = ""


# On the call of a colleague who is asked whether they take a caller


@dataclass(frozen=True, repr=False)
class BriefingStarted(CallEvent, kind="briefing"):
    """A colleague has answered, and the bot tells them what the caller wants."""


@dataclass(frozen=True, repr=False)
class Accepted(CallEvent, kind="accepted"):
    """The colleague takes the caller."""


@dataclass(frozen=True, repr=False)
class Declined(CallEvent, kind="declined"):
    """The colleague does not take the caller."""


@dataclass(frozen=True, repr=False)
class Connected(CallEvent, kind="connected"):
    """The colleague and the caller talk with each other."""


@dataclass(frozen=True, repr=False)
class ConnectFailed(CallEvent, kind="connect_failed"):
    """The colleague and the caller could not be brought together.

    Parameters:
        reason: What went wrong.
    """

    reason: str


@dataclass(frozen=True, repr=False)
class CallerGone(CallEvent, kind="caller_gone"):
    """The caller does not wait for the colleague any more."""


# Recordings


@dataclass(frozen=True, repr=False)
class RecordingChanged(CallEvent, kind="recording"):
    """The carrier did what the bot or the operator had asked it to do with a recording.

    Parameters:
        state: What it is now: `in_progress`, `paused`, `stopped`, then `completed` (the file is there), `absent`,
            `failed`, or `unknown`; `deleted` once the carrier has been told to delete it.
        recording_id: The carrier's id of the recording; null until the carrier has given it.
        by: As in `hang_up`; also of who has had it deleted.
    """

    ONCE = True

    state: str
    recording_id: str | None = None
    by: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class RecordingReported(RecordingChanged, kind="recording"):
    """A carrier's report of a recording, which has these as well.

    Parameters:
        url: Where the file is, for a while perhaps without a password; null unless it is there, or will be in a moment.
        duration_secs: How long it is, in seconds; null when the carrier does not say.
        channels: 1, or 2 with each side on its own; null when the carrier does not say.
        reason: Why there is no file, in the carrier's words; present only when the carrier says.
        started_at: When the recording began by the carrier's clock, in UTC; present only when the carrier says.
    """

    url: Annotated[str | None, Privacy.PERSONAL] = field(kw_only=True)
    duration_secs: int | None = field(kw_only=True)
    channels: int | None = field(kw_only=True)
    reason: str = field(default="", kw_only=True, metadata=LEFT_OUT)
    started_at: str = field(default="", kw_only=True, metadata=LEFT_OUT)


# Afterwards


@dataclass(frozen=True, repr=False)
class CallerErased(CallEvent, kind="caller_erased"):
    """What the call had of the caller was erased at a person's request: number, words, recordings.

    Parameters:
        by: As in `hang_up`; `command line` for `phonebot calls erase` on the machine with the database.
    """

    by: str | None = field(default=None, metadata=LEFT_OUT)
