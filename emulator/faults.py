"""Carriers that misbehave on demand: REST that fails, webhooks that get lost, media sockets that break.

What goes wrong is said beforehand, request by request; what is left to chance comes from a seed, so that it goes wrong
in the same way again.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from emulator.line.impairments import Impairments
from emulator.requests import Handler, RequestLog

SWAP_SECS = 3.0
"""How long a webhook is held back for another one to overtake it."""

ANY = "any"
HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


@dataclass(frozen=True)
class RestFault:
    """What goes wrong with a REST request.

    Attributes:
        verb: Which requests: a name of `emulator.requests.VERBS`, or `any`.
        requests: Their numbers among those of that verb, counted from 1; empty for all.
        status: Answered with this status, and nothing is done.
        retry_after_secs: When to ask again, as the answer with that status says (RFC 9110, section 10.2.3); None if it
            does not.
        retry_at: Whether it says so by a date instead of by a number of seconds, as the RFC allows.
        html: Answered with a page of HTML (and status 502 if none is given) instead of JSON.
        silent_secs: Not answered at all for so long, then the connection is closed; nothing is done.
        slow_secs: Done and answered only after so long.
        late_secs: Done at once, answered after so long.
        lost: Done, but the connection breaks before the answer.
        chance: How probable it is, 0 to 1.
    """

    verb: str = ANY
    requests: frozenset[int] = frozenset()
    status: int | None = None
    retry_after_secs: int | None = None
    retry_at: bool = False
    html: bool = False
    silent_secs: float | None = None
    slow_secs: float = 0.0
    late_secs: float = 0.0
    lost: bool = False
    chance: float = 1.0


@dataclass(frozen=True)
class WebhookFault:
    """What goes wrong with a webhook that only reports something (a callback, an event).

    Attributes:
        name: Which ones: a word of what they are (`status`, `stream`, `completed`, `recording`, `call.hangup`), or
            `any`.
        webhooks: Their numbers among those of that name, counted from 1; empty for all.
        twice: Sent a second time.
        late_secs: Sent so much later.
        lost: Never sent.
        swapped: Sent after the one that follows it.
        chance: How probable it is, 0 to 1.
    """

    name: str = ANY
    webhooks: frozenset[int] = frozenset()
    twice: bool = False
    late_secs: float = 0.0
    lost: bool = False
    swapped: bool = False
    chance: float = 1.0


@dataclass(frozen=True)
class MediaFault:
    """What goes wrong with a media socket.

    Attributes:
        streams: The numbers of the streams, counted from 1; empty for all.
        cut_after_secs: The connection breaks so long after the stream's start.
        marks_lost: Marks never come back.
        marks_late_secs: Marks come back so much later.
        silent_ends_secs: The carrier ends the call when it is sent no audio, not even silence, for so long from the
            stream's start on; people report this of Telnyx (1.5 s).
        chance: How probable it is, 0 to 1.
    """

    streams: frozenset[int] = frozenset()
    cut_after_secs: float | None = None
    marks_lost: bool = False
    marks_late_secs: float = 0.0
    silent_ends_secs: float | None = None
    chance: float = 1.0


Fault = RestFault | WebhookFault | MediaFault
NO_MEDIA_FAULT = MediaFault()


class Faults:
    """Lets things go wrong as ordered.

    Args:
        faults: What is to go wrong. Of several that concern the same request the first one counts.
        log: Where requests are written down.
        seed: Decides what is left to chance.
        impairments: What the network does to everything; nothing when not given.
    """

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        log: RequestLog | None = None,
        *,
        seed: int = 0,
        impairments: Impairments | None = None,
    ) -> None:
        """Let nothing go wrong yet."""
        self.impairments = impairments or Impairments()
        self.faults = list(faults)
        self.log = log or RequestLog()
        self.listeners: list[Callable[[str], None]] = []
        """Called with a sentence on each fault that was made."""
        self._random = random.Random(seed)
        self._seen: Counter[tuple[type, str]] = Counter()
        self._delivered = asyncio.Event()

    @web.middleware
    async def rest(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Write every request down, and let those fail that are to."""
        entry = await self.log.open(request)
        fault = self._rest_fault(entry.verb)
        text = None
        try:
            if fault is None:
                response = await handler(request)
            else:
                response, text = await self._fail(fault, request, handler)
                self._tell(f"{entry.verb}: {text}")
        except asyncio.CancelledError:
            self.log.close(entry, 0, text or "the client did not wait for the answer")
            raise
        self.log.close(entry, 0 if request.transport is None else response.status, text, response)
        return response

    async def deliver(self, what: str, send: Callable[[], Awaitable[None]]) -> None:
        """Send a webhook, or let it go wrong.

        Args:
            what: What it is, for example `status callback completed` or `call.hangup`.
            send: Sends it once.
        """
        fault = self._webhook_fault(what)
        if fault is None:
            if held_back := self.impairments.held_back():
                await self._another(held_back)
            await send()
        elif fault.lost:
            self._tell(f"{what}: lost")
            return
        else:
            if fault.late_secs:
                self._tell(f"{what}: {fault.late_secs:g} s late")
                await asyncio.sleep(fault.late_secs)
            if fault.swapped:
                self._tell(f"{what}: held back until another one was sent")
                await self._another()
            await send()
            if fault.twice:
                self._tell(f"{what}: sent twice")
                await send()
        delivered, self._delivered = self._delivered, asyncio.Event()
        delivered.set()

    def media(self) -> MediaFault:
        """What is to go wrong with the next media stream."""
        number = self._count(MediaFault, "")
        for fault in self.faults:
            if isinstance(fault, MediaFault) and (not fault.streams or number in fault.streams):
                if self._by_chance(fault.chance):
                    return fault
        return NO_MEDIA_FAULT

    def order(self, faults: Iterable[Fault]) -> None:
        """Let these go wrong from now on, in the place of others; requests, webhooks and streams are counted anew."""
        self.faults = list(faults)
        self._seen.clear()

    def tell(self, text: str) -> None:
        """Write down that something was made to go wrong."""
        self._tell(text)

    async def _another(self, secs: float = SWAP_SECS) -> None:
        try:
            async with asyncio.timeout(secs):
                await self._delivered.wait()
        except TimeoutError:
            return

    async def _fail(
        self, fault: RestFault, request: web.Request, handler: Handler
    ) -> tuple[web.StreamResponse, str]:
        if fault.silent_secs is not None:
            await asyncio.sleep(fault.silent_secs)
            return _broken(request), f"no answer for {fault.silent_secs:g} s, nothing done"
        if fault.slow_secs:
            await asyncio.sleep(fault.slow_secs)
        if fault.html or fault.status is not None:
            return self._answer(fault, request.path), f"answered {fault.status or 502}, nothing done"
        response = await handler(request)
        if fault.lost:
            return _broken(request), "done, but the answer is lost"
        if fault.late_secs:
            await asyncio.sleep(fault.late_secs)
            return response, f"done, answered {fault.late_secs:g} s later"
        return response, f"done after {fault.slow_secs:g} s"

    def _answer(self, fault: RestFault, path: str) -> web.Response:
        status = fault.status or 502
        if fault.html:
            return web.Response(status=status, text=HTML, content_type="text/html")
        answer = self.log.interface_of(path).made_up_error(status)
        if fault.retry_after_secs is not None:
            wait = fault.retry_after_secs
            at = format_datetime(datetime.now(UTC) + timedelta(seconds=wait), usegmt=True)
            answer.headers["Retry-After"] = at if fault.retry_at else str(wait)
        return answer

    def _rest_fault(self, verb: str) -> RestFault | None:
        numbers = {name: self._count(RestFault, name) for name in (verb, ANY)}
        for fault in self.faults:
            if isinstance(fault, RestFault) and fault.verb in numbers:
                if (not fault.requests or numbers[fault.verb] in fault.requests) and self._by_chance(
                    fault.chance
                ):
                    return fault
        return None

    def _webhook_fault(self, what: str) -> WebhookFault | None:
        names = {ANY, *re.split(r"[^a-z0-9._]+", what.lower())}
        numbers = {name: self._count(WebhookFault, name) for name in names}
        for fault in self.faults:
            if isinstance(fault, WebhookFault) and fault.name in numbers:
                if (not fault.webhooks or numbers[fault.name] in fault.webhooks) and self._by_chance(
                    fault.chance
                ):
                    return fault
        return None

    def _count(self, kind: type, name: str) -> int:
        self._seen[kind, name] += 1
        return self._seen[kind, name]

    def _by_chance(self, chance: float) -> bool:
        return chance >= 1.0 or self._random.random() < chance

    def _tell(self, text: str) -> None:
        for listener in self.listeners:
            listener(text)


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
