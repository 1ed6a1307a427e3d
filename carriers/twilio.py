"""Twilio: REST through the official SDK, markup, webhooks."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from loguru import logger
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from carriers import signatures, twiml
from carriers.carrier import (
    REQUEST_TIMEOUT_SECS,
    CallNotFound,
    CarrierCall,
    CarrierError,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    Form,
    HangUp,
    IncomingCall,
    LineState,
    NotConfigured,
    Signature,
    StatusUpdate,
    StreamDocument,
    WebhookRequest,
    call_direction,
    phone_number,
    whole_number,
)

if TYPE_CHECKING:
    from settings import Settings

T = TypeVar("T")

SIGNATURE_HEADER = "x-twilio-signature"

STATES = {
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
"""Twilio's words for a call's state. Source: Twilio docs, voice/api/call-resource."""

ALREADY_ENDED = {(400, 21220), (404, 20404)}
"""HTTP status and code that mean "not live any more". Source: Twilio docs, api/errors/21220; seen live:
20404."""

_CALL_SID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TwilioCarrier:
    """Calls at Twilio.

    Parameters:
        name: `twilio`.
        auth_token: Checks signatures; also the REST password when there is no API key.
    """

    name = "twilio"

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
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
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
            timeout_secs: Limit of one REST request.
        """
        self.auth_token = auth_token
        self._account_sid = account_sid
        self._login = (api_key, api_secret) if api_key and api_secret else (account_sid, auth_token)
        self._region = None if base_url else region
        self._edge = None if base_url else edge
        self._base_url = base_url.rstrip("/") if base_url else None
        self._timeout_secs = timeout_secs
        self._client: Client | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> TwilioCarrier:
        """Build one from what the operator configured."""
        return cls(
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else None,
            api_key=settings.twilio_api_key,
            api_secret=settings.twilio_api_secret.get_secret_value() if settings.twilio_api_secret else None,
            region=settings.twilio_region,
            edge=settings.twilio_edge,
            base_url=settings.twilio_api_base_url,
        )

    @property
    def configured(self) -> bool:
        """Whether there are credentials for REST."""
        return bool(self._account_sid and all(self._login))

    # REST

    async def prepare(self) -> None:
        """Load the part of the SDK that it loads late, in a thread."""
        await asyncio.to_thread(_load_sdk)

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call by setting its status to `completed`.

        Raises:
            CarrierError: It may still be up.
        """
        sid = _checked(call_id)
        try:
            await self._ask(lambda client: client.calls(sid).update_async(status="completed"))
        except CarrierRejected as error:
            if (error.status, whole_number(error.code)) not in ALREADY_ENDED:
                raise
            if error.status == 404:
                logger.warning(
                    "Twilio does not know call {} (20404): taken as ended. If callers stay on the line, then "
                    "TWILIO_ACCOUNT_SID or TWILIO_REGION is not the one that the number belongs to",
                    sid,
                )
            return HangUp(already_ended=True)
        return HangUp(already_ended=False)

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call. Twilio's answer is "eventually consistent".

        Raises:
            CarrierError: There was no answer to that.
        """
        sid = _checked(call_id)
        call = await self._ask(lambda client: client.calls(sid).fetch_async())
        return CarrierCall(
            id=call.sid or sid,
            state=STATES.get(str(call.status)),
            from_number=phone_number(call._from),
            to_number=phone_number(call.to),
            started_at=call.start_time,
            ended_at=call.end_time,
            duration_secs=whole_number(call.duration),
        )

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        client, self._client = self._client, None
        if client is not None:
            await client.http_client.close()

    async def _ask(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Send one request with our time-out (the SDK's async client has none) and our errors."""
        client = await self._connected()
        try:
            async with asyncio.timeout(self._timeout_secs):
                return await request(client)
        except TimeoutError:
            raise CarrierUnavailable(
                f"Twilio did not answer within {self._timeout_secs:g} s: its API is slow or not reachable "
                "from here"
            ) from None
        except TwilioException as error:
            raise _translated(error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CarrierUnavailable(
                f"Twilio's API cannot be reached ({type(error).__name__}): check the network, and "
                "TWILIO_API_BASE_URL, TWILIO_REGION and TWILIO_EDGE if they are set"
            ) from None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CarrierUnavailable(
                f"Twilio's API answered with something that is not its JSON ({type(error).__name__}): a "
                "proxy may have answered in its place"
            ) from None

    async def _connected(self) -> Client:
        """The SDK's client, made on first use because its HTTP session needs a running loop."""
        if not self.configured:
            raise NotConfigured(
                "Twilio is not configured: set TWILIO_ACCOUNT_SID and either TWILIO_AUTH_TOKEN or "
                "TWILIO_API_KEY with TWILIO_API_SECRET"
            )
        if self._client is None:
            # Before the time-out of a request begins.
            await self.prepare()
        if self._client is None:
            username, password = self._login
            self._client = Client(
                username,
                password,
                account_sid=self._account_sid,
                region=self._region,
                edge=self._edge,
                http_client=AsyncTwilioHttpClient(),
                # Not empty, because the SDK would then read os.environ, where TWILIO_REGION may contradict
                # us.
                environment={"": ""},
            )
            if self._base_url:
                self._client.api.base_url = self._base_url
        return self._client

    # Markup

    def stream_document(self, document: StreamDocument) -> str:
        """TwiML that connects the call with the bot's media socket."""
        return twiml.stream_document(document)

    def end_document(self, say: str | None = None) -> str:
        """TwiML that ends the call."""
        return twiml.end_document(say)

    # Webhooks

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Check `X-Twilio-Signature` of a request or, for a `ws(s)://` URL, of a WebSocket upgrade."""
        if not self.auth_token:
            return Signature.UNCHECKED
        signature = request.headers.get(SIGNATURE_HEADER)
        if not signature:
            return Signature.ABSENT
        if request.url.startswith(("wss:", "ws:")):
            signed = signatures.twilio_upgrade_is_signed(self.auth_token, signature, request.url)
        else:
            form = request.form if request.method == "POST" else Form(())
            signed = signatures.twilio_webhook_is_signed(self.auth_token, signature, request.url, form)
        return Signature.VALID if signed else Signature.INVALID

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
            account_id=form.get("AccountSid"),
        )

    def parse_status(self, form: Form) -> StatusUpdate:
        """Read a status callback.

        `Duration` is in minutes, `CallDuration` in seconds. Source: Twilio docs, voice/api/call-resource.

        Raises:
            WebhookError: There is no CallSid.
        """
        sip_code = form.get("SipResponseCode")
        return StatusUpdate(
            call_id=form.required("CallSid"),
            state=STATES.get(form.get("CallStatus", "")),
            reason=f"SIP {sip_code}" if sip_code else "",
            duration_secs=whole_number(form.get("CallDuration")),
        )


def _load_sdk() -> None:
    importlib.import_module("twilio.rest.api")


def _checked(call_id: str) -> str:
    # The SDK puts the id into the path as it is.
    if not _CALL_SID.fullmatch(call_id):
        raise CarrierRejected("the call id is not a Twilio call SID (CA…): it was not sent to Twilio")
    return call_id


def _translated(error: TwilioException) -> CarrierError:
    details: Any = error
    status = whole_number(getattr(details, "status", None))
    code = getattr(details, "code", None)
    if status is None:
        return CarrierUnavailable(f"the Twilio SDK failed ({type(error).__name__})")
    told = f"Twilio answered {status}" + (f" with error {code}" if code and code != status else "")
    if status in (401, 403):
        return CarrierUnauthorized(
            f"{told}: check TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN, or TWILIO_API_KEY with "
            "TWILIO_API_SECRET",
            status=status,
            code=str(code),
        )
    if status == 404:
        return CallNotFound(f"{told}: this account has no such call", status=status, code=str(code))
    if status == 429:
        return CarrierUnavailable(f"{told}: too many requests at once; it may be repeated")
    if 400 <= status < 500:
        return CarrierRejected(
            f"{told}: see https://www.twilio.com/docs/api/errors/{code}", status=status, code=str(code)
        )
    return CarrierUnavailable(f"{told}: its API has a problem, or TWILIO_API_BASE_URL is not Twilio")
