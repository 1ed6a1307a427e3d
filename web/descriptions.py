"""Calls as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from calls.call import Call
from calls.events.event import FORMAT, CallEvent
from calls.events.lifecycle import AnswererDetected, RecordingChanged, TransferEnded, TransferStarted
from calls.events.talk import ServiceFailedOver
from calls.figures import figures
from calls.transcript import turns


def summary(call: Call) -> dict[str, Any]:
    """A call without what was said."""
    return {
        "id": call.id,
        "carrier": call.carrier,
        "carrier_call_id": call.carrier_call_id,
        "mode": call.mode,
        "direction": call.direction,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "state": call.state,
        "ended_by": call.ended_by,
        "end_cause": call.end_cause,
        "agent": call.agent,
        "created_at": _time(call.created_at),
        "answered_at": _time(call.answered_at),
        "ended_at": _time(call.ended_at),
    }


def description(call: Call) -> dict[str, Any]:
    """All that is known of a call."""
    answered_by = call.last(AnswererDetected)
    return {
        **summary(call),
        "answered_by": answered_by.who if answered_by else None,
        "transfers": _transfers(call),
        "recordings": _recordings(call),
        "figures": asdict(figures(call.events)),
        "failovers": _failovers(call),
        "turns": [asdict(turn) for turn in turns(call.events)],
        "event_format": FORMAT,
        "events": [event_description(event) for event in call.events],
    }


def event_description(event: CallEvent) -> dict[str, Any]:
    """An event in one table."""
    return {**event.data, "at": _time(event.at), "kind": event.kind}


def _transfers(call: Call) -> list[dict[str, Any]]:
    """Each attempt to put the caller through; its outcome is None while it is not known."""
    transfers: list[dict[str, Any]] = []
    for event in call.events:
        if isinstance(event, TransferStarted):
            transfers.append(
                {
                    "destination": event.destination,
                    "warm": event.warm,
                    "started_at": _time(event.at),
                    "outcome": None,
                    "reason": None,
                    "ended_at": None,
                }
            )
        elif isinstance(event, TransferEnded) and transfers:
            transfers[-1] |= {
                "outcome": event.outcome,
                "reason": event.reason,
                "ended_at": _time(event.at),
            }
    return transfers


def _failovers(call: Call) -> list[dict[str, Any]]:
    """Each time that a service has gone on for another one that has failed."""
    return [
        {**event.data, "at": _time(event.at)} for event in call.events if isinstance(event, ServiceFailedOver)
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
            known = [dict.fromkeys(("recording_id", "state", "url", "duration_secs", "channels"))]
            recordings += known
        data = {name: value for name, value in event.data.items() if value is not None and name != "by"}
        known[0].update(data)
    return recordings


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
