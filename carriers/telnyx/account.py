"""An account at Telnyx: credentials, and the signatures of both ways to run a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from carriers.carrier import (
    DIAL_TIMEOUT_SECS,
    REQUEST_TIMEOUT_SECS,
    Signature,
    WebhookRequest,
)
from carriers.telnyx import SIGNATURE_HEADER, signatures
from carriers.telnyx.api import TelnyxApi
from carriers.telnyx.commands import TelnyxCommands

if TYPE_CHECKING:
    from carriers.telnyx.variables import TelnyxVariables

TIMESTAMP_HEADER = "telnyx-timestamp"


class TelnyxAccount(TelnyxCommands):
    """What `TelnyxCarrier` and `TelnyxCallControl` have in common.

    Parameters:
        name: `telnyx`.
    """

    name = "telnyx"

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
        """Whether the request has a signature, and the key to check it is configured."""
        headers = request.headers
        return bool(self.public_key and headers.get(SIGNATURE_HEADER) and headers.get(TIMESTAMP_HEADER))

    def signed_content(self, request: WebhookRequest) -> bytes | None:
        """What a valid signature is over: the time, in seconds, and the body."""
        return request.headers.get(TIMESTAMP_HEADER, "").encode() + b"|" + request.body
