"""Twilio: REST, markup, webhooks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from carriers.callbacks import LINE_STATES, FormCallbacks
from carriers.carrier import (
    DIAL_TIMEOUT_SECS,
    REQUEST_TIMEOUT_SECS,
    Form,
    IncomingCall,
    RecordedMessage,
    Signature,
    StatusUpdate,
    WebhookRequest,
    call_direction,
    phone_number,
)
from carriers.markup import MarkupCalls
from carriers.twilio import SIGNATURE_HEADER, signatures
from carriers.twilio.api import TwilioApi
from carriers.twilio.rest import TwilioRest

if TYPE_CHECKING:
    from carriers.twilio.variables import TwilioVariables

SID_CHARS = 34
"""Of Twilio's ids. Source: Twilio docs, glossary, string identifier."""


RECORDING_SID = re.compile(r"/Recordings/(RE[0-9a-f]{32})(?![0-9A-Za-z])")
"""A recording's id in the address of its file."""


class TwilioCarrier(FormCallbacks, MarkupCalls, TwilioRest):
    """Calls at Twilio. REST, markup and callbacks are inherited; here is what is signed.

    Parameters:
        name: `twilio`.
        auth_token: Checks signatures; also the REST password when there is no API key.
    """

    name = "twilio"
    interface = "Twilio"

    def __init__(
        self,
        *,
        account_sid: str | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        region: str | None = None,
        edge: str | None = None,
        base_url: str | None = None,
        fallback_url: str | None = None,
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
        dial_timeout_secs: float = DIAL_TIMEOUT_SECS,
    ):
        """Keep the credentials; nothing is connected yet.

        Args:
            account_sid: The account (`AC…`).
            auth_token: Its primary auth token.
            api_key: An API key (`SK…`), used for REST in the auth token's place.
            api_secret: That key's secret.
            region: Twilio region, for example `ie1`. Not used with `base_url`.
            edge: Twilio edge, for example `dublin`. Not used with `base_url`.
            base_url: REST address without path, to talk to something else than Twilio.
            fallback_url: Where Twilio asks for a document of a call that we make when it gets none elsewhere.
            timeout_secs: Limit of one REST request.
            dial_timeout_secs: Limit of a request to dial.
        """
        self.auth_token = auth_token
        login = (api_key, api_secret) if api_key and api_secret else (account_sid, auth_token)
        api = TwilioApi(account_sid=account_sid, login=login, region=region, edge=edge, base_url=base_url)
        super().__init__(api, timeout_secs=timeout_secs, dial_timeout_secs=dial_timeout_secs)
        self.fallback_url = fallback_url

    @classmethod
    def from_settings(cls, settings: TwilioVariables) -> TwilioCarrier:
        """Build one from what the operator configured."""
        return cls(
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else None,
            api_key=settings.twilio_api_key,
            api_secret=settings.twilio_api_secret.get_secret_value() if settings.twilio_api_secret else None,
            region=settings.twilio_region,
            edge=settings.twilio_edge,
            base_url=settings.twilio_api_base_url,
            fallback_url=settings.twilio_fallback_url,
        )

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Check `X-Twilio-Signature` of a request or, for a `ws(s)://` URL, of a WebSocket upgrade.

        Twilio signs the names and values in a row, with nothing between them. So an attacker who has seen one signed
        form could move the fields that follow the call's id into the id, and open one call after another. An id is
        never that long.
        """
        if not self.auth_token:
            return Signature.UNCHECKED
        signature = request.headers.get(SIGNATURE_HEADER)
        if not signature:
            return Signature.ABSENT
        if request.url.startswith(("wss:", "ws:")):
            signed = signatures.upgrade_is_signed(self.auth_token, signature, request.url)
        else:
            form = request.form if request.method == "POST" else Form(())
            if len(form.get("CallSid", "")) > SID_CHARS:
                return Signature.INVALID
            signed = signatures.webhook_is_signed(self.auth_token, signature, request.url, form)
        return Signature.VALID if signed else Signature.INVALID

    def has_signature(self, request: WebhookRequest) -> bool:
        """Whether the request has a signature, and the key to check it is configured."""
        return bool(self.auth_token and request.headers.get(SIGNATURE_HEADER))

    def signed_content(self, request: WebhookRequest) -> bytes | None:
        """Nothing that could be sent to another address: the signature is over the address, too."""
        return None

    def parse_incoming(self, form: Form) -> IncomingCall:
        """Read a voice webhook.

        Raises:
            WebhookError: There is no CallSid.
        """
        return IncomingCall(
            call_id=form.required("CallSid"),
            from_number=phone_number(form.get("From")),
            to_number=phone_number(form.get("To")),
            direction=call_direction(form),
        )

    def parse_message(self, form: Form) -> RecordedMessage:
        """Read the request to the `action` of a `<Record>`, which names the recording by its address alone.

        Source: Twilio docs, voice/twiml/record; voice/api/recording (the address of a recording's file has its id).

        Raises:
            WebhookError: There is no CallSid.
        """
        told = super().parse_message(form)
        named = RECORDING_SID.search(told.recording.url or "")
        if named is None or told.recording.recording_id is not None:
            return told
        return replace(told, recording=replace(told.recording, recording_id=named[1]))

    def parse_status(self, form: Form) -> StatusUpdate:
        """Read a status callback.

        Raises:
            WebhookError: There is no CallSid.
        """
        sip_code = form.get("SipResponseCode")
        return StatusUpdate(
            call_id=form.required("CallSid"),
            state=LINE_STATES.get(form.get("CallStatus", "")),
            reason=f"SIP {sip_code}" if sip_code else "",
        )
