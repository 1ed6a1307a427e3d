"""What a notice has in its `data`: plain values, in tables that docs/webhooks.md has one by one.

A test holds the two together. `calls.outbox.making` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calls.figures import Figures
from calls.outbox.notices import Kind


@dataclass(frozen=True)
class CallFacts:
    """Which call a notice is about.

    Parameters:
        id: Our id of it.
        carrier: The phone company's name here.
        carrier_call_id: Its id of the call; null where it has given none.
        direction: `inbound`, or `outbound` for a call that the bot has made.
        agent: The agent's name.
        from_number: Who called, in E.164 or as a SIP address; null when withheld or not known.
        to_number: The number that was called.
        parameters: What the operator, the carrier or the API has passed along with the call.
        created_at: When we heard of it, or asked for it.
        answered_at: When it was answered; null when it was not.
        ended_at: When it ended; null while it lives.
    """

    id: str
    carrier: str
    carrier_call_id: str | None
    direction: str
    agent: str | None
    from_number: str | None
    to_number: str | None
    parameters: Mapping[str, Any]
    created_at: str
    answered_at: str | None
    ended_at: str | None


@dataclass(frozen=True)
class Contribution:
    """A line of the transcript.

    Parameters:
        role: `caller` or `bot`.
        text: What was understood of the caller, or what the caller heard of the bot.
        at: When it began.
        interrupted: Whether the bot was cut off in it.
    """

    role: str
    text: str
    at: str
    interrupted: bool


@dataclass(frozen=True)
class ToolFacts:
    """A tool that the bot used.

    Parameters:
        name: The tool's.
        arguments: What it was called with.
        result: What it returned.
        ok: Whether it did what it is for.
        at: When.
    """

    name: str
    arguments: Mapping[str, Any]
    result: Any
    ok: bool
    at: str


@dataclass(frozen=True)
class TransferFacts:
    """An attempt to put the caller through.

    Parameters:
        destination: Its name in the agent's file.
        warm: Whether the colleague was asked first.
        outcome: How it went; null when that is not known.
        reason: More about the outcome; it may be empty.
        at: When it began.
    """

    destination: str
    warm: bool
    outcome: str | None
    reason: str
    at: str


@dataclass(frozen=True)
class MessageFacts:
    """A message for the business.

    Parameters:
        caller_name: Who left it; empty when they did not say.
        callback_number: Where they can be called back; empty when that is not known.
        message: What they said; empty where the carrier has recorded it.
        at: When it was taken.
        recording: The carrier's recording that is the message, as far as it was reported; null for a message that the
            bot has taken.
    """

    caller_name: str
    callback_number: str
    message: str
    at: str
    recording: RecordingFacts | None


@dataclass(frozen=True)
class RecordingFacts:
    """A recording of the call.

    Parameters:
        id: The carrier's id of it; null where it has given none.
        state: What it is now, as in the event `recording`.
        url: Where the file is, for a while perhaps without a password; null unless it is there, or will be in a moment.
        duration_secs: How long it is, in seconds; null when the carrier does not say.
        channels: 1, or 2 with each side on its own; null when the carrier does not say.
    """

    id: str | None
    state: str
    url: str | None
    duration_secs: int | None
    channels: int | None


@dataclass(frozen=True)
class LatencyFacts:
    """How long the caller waited for words, in milliseconds, up to the moment at which the voice was given them.

    Parameters:
        first_words_ms: From the answer to the bot's first words; null when there were none.
        replies: How many of the caller's turns the bot has replied to.
        reply_median_ms: From the end of the caller's turn to the reply, the median; null without a reply.
        reply_longest_ms: The longest of these; null without a reply.
    """

    first_words_ms: int | None
    replies: int
    reply_median_ms: int | None
    reply_longest_ms: int | None


@dataclass(frozen=True)
class AfterCallFacts:
    """What the agent's model has made of the call, as `[after_call]` of the agent's file says.

    Parameters:
        result: `made`, `no_model`, `nothing_said`, `late` or `failed`, as in the event `after_call`.
        summary: What the call was about; empty unless it was made.
        disposition: One of the agent's `dispositions`; null unless it was made.
        fields: The agent's `fields`, by their names; null for what was not said.
    """

    result: str
    summary: str
    disposition: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class CallStarted:
    """`call.started`: a call was answered.

    Parameters:
        call: The call.
    """

    call: CallFacts


@dataclass(frozen=True)
class CallEnded:
    """`call.ended`: a call is over, answered or not.

    Parameters:
        call: The call.
        state: How it ended: `completed`, `busy`, `no_answer`, `failed`, `canceled` or `voicemail`.
        ended_by: Who ended it: `caller` (the other side), `bot`, `human` (a person of the operator's), `limit` or
            `error`.
        cause: Why, in a few words for people.
        outcome: What the call has achieved: `transferred`, `message`, `answered`, `voicemail`, `abandoned`,
            `turned_away`, `busy`, `no_answer`, `canceled`, `failed` or `lost`.
        talk_secs: How long it lasted from its answer on, in seconds; 0 when it was not answered.
        transcript: What was said, as it was heard.
        tools: The tools that the bot used, and what they returned.
        transfers: The attempts to put the caller through.
        messages: The messages that were taken.
        recordings: The recordings. A file that comes later has a notice of its own.
        latency: How long the caller waited for words.
        figures: How the call felt, as `GET /calls/{id}` has it.
        after_call: What the agent's model has made of it; null where nothing was asked for, or nothing came in time.
    """

    call: CallFacts
    state: str
    ended_by: str | None
    cause: str | None
    outcome: str | None
    talk_secs: float
    transcript: Sequence[Contribution]
    tools: Sequence[ToolFacts]
    transfers: Sequence[TransferFacts]
    messages: Sequence[MessageFacts]
    recordings: Sequence[RecordingFacts]
    latency: LatencyFacts
    figures: Figures
    after_call: AfterCallFacts | None


@dataclass(frozen=True)
class MessageWasTaken:
    """`message.taken`: a message for the business was taken and stored.

    Parameters:
        call: The call, which may be over.
        message: The message.
    """

    call: CallFacts
    message: MessageFacts


@dataclass(frozen=True)
class RecordingIsReady:
    """`recording.ready`: the file of a recording is there.

    Parameters:
        call: The call, which may be over.
        recording: The recording.
    """

    call: CallFacts
    recording: RecordingFacts


KINDS: Mapping[Kind, type[Any]] = {
    Kind.CALL_STARTED: CallStarted,
    Kind.CALL_ENDED: CallEnded,
    Kind.MESSAGE_TAKEN: MessageWasTaken,
    Kind.RECORDING_READY: RecordingIsReady,
}
"""The `data` of each kind."""
