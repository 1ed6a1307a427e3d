"""Call Control's events: JSON webhooks that report what happens to a call's legs.

Source for all words and fields: telnyx SDK, `types/call_*.py` (one file an event).
"""

from __future__ import annotations

import json
from typing import Any

from carriers.callbacks import refer_status
from carriers.detection import who_answered
from carriers.dialling import DialStatus
from carriers.forms import WebhookError, moment, whole_number
from carriers.numbers import phone_number
from carriers.recording import RecordingState, RecordingUpdate
from carriers.reports import (
    AnsweredBy,
    CarrierEvent,
    Direction,
    IncomingCall,
    LegEnd,
    LineState,
    ReferResult,
    StatusUpdate,
)
from carriers.telnyx.calls import TRANSFER_OF, read_client_state
from carriers.telnyx.detection import CALL_CONTROL

NO_EVENT = "the body is not a Call Control event (JSON with data.event_type and data.id)"

HANGUP_CAUSES = {
    "normal_clearing": LineState.COMPLETED,
    "time_limit": LineState.COMPLETED,
    "originator_cancel": LineState.CANCELED,
    "user_busy": LineState.BUSY,
    "call_rejected": LineState.BUSY,
    "no_answer": LineState.NO_ANSWER,
    "timeout": LineState.NO_ANSWER,
    "not_found": LineState.FAILED,
}
"""How `call.hangup` events end a call. The others (`unspecified`, and what may come) say nothing: there the SIP code of
a leg that was never answered decides. Source: telnyx SDK, `types/call_hangup.py`."""

ENDS = {
    "normal_clearing": LegEnd.HUNG_UP,
    "time_limit": LegEnd.TIME_LIMIT,
    "call_rejected": LegEnd.DECLINED,
}
"""What else these tell; the first two are only of legs that were answered. Source: Telnyx docs, call.hangup."""

SIP_ERRORS = range(400, 700)


def parse_event(body: bytes) -> CarrierEvent:
    """Read an event.

    Raises:
        WebhookError: The body is no event of Call Control.
    """
    try:
        data = json.loads(body)["data"]
        # Lone surrogates are JSON, but nothing that could be kept or sent on.
        json.dumps(data, ensure_ascii=False).encode()
        payload = data["payload"]
        kind, event_id = str(data["event_type"]), str(data["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WebhookError(NO_EVENT) from None
    if not isinstance(payload, dict):
        raise WebhookError(NO_EVENT)
    call_id = _text(payload.get("call_control_id"))
    carried = read_client_state(payload.get("client_state"))
    cause = _text(payload.get("hangup_cause")) or ""
    if kind == "call.hangup":
        cause = cause or "unspecified"
    sip_code = whole_number(payload.get("sip_hangup_cause") or payload.get("sip_notify_response"))
    return CarrierEvent(
        kind=kind,
        event_id=event_id,
        call_id=call_id,
        occurred_at=moment(_text(data.get("occurred_at"))),
        client_state={name: value for name, value in carried.items() if name != TRANSFER_OF},
        transfer_of=_text(carried.get(TRANSFER_OF)),
        status=_status(kind, call_id, cause, sip_code),
        incoming=_incoming(kind, call_id, payload),
        answered_by=_answered_by(kind, payload),
        recording=_recording(kind, call_id, payload),
        hangup_cause=cause,
        end=ENDS.get(cause),
        hangup_source=_text(payload.get("hangup_source")) or "",
        sip_code=sip_code,
        bridged=kind == "call.bridged",
        stream_failed=(_text(payload.get("failure_reason")) or "unspecified")
        if kind == "streaming.failed"
        else None,
        stream_stopped=kind == "streaming.stopped",
        refer=_refer(kind, call_id, sip_code),
        spoken=kind == "call.speak.ended",
    )


def _status(kind: str, call_id: str | None, cause: str, sip_code: int | None) -> StatusUpdate | None:
    if call_id is None:
        return None
    if kind == "call.hangup":
        otherwise = LineState.FAILED if sip_code in SIP_ERRORS else LineState.COMPLETED
        state = HANGUP_CAUSES.get(cause, otherwise)
        return StatusUpdate(call_id, state, reason=cause)
    states = {"call.initiated": LineState.RINGING, "call.answered": LineState.IN_PROGRESS}
    return StatusUpdate(call_id, states[kind]) if kind in states else None


def _incoming(kind: str, call_id: str | None, payload: dict[str, Any]) -> IncomingCall | None:
    if kind != "call.initiated" or call_id is None or payload.get("direction") == "outgoing":
        return None
    return IncomingCall(
        call_id=call_id,
        from_number=phone_number(_text(payload.get("from"))),
        to_number=phone_number(_text(payload.get("to"))),
        direction=Direction.INBOUND,
    )


def _answered_by(kind: str, payload: dict[str, Any]) -> AnsweredBy | None:
    words = CALL_CONTROL.get(kind)
    return None if words is None else who_answered(words, payload.get("result"), kind)


def _recording(kind: str, call_id: str | None, payload: dict[str, Any]) -> RecordingUpdate | None:
    if kind == "call.recording.error":
        reason = _text(payload.get("reason")) or "unspecified"
        return RecordingUpdate(call_id, RecordingState.FAILED, reason=reason)
    if kind != "call.recording.saved":
        return None
    urls = payload.get("recording_urls")
    urls = urls if isinstance(urls, dict) else {}
    began, ended = (
        moment(_text(payload.get(name))) for name in ("recording_started_at", "recording_ended_at")
    )
    return RecordingUpdate(
        call_id=call_id,
        state=RecordingState.COMPLETED,
        recording_id=_text(payload.get("recording_id")),
        url=_text(urls.get("wav")) or _text(urls.get("mp3")),
        duration_secs=round((ended - began).total_seconds()) if began and ended else None,
        channels={"single": 1, "dual": 2}.get(str(payload.get("channels"))),
        started_at=began,
    )


def _refer(kind: str, call_id: str | None, sip_code: int | None) -> ReferResult | None:
    if call_id is None or kind not in ("call.refer.completed", "call.refer.failed"):
        return None
    status = DialStatus.COMPLETED
    if kind == "call.refer.failed":
        status = refer_status(sip_code)
        status = DialStatus.FAILED if status is DialStatus.COMPLETED else status
    return ReferResult(call_id, status, sip_code)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
