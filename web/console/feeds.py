"""Streams of changes to a page: server-sent events whose data are pieces of HTML, each named by where it belongs.

htmx's `hx-sse` puts them there: an event without a name is swapped, and `<hx-partial>` says what for which element
(source: four.htmx.org, extensions/hx-sse). Format: WHATWG HTML, section 9.2, Server-sent events.

A call never waits for who looks on. One who does not read is dropped: a browser connects again by itself, and gets what
is the case then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from web.connections import ABORT

KEEP_ALIVE_SECS = 15.0
"""How often something is sent at least: proxies close silent connections. Source: WHATWG HTML, section 9.2.7."""

UNREAD_SECS = 20.0
"""How long a viewer may read nothing while something is to be sent."""

KEEP_ALIVE = b":\n\n"


def event(html: str) -> bytes:
    """An event with HTML, as it is sent."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in html.splitlines() if line.strip()) + b"\n"


def partial(target: str, swap: str, html: str = "") -> str:
    """A piece for one element.

    Args:
        target: The element's id.
        swap: What is done with it there, in htmx's words, such as `outerMorph`.
        html: The piece.
    """
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">\n{html}\n</hx-partial>\n'


class Feed(Response):
    """A stream as an answer.

    Parameters:
        request: What asked for it.
        events: What is sent; it waits as long as it likes.
        still_good: Whether who has asked may go on looking; asked before everything that is sent.
    """

    media_type = "text/event-stream"

    def __init__(self, request: Request, events: AsyncIterator[bytes], still_good: Callable[[], bool]):
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(None, headers=headers)
        del self.headers["content-length"]
        self._events = events
        self._still_good = still_good
        self._abort: Callable[[], None] | None = request.scope.get("extensions", {}).get(ABORT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until there is no more, the browser goes, or it does not read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            with suppress(Exception):
                await self._events.aclose()  # type: ignore[attr-defined]
        error = None if sending.cancelled() else sending.exception()
        if isinstance(error, TimeoutError):
            if self._abort is not None:
                self._abort()  # closing it politely would wait for the reader, too
        elif error is not None:
            raise error
        elif gone.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        following = asyncio.ensure_future(anext(self._events))
        try:
            while self._still_good():
                done, _ = await asyncio.wait((following,), timeout=KEEP_ALIVE_SECS)
                if not done:
                    body = KEEP_ALIVE
                else:
                    try:
                        body = following.result()
                    except StopAsyncIteration:
                        return
                    following = asyncio.ensure_future(anext(self._events))
                if self._still_good():
                    async with asyncio.timeout(UNREAD_SECS):
                        await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await following


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Viewers:
    """Who gets the same events: each has a queue of its own, and is dropped when it is full.

    Parameters:
        most_waiting: How many events may wait for one of them.
    """

    def __init__(self, most_waiting: int = 100):
        self._most_waiting = most_waiting
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._queues)

    def tell(self, body: bytes) -> None:
        """Send all of them something; it waits for nobody."""
        for queue in list(self._queues):
            try:
                queue.put_nowait(body)
            except asyncio.QueueFull:
                self._dismiss(queue)

    def close(self) -> None:
        """Send them nothing more."""
        for queue in list(self._queues):
            self._dismiss(queue)

    def _dismiss(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._queues.discard(queue)
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)

    async def join(self, first: bytes) -> AsyncIterator[bytes]:
        """Be one of them from now on: what is the case now, then each event, until one is dropped."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(self._most_waiting)
        self._queues.add(queue)
        try:
            yield first
            while (body := await queue.get()) is not None:
                yield body
        finally:
            self._queues.discard(queue)
