"""The words in which carriers tell how a REFER went."""

from __future__ import annotations

from carriers.dialling import DialStatus
from carriers.forms import Form, WebhookError, whole_number
from carriers.reports import ReferResult

REFER_STATES = {
    "in-progress": DialStatus.COMPLETED,
    "answered": DialStatus.COMPLETED,
    "completed": DialStatus.COMPLETED,
    "busy": DialStatus.BUSY,
    "no-answer": DialStatus.NO_ANSWER,
    "failed": DialStatus.FAILED,
    "canceled": DialStatus.CANCELED,
}
"""Words of `ReferCallStatus`; `in-progress` says that the new address has answered. Sources: Twilio docs,
voice/twiml/refer; Telnyx docs, TeXML verb Refer."""

BUSY_CODES = frozenset({486, 600, 603})
NO_ANSWER_CODES = frozenset({408, 480, 487})


def refer_result(form: Form) -> ReferResult:
    """Read what the action of a `<Refer>` is told.

    The status is left out when the caller's side tells nothing after it has accepted; then its acceptance counts.

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


def refer_status(sip_code: int | None) -> DialStatus:
    """How a REFER ended, from the last SIP response alone."""
    if sip_code is not None and 200 <= sip_code < 300:
        return DialStatus.COMPLETED
    if sip_code in BUSY_CODES:
        return DialStatus.BUSY
    return DialStatus.NO_ANSWER if sip_code in NO_ANSWER_CODES else DialStatus.FAILED
