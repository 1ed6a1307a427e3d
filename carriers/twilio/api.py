"""Twilio's REST API through the official SDK, with time-outs and our errors."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from carriers.breaker import breaker_of
from carriers.errors import (
    CallNotFound,
    CarrierError,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
)
from carriers.forms import whole_number
from carriers.meanings import error_code, told
from carriers.recording import RecordingFile
from carriers.rest import RestApi
from carriers.retry_after import retry_after_secs
from carriers.twilio.meanings import MEANINGS

T = TypeVar("T")

FILE_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*(?:twilio|twiliocdn)\.com")
"""Where an address of a file may lead, beside buckets: Twilio's hosts, of every region, and of its media."""

_RETRY_AFTER: ContextVar[str | None] = ContextVar("retry_after", default=None)
"""The header of the last answer to the request that is being made."""


class TwilioApi(RestApi[Client]):
    """A connection to Twilio's REST API."""

    sdk_modules = ("twilio.rest.api",)

    def __init__(
        self,
        *,
        account_sid: str | None,
        login: tuple[str | None, str | None],
        region: str | None,
        edge: str | None,
        base_url: str | None,
    ):
        """Keep the credentials.

        Args:
            account_sid: The account (`AC…`).
            login: Account and auth token, or API key and secret.
            region: Twilio region. Not used with `base_url`.
            edge: Twilio edge. Not used with `base_url`.
            base_url: REST address without path, to talk to something else than Twilio.
        """
        super().__init__(breaker_of("Twilio", (base_url, region, edge, account_sid, login[0])))
        self._account_sid = account_sid
        self._login = login
        self._region = None if base_url else region
        self._edge = None if base_url else edge
        self._base_url = base_url.rstrip("/") if base_url else None

    async def _send(
        self, client: Client, request: Callable[[Client], Awaitable[T]], *, timeout_secs: float
    ) -> T:
        """Send one request with our time-out (the SDK's async client has none) and our errors.

        Raises:
            CarrierError: Twilio refused, gave no usable answer, or none in time.
        """
        _RETRY_AFTER.set(None)
        try:
            async with asyncio.timeout(timeout_secs):
                return await request(client)
        except TimeoutError:
            raise CarrierUnavailable(
                f"Twilio did not answer within {timeout_secs:g} s: its API is slow or not reachable from here"
            ) from None
        except TwilioException as error:
            raise _translated(error, retry_after_secs(_RETRY_AFTER.get())) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CarrierUnavailable(
                f"Twilio's API cannot be reached ({type(error).__name__}): check the network, and "
                "TWILIO_API_BASE_URL, TWILIO_REGION and TWILIO_EDGE if they are set",
                nothing_done=isinstance(error, aiohttp.ClientConnectorError),
            ) from None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CarrierUnavailable(
                f"Twilio's API answered with something that is not its JSON ({type(error).__name__}): a "
                "proxy may have answered in its place"
            ) from None

    async def recording_file(self, recording_id: str) -> RecordingFile:
        """Where the file of a recording is. Nothing is asked: the address is documented.

        Args:
            recording_id: One that may stand in a path.

        Raises:
            NotConfigured: Twilio is not.
        """
        client = await self._connected()
        path = f"/2010-04-01/Accounts/{self._account_sid}/Recordings/{recording_id}.wav"
        url = client.get_hostname(client.api.absolute_url(path))
        user, password = self._login
        return RecordingFile(
            url,
            url,
            FILE_HOSTS,
            login=(user, password) if user is not None and password is not None else None,
        )

    def _missing(self) -> str | None:
        if self._account_sid and all(self._login):
            return None
        return (
            "Twilio is not configured: set TWILIO_ACCOUNT_SID and either TWILIO_AUTH_TOKEN or "
            "TWILIO_API_KEY with TWILIO_API_SECRET"
        )

    def _new_client(self) -> Client:
        username, password = self._login
        client = Client(
            username,
            password,
            account_sid=self._account_sid,
            region=self._region,
            edge=self._edge,
            http_client=_HttpClient(),
            # Not empty, because the SDK would then read os.environ, where TWILIO_REGION may contradict us.
            environment={"": ""},
        )
        if self._base_url:
            client.api.base_url = self._base_url
        return client

    async def _close(self, client: Client) -> None:
        await client.http_client.close()


class _HttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own client, which also keeps what an answer says of asking again: the SDK's errors have no headers."""

    async def request(self, *args: Any, **options: Any) -> Response:
        response = await super().request(*args, **options)
        _RETRY_AFTER.set(
            next((v for k, v in (response.headers or {}).items() if k.lower() == "retry-after"), None)
        )
        return response


class _ListFailure:
    def __init__(self, response: Response):
        self.status = response.status_code
        try:
            self.code = json.loads(response.text)["code"]
        except (ValueError, KeyError, TypeError):
            self.code = None


def _translated(error: TwilioException, wait_secs: float | None) -> CarrierError:
    details: Any = error
    if len(error.args) == 2 and isinstance(error.args[1], Response):
        # What the SDK raises for a list: no status and no code, but the whole response.
        details = _ListFailure(error.args[1])
    status = whole_number(getattr(details, "status", None))
    code = error_code(getattr(details, "code", None))
    if status is None:
        return CarrierUnavailable(f"the Twilio SDK failed ({type(error).__name__})")
    says = partial(told, "Twilio", status, code, MEANINGS)

    if status in (401, 403):
        return CarrierUnauthorized(
            says("check TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN, or TWILIO_API_KEY with TWILIO_API_SECRET"),
            status=status,
            code=code,
        )
    if status == 404:
        return CallNotFound(says("no such call or account for these credentials"), status=status, code=code)
    if status == 429:
        return CarrierUnavailable.too_many_requests(
            says("too many requests at once; it may be repeated"), wait_secs
        )
    if 400 <= status < 500:
        return CarrierRejected(
            says(f"see https://www.twilio.com/docs/api/errors/{code}"), status=status, code=code
        )
    return CarrierUnavailable(
        says("its API has a problem, or TWILIO_API_BASE_URL is not Twilio"), retry_after_secs=wait_secs
    )
