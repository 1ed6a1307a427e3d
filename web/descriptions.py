"""Calls as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from calls.call import Call
from calls.events.event import FORMAT, CallEvent
from calls.events.lifecycle import (
    AnswererDetected,
    RecordingChanged,
    TransferEnded,
    TransferStarted,
)
from calls.events.talk import ServiceFailedOver, TurnMeasured
from calls.figures import figures
from calls.listening import listeners
from calls.looking import record_of
from calls.recordings import began
from calls.searching import Record
from calls.transcript import turns

RECORDING = ("recording_id", "state", "url", "duration_secs", "channels")
"""What is known of a recording, besides when it began."""


def summary(record: Record) -> dict[str, Any]:
    """A call without its events."""
    over = record["ended_at"] is not None
    return {
        "id": record["id"],
        "carrier": record["carrier"],
        "carrier_call_id": record["carrier_call_id"] or "",
        "mode": record["mode"],
        "direction": record["direction"],
        "from_number": record["from_number"],
        "to_number": record["to_number"],
        "state": record["state"],
        "ended_by": record["ending_by"] if over else None,
        "end_cause": record["ending_cause"] or "" if over else None,
        "agent": record["agent"],
        "created_at": time_text(record["created_at"]),
        "answered_at": time_text(record["answered_at"]),
        "ended_at": time_text(record["ended_at"]),
        "outcome": record["outcome"],
        "outcome_found": record["outcome_found"],
        "reviewed_at": time_text(record["reviewed_at"]),
        "note": record["note"] or "",
        "talk_secs": None if record["talk_ms"] is None else round(record["talk_ms"] / 1000, 1),
        "first_words_ms": record["first_words_ms"],
        "response_ms": {"p50": record["response_p50_ms"], "max": record["response_max_ms"]},
        "responses": record["responses"],
        "interruptions": record["interruptions"],
        "errors": record["errors"],
        "has": (record["has"] or "").split(),
        "about": record["about"],
    }


def description(call: Call) -> dict[str, Any]:
    """All that is known of a call."""
    answered_by = call.last(AnswererDetected)
    return {
        **summary(record_of(call)),
        "answered_by": answered_by.who if answered_by else None,
        "transfers": _transfers(call),
        "recordings": _recordings(call),
        "figures": asdict(figures(call.events)),
        "failovers": _failovers(call),
        "listeners": listeners(call.events),
        "turns": [asdict(turn) for turn in turns(call.events)],
        "turn_times": [event_description(event) for event in call.events if isinstance(event, TurnMeasured)],
        "event_format": FORMAT,
        "events": [event_description(event) for event in call.events],
    }


def message_row(message: Record) -> dict[str, Any]:
    """A message that a caller has left."""
    return {
        "call_id": message["call_id"],
        "seq": message["seq"],
        "taken_at": time_text(message["at"]),
        "agent": message["agent"],
        "caller_name": message["caller_name"],
        "callback_number": message["callback_number"],
        "message": message["message"],
        "from_number": message["from_number"],
        "to_number": message["to_number"],
        "direction": message["direction"],
        "handled_at": time_text(message["handled_at"]),
        "handled_by": message["handled_by"],
    }


def event_description(event: CallEvent) -> dict[str, Any]:
    """An event in one table."""
    return {**event.data, "at": time_text(event.at), "kind": event.kind}


def _transfers(call: Call) -> list[dict[str, Any]]:
    """Each attempt to put the caller through; its outcome is None while it is not known."""
    transfers: list[dict[str, Any]] = []
    for event in call.events:
        if isinstance(event, TransferStarted):
            transfers.append(
                {
                    "destination": event.destination,
                    "warm": event.warm,
                    "started_at": time_text(event.at),
                    "outcome": None,
                    "reason": None,
                    "ended_at": None,
                }
            )
        elif isinstance(event, TransferEnded) and transfers:
            transfers[-1] |= {
                "outcome": event.outcome,
                "reason": event.reason,
                "ended_at": time_text(event.at),
            }
    return transfers


def _failovers(call: Call) -> list[dict[str, Any]]:
    """Each time that a service has gone on for another one that has failed."""
    return [
        {**event.data, "at": time_text(event.at)}
        for event in call.events
        if isinstance(event, ServiceFailedOver)
    ]


def _recordings(call: Call) -> list[dict[str, Any]]:
    """The call's recordings, each with the last that is known of it.

    At some carriers the events of our own requests have no recording's id; those count for the latest recording.
    """
    recordings: list[dict[str, Any]] = []
    for event in call.events:
        if not isinstance(event, RecordingChanged):
            continue
        recording_id = event.recording_id
        known = [one for one in recordings if one["recording_id"] == recording_id]
        if not known and recordings and None in (recording_id, recordings[-1]["recording_id"]):
            known = recordings[-1:]
        if not known:
            known = [dict.fromkeys(RECORDING)]
            recordings += known
        data = {name: value for name, value in event.data.items() if value is not None and name != "by"}
        known[0].update(data)
    times = began(call)
    for place, one in enumerate(recordings):
        at = times.get(place)
        one["started_at"] = time_text(at)
        one["after_answer_ms"] = None
        if at is not None and call.answered_at is not None:
            one["after_answer_ms"] = round((at - call.answered_at).total_seconds() * 1000)
    return recordings


def time_text(moment: datetime | None, *, exactly: bool = False) -> str | None:
    """A moment in UTC, to the millisecond, or exactly."""
    if moment is None:
        return None
    unit = "microseconds" if exactly else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=unit).replace("+00:00", "Z")
