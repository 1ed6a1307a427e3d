"""The forms of TeXML's callbacks about calls and conferences.

Sources: Telnyx docs, TeXML callbacks "call initiated", "call ringing", "call answered", "call completed", "call amd",
"conference start" and its sisters; TeXML dial and refer.
"""

from __future__ import annotations

from datetime import UTC, datetime

from emulator.legs.dialect import ConferenceEvent, Dialled, Referred
from emulator.legs.leg import Leg
from emulator.line.colleague import Ending

CAUSES: dict[Ending, tuple[str, str, str]] = {
    "completed": ("completed", "normal_clearing", "200"),
    "busy": ("busy", "user_busy", "486"),
    "declined": ("busy", "call_rejected", "603"),
    "no_answer": ("no-answer", "timeout", "487"),
    "failed": ("failed", "unspecified", "480"),
    "canceled": ("canceled", "originator_cancel", "487"),
}
"""Status, HangupCause and SipHangupCause of a leg that the carrier dialled. The words are documented, which of them go
together is not."""


def iso(moment: datetime) -> str:
    """A time as Telnyx writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def progress_parameters(leg: Leg, event: str, sequence: int) -> dict[str, str]:
    """A status callback.

    The field sets of `initiated`, `ringing`, `answered` and `completed` differ, as documented.
    """
    parameters = {
        "AccountSid": leg.account_id,
        "CallInitiatedAt": iso(leg.created_at),
        "CallSid": leg.call_id,
        "CallSidLegacy": leg.call_id,
        "CallStatus": leg.status,
        "CallbackSource": "call-progress-events",
        "CallerId": leg.from_number,
        "ConnectionId": leg.connection_id,
        "From": leg.from_number,
        "SequenceNumber": str(sequence),
        "Timestamp": iso(datetime.now(UTC)),
        "To": leg.to_number,
    }
    if leg.parent_id is not None:
        parameters |= {"ParentCallSid": leg.parent_id, "ParentCallSidLegacy": leg.parent_id}
    if event == "answered":
        parameters |= {"Codec": leg.codec, "SamplingRate": "8000"}
    return parameters | (_end(leg) if event == "completed" else {})


def _end(leg: Leg) -> dict[str, str]:
    ended = leg.ended_at or datetime.now(UTC)
    answered = (
        {}
        if leg.answered_at is None
        else {
            "AnsweredTime": iso(leg.answered_at),
            "StartTime": iso(leg.answered_at),
        }
    )
    _, cause, sip_cause = CAUSES[leg.ending or "completed"]
    if leg.nobody_there:
        cause, sip_cause = "not_found", "404"
    return answered | {
        "CallControlId": leg.call_id,
        "CallDuration": str(leg.duration_secs),
        "CallLegId": leg.leg_id,
        "CallSessionId": leg.session_id,
        "EndTime": iso(ended),
        "HangupCause": cause,
        "HangupSource": leg.hangup_source,
        "SipHangupCause": sip_cause,
    }


def dial_parameters(leg: Leg, dialled: Dialled) -> dict[str, str]:
    """The request for `<Dial action>`: the shape of a completed call's callback, of a call that goes on.

    That the causes are the second leg's, and that there is no EndTime yet, is not documented.
    """
    status, cause, sip_cause = CAUSES[dialled.ending]
    if dialled.nobody_there:
        cause, sip_cause = "not_found", "404"
    shape = progress_parameters(leg, "completed", 0)
    del shape["EndTime"]
    return shape | {
        "DialCallStatus": status,
        "DialCallSid": dialled.call_id,
        "DialCallSidLegacy": dialled.call_id,
        "DialCallDuration": str(dialled.duration_secs),
        "HangupCause": cause,
        "SipHangupCause": sip_cause,
    }


def guide_amd_parameters(leg: Leg, answered_by: str) -> dict[str, str]:
    """The result of answering machine detection, with the fields of Telnyx's guide, "TeXML answering machine"."""
    return {"AccountSid": leg.account_id, "AnsweredBy": answered_by, "CallSid": leg.call_id}


def amd_parameters(leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
    """The result of answering machine detection, with the callback reference's fields."""
    return guide_amd_parameters(leg, answered_by) | {
        "CallSidLegacy": leg.call_id,
        "ConnectionId": leg.connection_id,
        "MachineDetectionDuration": str(duration_ms),
    }


def conference_parameters(event: ConferenceEvent) -> dict[str, str]:
    """Something happened in a conference. The reference shows one shape for all events; reasons are Twilio's names."""
    leg = event.leg
    parameters = {
        "AccountSid": leg.account_id,
        "CallSid": leg.call_id,
        "CallSidLegacy": leg.call_id,
        "ConferenceSid": event.conference_id,
        "ConnectionId": leg.connection_id,
        "FriendlyName": event.name,
        "From": leg.from_number,
        "SequenceNumber": str(event.sequence),
        "StatusCallbackEvent": event.kind,
        "Timestamp": iso(datetime.now(UTC)),
        "To": leg.to_number,
    }
    if event.label is not None:
        parameters["ParticipantLabel"] = event.label
    if event.kind == "conference-end":
        parameters["ReasonConferenceEnded"] = event.reason or ""
    return parameters


def refer_parameters(referred: Referred) -> dict[str, str]:
    """How a REFER went."""
    parameters = {"ReferSipResponseCode": str(referred.refer_code), "Timestamp": iso(datetime.now(UTC))}
    if referred.status is not None:
        parameters["ReferCallStatus"] = referred.status
    if referred.notify_code is not None:
        parameters["NotifySipResponseCode"] = str(referred.notify_code)
    return parameters
