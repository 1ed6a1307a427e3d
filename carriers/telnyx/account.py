"""An account at Telnyx: credentials, markup, and webhooks of both ways to run a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from carriers.callbacks import FormCallbacks
from carriers.carrier import (
    DIAL_TIMEOUT_SECS,
    REQUEST_TIMEOUT_SECS,
    CarrierEvent,
    Form,
    IncomingCall,
    Signature,
    StatusUpdate,
    WebhookError,
    WebhookRequest,
    call_direction,
    phone_number,
)
from carriers.forms import whole_number
from carriers.telnyx import events as telnyx_events
from carriers.telnyx import signatures
from carriers.telnyx.api import TelnyxApi
from carriers.telnyx.calls import TEXML_STATES
from carriers.telnyx.commands import TelnyxCommands
from carriers.telnyx.descriptor import SIGNATURE_HEADER
from carriers.telnyx.detection import TEXML
from carriers.telnyx.texml import TexmlDocuments

if TYPE_CHECKING:
    from carriers.telnyx.variables import TelnyxVariables

TIMESTAMP_HEADER = "telnyx-timestamp"

CALLBACK_FIELDS = frozenset({"CallbackSource", "HangupCause", "RecordingStatus", "StreamEvent"})
"""What only callbacks tell, and no request for instructions. Source: Telnyx docs, API reference, TeXML callbacks."""


class TelnyxAccount(TexmlDocuments, FormCallbacks, TelnyxCommands):
    """What `TelnyxCarrier` and `TelnyxCallControl` have in common.

    Parameters:
        name: `telnyx`.
    """

    name = "telnyx"
    answered_words = TEXML
    interface = "TeXML"

    def __init__(
        self,
        *,
        api_key: str | None = None,
        public_key: str | None = None,
        account_sid: str | None = None,
        connection_id: str | None = None,
        base_url: str | None = None,
        codec: str = "PCMU",
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
        dial_timeout_secs: float = DIAL_TIMEOUT_SECS,
        clock: Callable[[], float] = time.time,
    ):
        """Keep the credentials; nothing is connected yet.

        Args:
            api_key: Key for REST.
            public_key: The account's public key (base64), checks signatures.
            account_sid: The account's id, for TeXML REST: dialling and new TeXML for live calls.
            connection_id: The TeXML or Voice API application that calls are made with.
            base_url: REST address including `/v2`, to talk to another region or to something else than
                Telnyx.
            codec: What we send in media streams: PCMU, PCMA or L16.
            timeout_secs: Limit of one REST request.
            dial_timeout_secs: Limit of a request to dial.
            clock: Present time in seconds since 1970, for the age of signatures.
        """
        self.public_key = public_key
        self._clock = clock
        super().__init__(
            TelnyxApi(api_key=api_key, base_url=base_url),
            account_sid=account_sid,
            connection_id=connection_id,
            codec=codec,
            timeout_secs=timeout_secs,
            dial_timeout_secs=dial_timeout_secs,
        )

    @classmethod
    def from_settings(cls, settings: TelnyxVariables) -> Self:
        """Build one from what the operator configured."""
        return cls(
            api_key=settings.telnyx_api_key.get_secret_value() if settings.telnyx_api_key else None,
            public_key=settings.telnyx_public_key,
            account_sid=settings.telnyx_account_sid,
            connection_id=settings.telnyx_connection_id,
            base_url=settings.telnyx_api_base_url,
            codec=settings.telnyx_codec,
        )

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Check the Ed25519 signature of a webhook or TeXML callback. WebSocket upgrades are not signed.

        A signature over an empty body says nothing about the request: it counts as not signed. The fields of a GET are
        in its address, over which no signature of Telnyx is known to be, so one is no evidence against it, either.
        """
        if not self.public_key:
            return Signature.UNCHECKED
        signature = request.headers.get(SIGNATURE_HEADER)
        timestamp = request.headers.get(TIMESTAMP_HEADER)
        if not signature or not timestamp or request.method == "GET":
            return Signature.ABSENT
        signed = signatures.webhook_is_signed(
            self.public_key, signature, timestamp, request.body, now=self._clock()
        )
        if signed and not request.body:
            return Signature.ABSENT
        return Signature.VALID if signed else Signature.INVALID

    def has_signature(self, request: WebhookRequest) -> bool:
        """Whether there is something to check."""
        headers = request.headers
        return bool(self.public_key and headers.get(SIGNATURE_HEADER) and headers.get(TIMESTAMP_HEADER))

    def signed_content(self, request: WebhookRequest) -> bytes | None:
        """What a valid signature is over: the time, in seconds, and the body."""
        return request.headers.get(TIMESTAMP_HEADER, "").encode() + b"|" + request.body

    def parse_incoming(self, form: Form) -> IncomingCall:
        """Read a TeXML instruction fetch.

        Raises:
            WebhookError: There is no CallSid, or it is a callback, which may have been signed for another address.
        """
        if not CALLBACK_FIELDS.isdisjoint(form):
            raise WebhookError("this is a callback, and not a request for instructions")
        return IncomingCall(
            call_id=form.required("CallSid"),
            from_number=phone_number(form.get("From") or form.get("FromSipUri")),
            to_number=phone_number(form.get("To") or form.get("ToSipUri")),
            direction=call_direction(form),
            account_id=form.get("AccountSid"),
        )

    def parse_status(self, form: Form) -> StatusUpdate:
        """Read a TeXML status callback.

        Raises:
            WebhookError: There is no CallSid.
        """
        sip_code = form.get("SipHangupCause")
        reason = (form.get("HangupCause", ""), f"SIP {sip_code}" if sip_code else "")
        return StatusUpdate(
            call_id=form.required("CallSid"),
            state=TEXML_STATES.get(form.get("CallStatus", "")),
            reason=", ".join(filter(None, reason)),
            duration_secs=whole_number(form.get("CallDuration")),
        )

    def parse_event(self, body: bytes) -> CarrierEvent:
        """Read a Call Control event. A call that runs TeXML may lead to some, if it was given commands.

        Raises:
            WebhookError: It is none.
        """
        return telnyx_events.parse_event(body)
