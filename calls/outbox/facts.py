"""What a notice says of its call: plain values, made of the call's events alone.

docs/webhooks.md has each of them; a test holds the two together. Words that were not recorded are not here either: the
events have `(not recorded)` in their place.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from calls.call import Call
from calls.database.saved import plain
from calls.events.event import CallEvent
from calls.events.lifecycle import (
    Answered,
    RecordingChanged,
    RecordingReported,
    TransferEnded,
    TransferStarted,
)
from calls.events.talk import Attached, BotSaid, CallerSaid, MessageTaken, SummedUp
from calls.outbox.notices import Kind
from calls.recordings import recordings
from calls.transcript import Role, heard_messages


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
        message: What they said.
        at: When it was taken.
    """

    caller_name: str
    callback_number: str
    message: str
    at: str


@dataclass(frozen=True)
class RecordingFacts:
    """A recording of the call.

    Parameters:
        id: The carrier's id of it; null where it has given none.
        state: What it is now, as in the event `recording`.
        url: Where the file is, for a while perhaps without a password; null unless it is there.
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
        talk_secs: How long it lasted from its answer on, in seconds; 0 when it was not answered.
        transcript: What was said, as it was heard.
        tools: The tools that the bot used, and what they returned.
        transfers: The attempts to put the caller through.
        messages: The messages that were taken.
        recordings: The recordings. A file that comes later has a notice of its own.
        latency: How long the caller waited for words.
        after_call: What the agent's model has made of it; null where nothing was asked for, or nothing came in time.
    """

    call: CallFacts
    state: str
    ended_by: str | None
    cause: str | None
    talk_secs: float
    transcript: Sequence[Contribution]
    tools: Sequence[ToolFacts]
    transfers: Sequence[TransferFacts]
    messages: Sequence[MessageFacts]
    recordings: Sequence[RecordingFacts]
    latency: LatencyFacts
    after_call: AfterCallFacts | None


@dataclass(frozen=True)
class MessageWasTaken:
    """`message.taken`: a message for the business was taken and stored.

    Parameters:
        call: The call, which goes on.
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


def notice(kind: Kind, call: Call, seq: int, at: datetime) -> dict[str, Any]:
    """What is sent.

    Args:
        kind: What happened.
        call: The call, with its events.
        seq: The number of the event that is told of, from 1.
        at: When it happened.

    Returns:
        `type`, `timestamp` and `data`, as the Standard Webhooks specification proposes.
    """
    data = _data(kind, call, call.events[seq - 1] if seq <= len(call.events) else None)
    return {"type": kind.value, "timestamp": _time(at), "data": plain(asdict(data))}


def _data(kind: Kind, call: Call, cause: CallEvent | None) -> Any:
    match kind, cause:
        case Kind.CALL_ENDED, _:
            return _ended(call)
        case Kind.MESSAGE_TAKEN, MessageTaken():
            return MessageWasTaken(_call(call), _message(cause))
        case Kind.RECORDING_READY, RecordingReported():
            return RecordingIsReady(_call(call), _recording(cause.recording_id, cause.state, cause))
    return CallStarted(_call(call))


def _ended(call: Call) -> CallEnded:
    talked = call.ended_at - call.answered_at if call.ended_at and call.answered_at else None
    heard = heard_messages(call.events)
    return CallEnded(
        call=_call(call),
        state=call.state.value,
        ended_by=call.ended_by.value if call.ended_by else None,
        cause=call.end_cause,
        talk_secs=round(talked.total_seconds(), 1) if talked else 0.0,
        transcript=[
            Contribution(one.role.value, one.text, _time(one.at) or "", one.interrupted)
            for one in heard
            if one.role is not Role.TOOL
        ],
        tools=[
            ToolFacts(one.tool.name, one.tool.arguments, one.tool.result, one.tool.ok, _time(one.at) or "")
            for one in heard
            if one.tool is not None
        ],
        transfers=_transfers(call),
        messages=[_message(event) for event in call.events if isinstance(event, MessageTaken)],
        recordings=_recordings(call),
        latency=_latency(call.events),
        after_call=_after_call(call),
    )


def _call(call: Call) -> CallFacts:
    return CallFacts(
        id=call.id,
        carrier=call.carrier,
        carrier_call_id=call.carrier_call_id or None,
        direction=call.direction.value,
        agent=call.agent,
        from_number=call.from_number,
        to_number=call.to_number,
        parameters=dict(call.parameters),
        created_at=_time(call.created_at) or "",
        answered_at=_time(call.answered_at),
        ended_at=_time(call.ended_at),
    )


def _message(event: MessageTaken) -> MessageFacts:
    return MessageFacts(event.caller_name, event.callback_number, event.message, _time(event.at) or "")


def _transfers(call: Call) -> list[TransferFacts]:
    found: list[TransferFacts] = []
    open_one: TransferStarted | None = None
    for event in call.events:
        if isinstance(event, TransferStarted):
            if open_one is not None:
                found.append(_transfer(open_one, None))
            open_one = event
        elif isinstance(event, TransferEnded):
            found.append(_transfer(open_one, event))
            open_one = None
    return [*found, _transfer(open_one, None)] if open_one is not None else found


def _transfer(started: TransferStarted | None, ended: TransferEnded | None) -> TransferFacts:
    begun = started or ended
    assert begun is not None
    return TransferFacts(
        destination=begun.destination,
        warm=started.warm if started else False,
        outcome=ended.outcome.value if ended else None,
        reason=ended.reason if ended else "",
        at=_time(begun.at) or "",
    )


def _recordings(call: Call) -> list[RecordingFacts]:
    reports: dict[str | None, RecordingChanged] = {
        event.recording_id: event for event in call.events if isinstance(event, RecordingReported)
    }
    return [_recording(one.id, one.state, reports.get(one.id)) for one in recordings(call)]


def _recording(recording_id: str | None, state: str, report: RecordingChanged | None) -> RecordingFacts:
    if not isinstance(report, RecordingReported):
        return RecordingFacts(recording_id, state, None, None, None)
    return RecordingFacts(recording_id, state, report.url, report.duration_secs, report.channels)


def _after_call(call: Call) -> AfterCallFacts | None:
    made = call.last(SummedUp)
    return AfterCallFacts(made.result, made.summary, made.disposition, made.fields) if made else None


def _latency(events: Sequence[CallEvent]) -> LatencyFacts:
    first: int | None = None
    waits: list[int] = []
    answered: datetime | None = None
    asked: datetime | None = None
    for event in events:
        match event:
            case Answered():
                answered = event.at
            case CallerSaid():
                asked = event.at
            case Attached():
                asked = None  # what is said after a break is no reply
            case BotSaid():
                if first is None and answered is not None:
                    first = _ms(answered, event.at)
                if asked is not None:
                    waits.append(_ms(asked, event.at))
                    asked = None
    return LatencyFacts(
        first_words_ms=first,
        replies=len(waits),
        reply_median_ms=round(statistics.median(waits)) if waits else None,
        reply_longest_ms=max(waits, default=None),
    )


def _ms(begin: datetime, end: datetime) -> int:
    return round((end - begin).total_seconds() * 1000)


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
