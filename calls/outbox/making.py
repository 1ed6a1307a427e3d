"""Makes a notice of its call's events alone.

Words that were not recorded are not here either: the events have `(not recorded)` in their place.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
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
from calls.events.talk import Attached, BotSaid, CallerSaid, MessageRecorded, MessageTaken, SummedUp
from calls.figures import figures
from calls.outbox.facts import (
    AfterCallFacts,
    CallEnded,
    CallFacts,
    CallStarted,
    Contribution,
    LatencyFacts,
    MessageFacts,
    MessageWasTaken,
    RecordingFacts,
    RecordingIsReady,
    ToolFacts,
    TransferFacts,
)
from calls.outbox.notices import Kind
from calls.outcome import achieved
from calls.recordings import recordings
from calls.transcript import Role, heard_messages


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
            return MessageWasTaken(_call(call), _message(call, cause))
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
        outcome=_outcome(call),
        talk_secs=round(talked.total_seconds(), 1) if talked else 0.0,
        transcript=[
            Contribution(one.role.value, one.text, _time(one.at) or "", one.interrupted)
            for one in heard
            if one.role in (Role.CALLER, Role.BOT)
        ],
        tools=[
            ToolFacts(one.tool.name, one.tool.arguments, one.tool.result, one.tool.ok, _time(one.at) or "")
            for one in heard
            if one.tool is not None
        ],
        transfers=_transfers(call),
        messages=[_message(call, event) for event in call.events if isinstance(event, MessageTaken)],
        recordings=_recordings(call),
        latency=_latency(call.events),
        figures=figures(call.events),
        after_call=_after_call(call),
    )


def _outcome(call: Call) -> str | None:
    found = achieved(
        call.events,
        state=call.state,
        direction=call.direction,
        ended_by=call.ended_by,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
    )
    return found.value if found is not None else None


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


def _message(call: Call, event: MessageTaken) -> MessageFacts:
    recorded = next(reversed(_recordings(call)), None) if isinstance(event, MessageRecorded) else None
    return MessageFacts(
        event.caller_name, event.callback_number, event.message, _time(event.at) or "", recorded
    )


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
