"""What a carrier asks a server over HTTP: documents to obey, and callbacks that only tell.

Sources: Twilio docs, voice/twiml (15 s limit, redirects, cookies, content types; errors 11200, 11205, 12300),
usage/webhooks; Telnyx docs, TeXML instruction fetching and callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from emulator.clock import Clock
from emulator.faults import Faults
from emulator.impairments import under_way
from emulator.leg import Dialect, Leg
from emulator.markup import Document, MarkupError, fill_mustache, parse_document
from emulator.timeline import Timeline

DOCUMENT_SECS = 15.0
CALLBACK_SECS = 5.0
MAX_REDIRECTS = 10
SIGNATURE_HINT = (
    ": if it is the signature, the server needs the variables that `python -m emulator env` prints, and its "
    "PUBLIC_URL must be the --url; if the address should have a secret part, give as --url the whole voice address "
    "that the server prints"
)

Headers = Callable[[str, bytes, dict[str, str]], dict[str, str]]
"""Makes the headers of a request out of its URL, body and parameters."""


class WebhookFailed(Exception):
    """No usable document came back; the message names the carrier's error code and the cause.

    Attributes:
        unreachable: Whether nothing listened at all.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        """Keep the message."""
        super().__init__(message)
        self.unreachable = unreachable


@dataclass(frozen=True)
class _Answer:
    status: int
    content_type: str
    location: str | None
    body: bytes


class Webhooks:
    """The HTTP client of one call. Cookies are kept for the call's length, as Twilio does."""

    def __init__(
        self, dialect: Dialect, timeline: Timeline, clock: Clock, faults: Faults | None = None
    ) -> None:
        """Open nothing yet; `aclose` when the call is over."""
        self._faults = faults or Faults()
        self._dialect = dialect
        self._timeline = timeline
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    @property
    def in_order(self) -> bool:
        """Whether callbacks come in the order in which they are sent."""
        return not self._faults.impairments.profile.unordered

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def document(
        self, url: str, leg: Leg, method: str = "POST", *, extra: dict[str, str] | None = None
    ) -> Document:
        """Fetch what to do next.

        Args:
            url: Absolute URL.
            leg: The call, for the standard parameters.
            method: `POST` or `GET`.
            extra: More parameters.

        Raises:
            WebhookFailed: No connection, time-out, other status than 200, wrong content type, or unusable
                markup.
        """
        parameters = self._dialect.webhook_parameters(leg) | (extra or {})
        answer = await self._follow(url, method.upper(), parameters)
        where = _path(url)
        self._timeline.note(
            "webhook", f"{method.upper()} {where} -> {answer.status}", status=answer.status, path=where
        )
        if answer.status != 200:
            hint = SIGNATURE_HINT if answer.status in (401, 403) else ""
            raise WebhookFailed(f"11200 {where} answered HTTP {answer.status}, not 200{hint}")
        allowed = self._dialect.content_types
        if allowed is not None and answer.content_type not in allowed:
            raise WebhookFailed(
                f"12300 {where} answered with content type {answer.content_type!r}; use text/xml"
            )
        body = fill_mustache(answer.body, parameters) if self._dialect.mustache else answer.body
        try:
            return parse_document(body, self._dialect.known_verbs, url=url)
        except MarkupError as error:
            raise WebhookFailed(f"12100 {where}: {error}") from None

    async def notify(self, url: str, parameters: dict[str, str], what: str, method: str = "POST") -> None:
        """Send a callback; whether it arrives is noted and changes nothing."""
        await self._faults.deliver(what, partial(self._notify, url, parameters, what, method))

    async def _notify(self, url: str, parameters: dict[str, str], what: str, method: str) -> None:
        try:
            answer = await self._request(
                url, method.upper(), parameters, CALLBACK_SECS, self._dialect.webhook_headers
            )
        except WebhookFailed as error:
            self._timeline.note("callback", f"{what}: not delivered ({error})")
        else:
            self._timeline.note("callback", f"{what}: HTTP {answer.status}", status=answer.status)

    async def _follow(self, url: str, method: str, parameters: dict[str, str]) -> _Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._request(
                url, method, parameters, DOCUMENT_SECS, self._dialect.instruction_headers
            )
            if answer.status not in (301, 302, 303, 307, 308) or answer.location is None:
                return answer
            url = urljoin(url, answer.location)
            if answer.status in (301, 302, 303):
                # The form is lost on the way: a redirected POST becomes a GET without parameters.
                method, parameters = "GET", {}
        raise WebhookFailed(f"11200 more than {MAX_REDIRECTS} redirects from {_path(url)}")

    async def _request(
        self, url: str, method: str, parameters: dict[str, str], secs: float, headers_of: Headers
    ) -> _Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WebhookFailed(f"11100 {url[:80]!r} is not an absolute http(s) URL")
        url = urlunsplit(parts._replace(fragment=""))
        body = b""
        headers = {"Accept": "*/*"}
        if method == "GET":
            if parameters:
                query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
                url = urlunsplit(parts._replace(fragment="", query=query))
            headers |= headers_of(url, body, {})
        else:
            body = urlencode(parameters).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers |= headers_of(url, body, parameters)
        if self._session is None:
            # A server on this machine is called by its address, and its cookies are to be kept all the same.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        try:
            with self._clock.real_time():
                there, back = self._faults.impairments.webhook()
                await under_way(there)
                async with (
                    asyncio.timeout(secs),
                    # Encoded already: the bytes on the wire must be the ones that were signed.
                    self._session.request(
                        method,
                        URL(url, encoded=True),
                        data=body or None,
                        headers=headers,
                        allow_redirects=False,
                    ) as response,
                ):
                    content = await response.read()
                    await under_way(back)
                    location = response.headers.get("Location")
                    return _Answer(response.status, response.content_type, location, content)
        except TimeoutError:
            raise WebhookFailed(f"11200 {_path(url)} did not answer within {secs:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            raise WebhookFailed(
                f"11200 cannot connect to {parts.netloc}: {error.strerror or error}", unreachable=True
            ) from None
        except aiohttp.ClientError as error:
            raise WebhookFailed(f"11200 {_path(url)}: {type(error).__name__}") from None


def _path(url: str) -> str:
    return urlsplit(url).path or "/"
