"""Callbacks as forms, in the words that the carriers share whose markup has `<Dial>`, `<Refer>` and `<Record>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from carriers.detection import CALLBACK_WORDS, Words, machine_result
from carriers.dialling import DialResult, DialStatus
from carriers.forms import Form, WebhookError, whole_number
from carriers.recording import RecordedMessage, RecordingState, RecordingUpdate
from carriers.reports import LineState, MachineResult, ReferResult

LINE_STATES: Mapping[str, LineState] = {
    "queued": LineState.QUEUED,
    "initiated": LineState.QUEUED,
    "ringing": LineState.RINGING,
    "in-progress": LineState.IN_PROGRESS,
    "completed": LineState.COMPLETED,
    "busy": LineState.BUSY,
    "no-answer": LineState.NO_ANSWER,
    "failed": LineState.FAILED,
    "canceled": LineState.CANCELED,
}
"""Words of `CallStatus`. Sources: Twilio docs, voice/api/call-resource; Telnyx docs, API reference, TeXML callbacks."""

DIAL_STATES: Mapping[str, DialStatus] = {
    "completed": DialStatus.COMPLETED,
    "answered": DialStatus.COMPLETED,
    "busy": DialStatus.BUSY,
    "no-answer": DialStatus.NO_ANSWER,
    "failed": DialStatus.FAILED,
    "canceled": DialStatus.CANCELED,
}
"""Words of `DialCallStatus`; `answered` is for conferences. Sources: Twilio docs, voice/twiml/dial; Telnyx docs, API
reference, TeXML callbacks."""

REFER_STATES: Mapping[str, DialStatus] = {**DIAL_STATES, "in-progress": DialStatus.COMPLETED}
"""Words of `ReferCallStatus`; `in-progress` says that the new address has answered. Sources: Twilio docs,
voice/twiml/refer; Telnyx docs, TeXML verb Refer."""

RECORDING_STATES: Mapping[str, RecordingState] = {
    "in-progress": RecordingState.IN_PROGRESS,
    "completed": RecordingState.COMPLETED,
    "absent": RecordingState.ABSENT,
    "failed": RecordingState.FAILED,
}
"""Words of `RecordingStatus`. Sources: Twilio docs, voice/api/recording; telnyx SDK,
`recordings_json_recordings_json_params.py`, which has no `failed`."""

BUSY_CODES = frozenset({486, 600, 603})
NO_ANSWER_CODES = frozenset({408, 480, 487})


class FormCallbacks:
    """The part of a `Carrier` that reads such callbacks.

    Parameters:
        answered_words: Words of `AnsweredBy`.
        interface: What sends them, for the log.
    """

    answered_words: ClassVar[Words] = CALLBACK_WORDS
    interface: ClassVar[str]

    def parse_dial_result(self, form: Form) -> DialResult:
        """Read the request that the carrier makes to the `action` of a `<Dial>`.

        Raises:
            WebhookError: There is no CallSid or no DialCallStatus.
        """
        return DialResult(form.required("CallSid"), DIAL_STATES.get(form.required("DialCallStatus")))

    def parse_refer_result(self, form: Form) -> ReferResult:
        """Read the request that the carrier makes to the `action` of a `<Refer>`.

        It has no status when the caller's phone reports nothing after it accepted; then its acceptance counts.

        Raises:
            WebhookError: There is no CallSid, or neither a status nor a SIP response.
        """
        call_id = form.required("CallSid")
        accepted, told = (whole_number(form.get(f"{name}SipResponseCode")) for name in ("Refer", "Notify"))
        code = accepted if told is None else told
        status = REFER_STATES.get(form.get("ReferCallStatus", ""))
        if status is None and code is None:
            raise WebhookError("ReferCallStatus is missing: this is not the webhook of a REFER")
        return ReferResult(call_id, status or refer_status(code), sip_code=code)

    def parse_machine_detection(self, form: Form) -> MachineResult:
        """Read a callback of asynchronous machine detection.

        Raises:
            WebhookError: There is no CallSid or no AnsweredBy.
        """
        return machine_result(form, self.answered_words, self.interface)

    def parse_recording(self, form: Form) -> RecordingUpdate:
        """Read a recording callback.

        Raises:
            WebhookError: There is no CallSid.
        """
        return RecordingUpdate(
            call_id=form.required("CallSid"),
            state=RECORDING_STATES.get(form.get("RecordingStatus", "")),
            recording_id=form.get("RecordingSid") or None,
            url=form.get("RecordingUrl") or None,
            duration_secs=whole_number(form.get("RecordingDuration")),
            channels=whole_number(form.get("RecordingChannels")),
        )

    def parse_message(self, form: Form) -> RecordedMessage:
        """Read the request that the carrier makes to the `action` of a `<Record>`.

        `Digits` is the key that has ended it, or `hangup`. Sources: Twilio docs, voice/twiml/record; Telnyx docs, TeXML
        verb Record, which say only that there are "additional request parameters".

        Raises:
            WebhookError: There is no CallSid.
        """
        return RecordedMessage(
            replace(self.parse_recording(form), state=RecordingState.STOPPED),
            ended_by_caller=bool(form.get("Digits")),
        )


def refer_status(sip_code: int | None) -> DialStatus:
    """How a REFER ended, judged by the last SIP response alone."""
    if sip_code is not None and 200 <= sip_code < 300:
        return DialStatus.COMPLETED
    if sip_code in BUSY_CODES:
        return DialStatus.BUSY
    return DialStatus.NO_ANSWER if sip_code in NO_ANSWER_CODES else DialStatus.FAILED
