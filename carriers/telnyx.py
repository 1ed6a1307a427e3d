"""Telnyx: REST through the official SDK, markup, webhooks."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from carriers import signatures, texml
from carriers.carrier import (
    REQUEST_TIMEOUT_SECS,
    CallNotFound,
    CarrierCall,
    CarrierError,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    Direction,
    Form,
    HangUp,
    IncomingCall,
    LineState,
    NotConfigured,
    Signature,
    StatusUpdate,
    StreamDocument,
    WebhookError,
    WebhookRequest,
    call_direction,
    phone_number,
    whole_number,
)

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx

    from settings import Settings

T = TypeVar("T")

SIGNATURE_HEADER = "telnyx-signature-ed25519"
TIMESTAMP_HEADER = "telnyx-timestamp"
API_BASE_URL = "https://api.telnyx.com/v2"

TEXML_STATES = {
    "queued": LineState.QUEUED,
    "initiated": LineState.QUEUED,
    "ringing": LineState.RINGING,
    "in-progress": LineState.IN_PROGRESS,
    "answered": LineState.IN_PROGRESS,
    "completed": LineState.COMPLETED,
    "busy": LineState.BUSY,
    "no-answer": LineState.NO_ANSWER,
    "failed": LineState.FAILED,
    "canceled": LineState.CANCELED,
}
"""Words of TeXML callbacks. Source: Telnyx docs, API reference, TeXML callbacks."""

HANGUP_CAUSES = {
    "normal_clearing": LineState.COMPLETED,
    "time_limit": LineState.COMPLETED,
    "originator_cancel": LineState.CANCELED,
    "user_busy": LineState.BUSY,
    "call_rejected": LineState.BUSY,
    "no_answer": LineState.NO_ANSWER,
    "timeout": LineState.NO_ANSWER,
    "not_found": LineState.FAILED,
    "unspecified": LineState.COMPLETED,
}
"""How `call.hangup` events end a call. Source of the words: telnyx SDK,
`types/call_hangup_webhook_event.py`."""

ALREADY_ENDED = (422, "90018")
"""HTTP status and code of "Call has already ended". Source: Telnyx docs, API error codes; seen live."""

_CALL_CONTROL_ID = re.compile(r"[A-Za-z0-9_:.~+=@-]{1,256}")


class TelnyxCarrier:
    """Calls at Telnyx, started by TeXML or by Call Control.

    Parameters:
        name: `telnyx`.
    """

    name = "telnyx"

    def __init__(
        self,
        *,
        api_key: str | None = None,
        public_key: str | None = None,
        base_url: str | None = None,
        codec: str = "PCMU",
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
        clock: Callable[[], float] = time.time,
    ):
        """Keep the credentials; nothing is connected yet.

        Args:
            api_key: Key for REST.
            public_key: The account's public key (base64), checks signatures.
            base_url: REST address including `/v2`, to talk to another region or to something else than
                Telnyx.
            codec: What we send in media streams: PCMU, PCMA or L16.
            timeout_secs: Limit of one REST request.
            clock: Present time in seconds since 1970, for the age of signatures.
        """
        self.public_key = public_key
        self._api_key = api_key
        self._base_url = base_url or API_BASE_URL
        self._codec = codec
        self._timeout_secs = timeout_secs
        self._clock = clock
        self._client: AsyncTelnyx | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> TelnyxCarrier:
        """Build one from what the operator configured."""
        return cls(
            api_key=settings.telnyx_api_key.get_secret_value() if settings.telnyx_api_key else None,
            public_key=settings.telnyx_public_key,
            base_url=settings.telnyx_api_base_url,
            codec=settings.telnyx_codec,
        )

    @property
    def configured(self) -> bool:
        """Whether there are credentials for REST."""
        return bool(self._api_key)

    # REST

    async def prepare(self) -> None:
        """Load the SDK in a thread: with its thousands of modules it takes seconds."""
        await asyncio.to_thread(_load_sdk)

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call with Call Control's `hangup`; a TeXML call's CallSid is the id it wants.

        Raises:
            CarrierError: It may still be up.
        """
        control_id = _checked(call_id)
        # A fresh id for each request: Telnyx ignores a repeated one, and a second hang-up does no harm.
        command_id = str(uuid.uuid4())
        try:
            answer = await self._ask(
                lambda client: client.calls.actions.hangup(control_id, command_id=command_id)
            )
        except CarrierRejected as error:
            if (error.status, error.code) == ALREADY_ENDED:
                return HangUp(already_ended=True)
            raise
        _expect_json(answer)
        return HangUp(already_ended=False)

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call; Telnyx knows for ten minutes after its end, and not why it ended.

        Raises:
            CarrierError: There was no answer to that.
        """
        control_id = _checked(call_id)
        answer = await self._ask(lambda client: client.calls.retrieve_status(control_id))
        _expect_json(answer)
        data = answer.data
        if data is None:
            raise CallNotFound("Telnyx has no data on this call", status=200)
        if data.is_alive:
            state = LineState.IN_PROGRESS
        else:
            # Not alive and without an end: dialled, but not answered yet.
            state = LineState.COMPLETED if data.end_time else LineState.RINGING
        return CarrierCall(
            id=data.call_control_id or control_id,
            state=state,
            started_at=_moment(data.start_time),
            ended_at=_moment(data.end_time),
            duration_secs=data.call_duration,
        )

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, request: Callable[[AsyncTelnyx], Awaitable[T]]) -> T:
        """Send one request, with our time-out and errors, and without the SDK's retries of POSTs."""
        client = await self._connected()
        import telnyx  # loaded by now

        try:
            async with asyncio.timeout(self._timeout_secs):
                return await request(client)
        except (TimeoutError, telnyx.APITimeoutError):
            raise CarrierUnavailable(
                f"Telnyx did not answer within {self._timeout_secs:g} s: its API is slow or not reachable "
                "from here"
            ) from None
        except telnyx.APIStatusError as error:
            raise _translated(error.status_code, error.body) from None
        except (telnyx.APIConnectionError, OSError) as error:
            raise CarrierUnavailable(
                f"Telnyx's API cannot be reached ({type(error).__name__}): check the network, and "
                "TELNYX_API_BASE_URL if it is set"
            ) from None
        except (telnyx.TelnyxError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise CarrierUnavailable(_not_json(type(error).__name__)) from None

    async def _connected(self) -> AsyncTelnyx:
        if not self._api_key:
            raise NotConfigured("Telnyx is not configured: set TELNYX_API_KEY")
        if self._client is None:
            # Before the time-out of a request begins.
            await self.prepare()
        if self._client is None:
            from telnyx import AsyncTelnyx

            self._client = AsyncTelnyx(
                api_key=self._api_key, base_url=self._base_url, max_retries=0, timeout=self._timeout_secs
            )
        return self._client

    # Markup

    def stream_document(self, document: StreamDocument) -> str:
        """TeXML that connects the call with the bot's media socket."""
        return texml.stream_document(document, codec=self._codec)

    def end_document(self, say: str | None = None) -> str:
        """TeXML that ends the call."""
        return texml.end_document(say)

    # Webhooks

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Check the Ed25519 signature of a webhook or TeXML callback. WebSocket upgrades are not signed."""
        if not self.public_key:
            return Signature.UNCHECKED
        signature = request.headers.get(SIGNATURE_HEADER)
        timestamp = request.headers.get(TIMESTAMP_HEADER)
        if not signature or not timestamp:
            return Signature.ABSENT
        signed = signatures.telnyx_webhook_is_signed(
            self.public_key, signature, timestamp, request.body, now=self._clock()
        )
        return Signature.VALID if signed else Signature.INVALID

    def parse_incoming(self, form: Form) -> IncomingCall:
        """Read a TeXML instruction fetch.

        Raises:
            WebhookError: There is no CallSid.
        """
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

    def parse_event(self, body: bytes) -> tuple[StatusUpdate, IncomingCall | None]:
        """Read a Call Control webhook.

        Returns:
            The call's new state (None in it for events that do not change the state) and, for a
            `call.initiated`, who calls whom.

        Raises:
            WebhookError: It is not such a webhook.
        """
        try:
            data = json.loads(body)["data"]
            payload = data["payload"]
            event_type, event_id = str(data["event_type"]), str(data["id"])
            call_id = str(payload["call_control_id"])
        except (ValueError, KeyError, TypeError):
            raise WebhookError(
                "the body is not a Call Control event (JSON with data.event_type and data.id)"
            ) from None
        state, reason, incoming = None, event_type, None
        if event_type == "call.initiated":
            outgoing = payload.get("direction") == "outgoing"
            state = LineState.RINGING
            incoming = IncomingCall(
                call_id=call_id,
                from_number=phone_number(_text(payload.get("from"))),
                to_number=phone_number(_text(payload.get("to"))),
                direction=Direction.OUTBOUND if outgoing else Direction.INBOUND,
            )
        elif event_type == "call.answered":
            state = LineState.IN_PROGRESS
        elif event_type == "call.hangup":
            reason = str(payload.get("hangup_cause") or "unspecified")
            state = HANGUP_CAUSES.get(reason, LineState.COMPLETED)
        return StatusUpdate(call_id=call_id, state=state, reason=reason, event_id=event_id), incoming


def _load_sdk() -> None:
    importlib.import_module("telnyx.resources.calls")


def _checked(call_id: str) -> str:
    if not _CALL_CONTROL_ID.fullmatch(call_id) or call_id.strip(".") == "":
        raise CarrierRejected("the call id is not a Telnyx call control id (v3:…): it was not sent to Telnyx")
    return call_id


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value else None
    except ValueError:
        return None


def _expect_json(answer: object) -> None:
    # For a body that is not JSON the SDK returns the text instead of the type it promises.
    if not hasattr(answer, "data"):
        raise CarrierUnavailable(_not_json(type(answer).__name__))


def _not_json(found: str) -> str:
    return (
        f"Telnyx's API answered with something that is not its JSON ({found}): a proxy may have answered in "
        "its place, or TELNYX_API_BASE_URL lacks its /v2"
    )


def _translated(status: int, body: Any) -> CarrierError:
    code = None
    try:
        # The SDK unwraps nothing: {"errors": [{"code": "90018", …}]}. Source: Telnyx docs, API error codes.
        code = str(body["errors"][0]["code"])
    except (KeyError, IndexError, TypeError):
        pass
    told = f"Telnyx answered {status}" + (f" with error {code}" if code else "")
    if status in (401, 403):
        return CarrierUnauthorized(f"{told}: check TELNYX_API_KEY", status=status, code=code)
    if status == 404:
        return CallNotFound(f"{told}: this account has no such call", status=status, code=code)
    if status in (408, 429):
        return CarrierUnavailable(f"{told}: too many requests at once, or too slow; it may be repeated")
    if 400 <= status < 500:
        return CarrierRejected(
            f"{told}: see https://developers.telnyx.com/docs/overview/errors", status=status, code=code
        )
    return CarrierUnavailable(f"{told}: its API has a problem, or TELNYX_API_BASE_URL is not Telnyx")
