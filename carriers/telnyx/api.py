"""Telnyx's REST API through the official SDK, with time-outs and our errors.

The SDK takes long to import, so that is left to the first request.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from carriers.breaker import breaker_of
from carriers.errors import (
    CallNotFound,
    CarrierError,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
)
from carriers.meanings import error_code, told
from carriers.recording import RecordingFile
from carriers.rest import RestApi
from carriers.retry_after import retry_after_secs
from carriers.telnyx.meanings import MEANINGS, SIP_MEANINGS

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx

T = TypeVar("T")

API_BASE_URL = "https://api.telnyx.com/v2"

FILE_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*(?:telnyx|telnyxcloudstorage)\.com")
"""Where Telnyx' own hosts keep files, beside buckets."""

SIP_CODE = re.compile(r"\bD[1-9]\d?\b")
"""How the reason of a call that is not allowed is named. Source: Telnyx docs, SIP response codes."""

DOCTOR = "`python -m web.doctor` asks Telnyx about it"

_ORGANIZATIONS: dict[tuple[str, str], str] = {}
"""The organization of each API key, by REST address and key."""


class TelnyxApi(RestApi["AsyncTelnyx"]):
    """A connection to Telnyx's REST API."""

    sdk_modules = ("telnyx.resources.calls", "telnyx.resources.texml.accounts")

    def __init__(self, *, api_key: str | None, base_url: str | None):
        """Keep the credentials.

        Args:
            api_key: The key.
            base_url: REST address including `/v2`, to talk to another region or to something else than
                Telnyx.
        """
        self._api_key = api_key
        self._base_url = base_url or API_BASE_URL
        super().__init__(breaker_of("Telnyx", (self._base_url, api_key)))

    async def _send(
        self, client: AsyncTelnyx, request: Callable[[AsyncTelnyx], Awaitable[T]], *, timeout_secs: float
    ) -> T:
        """Send one request, with our time-out and errors, and without the SDK's retries of POSTs.

        Raises:
            CarrierError: Telnyx refused, gave no usable answer, or none in time.
        """
        import httpx  # loaded by now, both
        import telnyx

        try:
            async with asyncio.timeout(timeout_secs):
                answer = await request(client)
            # For a body that is not a JSON object the SDK returns something else than the type it promises.
            if not isinstance(answer, telnyx.BaseModel):
                raise CarrierUnavailable(_not_json(type(answer).__name__))
            return answer
        except (TimeoutError, telnyx.APITimeoutError):
            raise CarrierUnavailable(
                f"Telnyx did not answer within {timeout_secs:g} s: its API is slow or not reachable from here"
            ) from None
        except telnyx.APIStatusError as error:
            wait_secs = retry_after_secs(error.response.headers.get("retry-after"))
            raise _translated(error.status_code, error.body, wait_secs) from None
        except (telnyx.APIConnectionError, OSError) as error:
            raise CarrierUnavailable(
                f"Telnyx's API cannot be reached ({type(error).__name__}): check the network, and "
                "TELNYX_API_BASE_URL if it is set",
                nothing_done=isinstance(error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout)),
            ) from None
        except (telnyx.TelnyxError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise CarrierUnavailable(_not_json(type(error).__name__)) from None

    async def organization_id(self, *, timeout_secs: float) -> str:
        """The ID of the organization that the key belongs to; asked once in a process.

        The SDK has no method for it. The answer is `{"data": {"organization_id": …}}`; Telnyx's own guides for TeXML
        take the account's ID from there.

        Raises:
            CarrierError: Telnyx did not say.
        """
        key = (self._base_url, self._api_key or "")
        if key not in _ORGANIZATIONS:
            answer = await self.ask(_whoami, timeout_secs=timeout_secs)
            data = (answer.model_extra or {}).get("data")
            found = data.get("organization_id") if isinstance(data, dict) else None
            if not isinstance(found, str) or not found:
                raise CarrierUnavailable(
                    "Telnyx's answer to GET /v2/whoami has no organization_id: set TELNYX_ACCOUNT_SID"
                )
            _ORGANIZATIONS[key] = found
        return _ORGANIZATIONS[key]

    def file_at(self, url: str | None) -> RecordingFile:
        """A recording's file, where Telnyx has just said that it is. The address is signed, so no key is sent there.

        Raises:
            CallNotFound: Telnyx names no file.
        """
        if not url:
            raise CallNotFound("Telnyx names no file of this recording: it may not be made yet", status=404)
        return RecordingFile(url, self._base_url, FILE_HOSTS)

    def _missing(self) -> str | None:
        return None if self._api_key else "Telnyx is not configured: set TELNYX_API_KEY"

    def _new_client(self) -> AsyncTelnyx:
        from telnyx import AsyncTelnyx

        # Each request has its own time-out, in `ask`.
        return AsyncTelnyx(api_key=self._api_key, base_url=self._base_url, max_retries=0, timeout=None)

    async def _close(self, client: AsyncTelnyx) -> None:
        await client.close()


async def _whoami(client: AsyncTelnyx) -> Any:
    from telnyx import BaseModel  # loaded by now, as there is a client

    return await client.get("/whoami", cast_to=BaseModel)


def _not_json(found: str) -> str:
    return (
        f"Telnyx's API answered with something that is not its JSON ({found}): a proxy may have answered in "
        "its place, or TELNYX_API_BASE_URL lacks its /v2"
    )


def _translated(status: int, body: Any, wait_secs: float | None) -> CarrierError:
    code = None
    try:
        # The SDK unwraps nothing: {"errors": [{"code": "90018", …}]}. Source: Telnyx docs, API error codes.
        code = error_code(body["errors"][0]["code"])
    except (KeyError, IndexError, TypeError):
        pass
    says = partial(told, "Telnyx", status, code, MEANINGS)
    if status == 403 and (found := SIP_CODE.search(json.dumps(body, default=str))):
        # The detail itself may have numbers in it.
        fix = f"{SIP_MEANINGS.get(found[0], 'the call is not allowed')} ({found[0]}); {DOCTOR}"
        return CarrierRejected(told("Telnyx", status, code, {}, fix), status=status, code=code)
    if status in (401, 403):
        return CarrierUnauthorized(says("check TELNYX_API_KEY"), status=status, code=code)
    if status == 404:
        return CallNotFound(says("no such call or account for these credentials"), status=status, code=code)
    if status == 429:
        return CarrierUnavailable.too_many_requests(
            says("too many requests at once; it may be repeated"), wait_secs
        )
    if status == 408:
        return CarrierUnavailable(says("the request came too slowly; it may be repeated"))
    if 400 <= status < 500:
        fix = "see https://developers.telnyx.com/docs/overview/errors"
        return CarrierRejected(says(fix), status=status, code=code)
    return CarrierUnavailable(
        says("its API has a problem, or TELNYX_API_BASE_URL is not Telnyx"), retry_after_secs=wait_secs
    )
