"""The payload of each event of a Call Control leg.

Source: the published client library's types of webhook events (4.189: call_initiated, call_answered, call_bridged,
call_hangup, call_dtmf_received, call_streaming_*, call_machine_*, call_refer_*, call_gather_ended, call_speak_*,
call_playback_*); Telnyx docs, "Voice API webhooks".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulator.legs.leg import INBOUND, Leg

_WITHOUT_NUMBERS = ("streaming.", "call.speak.", "call.playback.")
"""Events whose payloads have neither `from` nor `to`."""


@dataclass(frozen=True)
class Cause:
    """Why a leg is over.

    Attributes:
        cause: `hangup_cause`: normal_clearing, originator_cancel, call_rejected, user_busy, not_found, timeout,
            time_limit, no_answer or unspecified.
        source: `hangup_source`: caller, callee or unknown.
        sip_cause: `sip_hangup_cause` of an outgoing leg; an incoming one has `unspecified`.
    """

    cause: str
    source: str
    sip_cause: str = "unspecified"


CAUSES: Mapping[str, Cause] = {
    "busy": Cause("user_busy", "callee", "486"),
    "declined": Cause("call_rejected", "callee", "603"),
    "no_answer": Cause("timeout", "caller", "487"),
    "failed": Cause("unspecified", "callee", "480"),
    "nobody": Cause("not_found", "callee", "404"),
    "canceled": Cause("originator_cancel", "caller", "487"),
    "limit": Cause("time_limit", "unknown", "200"),
}
"""The causes in the event of an outgoing leg's end that was not answered (or ran out of time). The words are
documented, which of them go together is not."""

REJECTIONS: Mapping[str, Cause] = {
    "CALL_REJECTED": Cause("call_rejected", "callee"),
    "USER_BUSY": Cause("user_busy", "callee"),
    "NOT_FOUND": Cause("not_found", "callee"),
    "TEMPORARILY_UNAVAILABLE": Cause("unspecified", "callee"),
}
"""The causes that the command `reject` may give, and those of the event that follows."""


def payload(event_type: str, leg: Leg, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The payload of an event: the ids and numbers of the leg, and the details of this event."""
    body: dict[str, Any] = {
        "call_control_id": leg.call_id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "client_state": leg.client_state,
        "connection_id": leg.connection_id,
    }
    if not event_type.startswith(_WITHOUT_NUMBERS):
        body |= {"from": leg.from_number, "to": leg.to_number}
    return body | dict(details or {})


def initiated(leg: Leg) -> dict[str, Any]:
    """The payload of call.initiated: the state of an incoming leg is `parked`, of an outgoing one `bridging`."""
    incoming = leg.direction == INBOUND
    return {
        "direction": "incoming" if incoming else "outgoing",
        "state": "parked" if incoming else "bridging",
        "caller_id_name": leg.from_number,
        "connection_codecs": "PCMU,PCMA,G722",
        "offered_codecs": leg.codec,
        "custom_headers": [],
        "sip_headers": [],
        "shaken_stir_attestation": "A" if incoming else None,
        "shaken_stir_validated": incoming,
        "start_time": _iso(leg.created_at),
        "tags": [],
    }


def answered(leg: Leg) -> dict[str, Any]:
    """The payload of call.answered."""
    return {
        "state": "answered",
        "custom_headers": [],
        "sip_headers": [],
        "start_time": _iso(leg.answered_at or leg.created_at),
        "tags": [],
    }


def hung_up(leg: Leg, cause: Cause) -> dict[str, Any]:
    """The payload of call.hangup. The quality of the line is a made-up good one."""
    packets = str(leg.duration_secs * 50)
    quality = {
        "inbound": {
            "jitter_max_variance": "0.00",
            "jitter_packet_count": "0",
            "mos": "4.50",
            "packet_count": packets,
            "skip_packet_count": "0",
        },
        "outbound": {"packet_count": packets, "skip_packet_count": "0"},
    }
    return {
        "state": "hangup",
        "hangup_cause": cause.cause,
        "hangup_source": cause.source,
        "sip_hangup_cause": "unspecified" if leg.direction == INBOUND else cause.sip_cause,
        "call_quality_stats": quality if leg.answered_at else None,
        "custom_headers": [],
        "sip_headers": [],
        "start_time": _iso(leg.created_at),
        "end_time": _iso(leg.ended_at or datetime.now(UTC)),
        "tags": [],
    }


def why(leg: Leg, ended_by: str) -> Cause:
    """The cause in the event of a leg's end."""
    if ended_by == "limit":
        return CAUSES["limit"]
    if leg.answered_at is not None:
        return Cause("normal_clearing", leg.hangup_source, "200")
    if leg.direction != INBOUND:
        return CAUSES["nobody" if leg.nobody_there else leg.ending or "canceled"]
    if ended_by == "caller":
        return Cause("originator_cancel", "caller")
    return Cause("normal_clearing", "callee")


def status(leg: Leg) -> dict[str, Any]:
    """The answer to `GET /v2/calls/{id}`. Source: types/call_retrieve_status_response."""
    body = {
        "record_type": "call",
        "call_control_id": leg.call_id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "client_state": leg.client_state,
        "is_alive": not leg.ended,
        "call_duration": leg.duration_secs,
        "start_time": _iso(leg.answered_at or leg.created_at),
    }
    return body | ({"end_time": _iso(leg.ended_at)} if leg.ended_at else {})


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
