"""A carrier's requests to a server over HTTP: for documents to carry out, and callbacks that only report something.

Sources: Twilio docs, voice/twiml (redirects, cookies, content types; errors 11200, 11205, 11215, 12300, 15003),
usage/webhooks, usage/security/availability-reliability; Telnyx docs, TeXML instruction fetching and callbacks. Twilio
has error 11202, too, for a connection that is refused; here it is 11205, as for every connection that fails.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from emulator.documents.parsing import Document, MarkupError, fill_mustache, parse_document
from emulator.faults import Faults
from emulator.legs.delivery import NOT_ANSWERED, NOT_CONNECTED, Delivery, worth_another
from emulator.legs.dialect import Dialect
from emulator.legs.leg import Leg
from emulator.line.clock import Clock
from emulator.line.impairments import under_way
from emulator.timeline import Timeline
from emulator.wire import Wire, lines_of

SIGNATURE_HINT = (
    ": if it is the signature, the server needs the variables that `python -m emulator env` prints, and its "
    "PUBLIC_URL must be the --url; if the address should have a secret part, give as --url the whole voice address "
    "that the server prints"
)

Headers = Callable[[str, bytes, dict[str, str]], dict[str, str]]
"""Makes the headers of a request out of its URL, body and parameters."""


class WebhookFailed(Exception):
    """No usable document came back.

    Attributes:
        code: The carrier's code of the error.
        trouble: Why nothing usable came: `ct` (no connection), `rt` (no answer, or none in time) or `status` (an error
            was answered); None where something came that cannot be used.
    """

    def __init__(self, code: str, text: str, trouble: str | None = None) -> None:
        """The message is the code and the cause."""
        super().__init__(f"{code} {text}")
        self.code = code
        self.trouble = trouble

    @property
    def unreachable(self) -> bool:
        """Whether nothing listened at all."""
        return self.trouble == NOT_CONNECTED


@dataclass(frozen=True)
class _Answer:
    status: int
    content_type: str
    location: str | None
    body: bytes


class Webhooks:
    """The HTTP client of one call. Cookies are kept for the call's length, as Twilio does."""

    def __init__(
        self,
        dialect: Dialect,
        timeline: Timeline,
        clock: Clock,
        fail: Callable[[str], None],
        faults: Faults | None = None,
        wire: Wire | None = None,
        call_id: str = "",
    ) -> None:
        """Open nothing yet; `aclose` when the call is over. `fail` takes what goes wrong with callbacks."""
        self._wire = wire or Wire()
        self._call_id = call_id
        self._faults = faults or Faults()
        self._dialect = dialect
        self._timeline = timeline
        self._clock = clock
        self._fail = fail
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
        headers_of = self._dialect.instruction_headers
        answer = await self._follow(
            url, method.upper(), parameters, self._dialect.document_delivery, headers_of
        )
        where = _path(url)
        self._timeline.note(
            "webhook", f"{method.upper()} {where} -> {answer.status}", status=answer.status, path=where
        )
        if answer.status != 200:
            hint = SIGNATURE_HINT if answer.status in (401, 403) else ""
            raise WebhookFailed("11200", f"{where} answered HTTP {answer.status}, not 200{hint}", "status")
        allowed = self._dialect.content_types
        if allowed is not None and answer.content_type not in allowed:
            raise WebhookFailed(
                "12300", f"{where} answered with content type {answer.content_type!r}; use text/xml"
            )
        body = fill_mustache(answer.body, parameters) if self._dialect.mustache else answer.body
        try:
            return parse_document(body, self._dialect.known_verbs, url=url)
        except MarkupError as error:
            raise WebhookFailed("12100", f"{where}: {error}") from None

    async def notify(self, url: str, parameters: dict[str, str], what: str, method: str = "POST") -> None:
        """Send a callback; one that does not arrive, or is not taken, is an error of the call."""
        await self._faults.deliver(what, partial(self._notify, url, parameters, what, method))

    async def _notify(self, url: str, parameters: dict[str, str], what: str, method: str) -> None:
        delivery = self._dialect.callback_delivery
        try:
            answer = await self._follow(
                url, method.upper(), parameters, delivery, self._dialect.webhook_headers
            )
        except WebhookFailed as error:
            text = f"{what}: not delivered ({error})"
            self._timeline.note("callback", text)
            self._fail(text)
            return
        self._timeline.note("callback", f"{what}: HTTP {answer.status}", status=answer.status)
        least, most = delivery.accepts
        if not least <= answer.status <= most:
            hint = SIGNATURE_HINT if answer.status in (401, 403) else ""
            self._fail(f"{delivery.refused}{what}: {_path(url)} answered HTTP {answer.status}{hint}")

    async def _follow(
        self, url: str, method: str, parameters: dict[str, str], delivery: Delivery, headers_of: Headers
    ) -> _Answer:
        for _ in range(delivery.redirects + 1):
            answer = await self._request(url, method, parameters, delivery, headers_of)
            redirected = answer.status in (301, 302, 303, 307, 308) and answer.location is not None
            if not redirected or not delivery.redirects:
                return answer
            url = urljoin(url, answer.location or "")
            if answer.status in (301, 302, 303):
                # The form is lost on the way: a redirected POST becomes a GET without parameters.
                method, parameters = "GET", {}
        raise WebhookFailed("11215", f"more than {delivery.redirects} redirects from {_path(url)}", "status")

    async def _request(
        self, url: str, method: str, parameters: dict[str, str], delivery: Delivery, headers_of: Headers
    ) -> _Answer:
        """Send a request as often as the carrier would. A repeated request is the same, with the same signature."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WebhookFailed("11100", f"{url[:80]!r} is not an absolute http(s) URL")
        if parts.fragment and self._dialect.connection_overrides:
            delivery, wrong = delivery.overridden(parts.fragment)
            for one in wrong:
                self._fail(f"{one[:40]!r} behind the # of {_path(url)} is no connection override")
        body = b""
        headers = {"Accept": "*/*"}
        if method == "GET":
            query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
            url = urlunsplit(parts._replace(fragment="", query=query))
            headers |= headers_of(url, body, {})
        else:
            url = urlunsplit(parts._replace(fragment=""))
            body = urlencode(parameters).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers |= headers_of(url, body, parameters)
        until = asyncio.get_running_loop().time() + delivery.total_secs
        with self._clock.real_time():
            for pause in delivery.pauses:
                try:
                    answer = await self._told(url, method, parameters, body, headers, delivery, until)
                    if not worth_another(answer.status, delivery.policy):
                        return answer
                    cause = f"HTTP {answer.status}"
                except WebhookFailed as error:
                    left = until - asyncio.get_running_loop().time()
                    if error.trouble not in delivery.policy or left <= pause:
                        raise
                    cause = str(error)
                self._timeline.note("retry", f"{method} {_path(url)} is tried again: {cause}")
                await asyncio.sleep(pause)
            return await self._told(url, method, parameters, body, headers, delivery, until)

    async def _told(
        self,
        url: str,
        method: str,
        parameters: dict[str, str],
        body: bytes,
        headers: dict[str, str],
        delivery: Delivery,
        until: float,
    ) -> _Answer:
        """One attempt, which those see who watch the wire."""
        wire = self._wire
        what = f"{method} {_path(url)}"
        number = wire.sent("webhook", True, what, lines_of(parameters), self._call_id)
        try:
            answer = await self._attempt(url, method, body, headers, delivery, until)
        except WebhookFailed as error:
            wire.answered(number, 0, str(error))
            raise
        wire.answered(number, answer.status, answer.body.decode(errors="replace"))
        return answer

    async def _attempt(
        self, url: str, method: str, body: bytes, headers: dict[str, str], delivery: Delivery, until: float
    ) -> _Answer:
        if self._session is None:
            # A server on this machine is called by its address, and its cookies are to be kept all the same. A
            # connection that is used again may be closed in this very moment, which would not be the server's error.
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.CookieJar(unsafe=True), connector=aiohttp.TCPConnector(force_close=True)
            )
        there, back = self._faults.impairments.webhook()
        await under_way(there)
        left = max(0.001, until - asyncio.get_running_loop().time())
        limits = aiohttp.ClientTimeout(
            total=min(left, delivery.connect_secs + delivery.answer_secs),
            sock_connect=delivery.connect_secs,
            sock_read=delivery.answer_secs,
        )
        try:
            async with self._session.request(
                method,
                # Encoded already: the bytes on the wire must be the ones that were signed.
                URL(url, encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=limits,
            ) as response:
                content = await response.read()
                await under_way(back)
                location = response.headers.get("Location")
                return _Answer(response.status, response.content_type, location, content)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else "no connection in time"
            where = urlsplit(url).netloc
            raise WebhookFailed("11205", f"cannot connect to {where}: {reason}", NOT_CONNECTED) from None
        except TimeoutError:
            raise WebhookFailed("11205", f"{_path(url)} did not answer in time", NOT_ANSWERED) from None
        except aiohttp.ClientError as error:
            raise WebhookFailed("11200", f"{_path(url)}: {type(error).__name__}", NOT_ANSWERED) from None


def _path(url: str) -> str:
    return urlsplit(url).path or "/"
