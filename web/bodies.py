"""How much of a request is read, and for how long: an ASGI middleware in front of every route.

Nothing is read before a route asks for it, so a route that looks at a key first has looked at it before a byte of the
body came in.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.refusals import Refused

MAX_BODY_BYTES = 64 << 10
"""The largest body of a request. Carriers' forms and events, and the API's JSON, have a few kB."""

BODY_SECS = 9.0
"""How long a body may take to come in, in seconds. Shorter than `web.connections.REQUEST_SECS`, which only hangs up."""

LINGER_SECS, LINGER_BYTES = 1.0, 16 << 20
"""How long, and for how many bytes, the rest of an unread body is thrown away before the connection is closed."""


class BodyLimits:
    """Refuses bodies that are too large, too slow or compressed, when a route begins to read them.

    Parameters:
        app: What answers the requests.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send)
        await self._app(scope, body.receive, body.send)


class _Body:
    """The body of one request, and whether the request is answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send):
        self._receive = receive
        self._send = send
        headers = dict(scope["headers"])
        self._length = headers.get(b"content-length", b"0")
        self._encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        self._complete = self._length == b"0" and b"transfer-encoding" not in headers
        self._answered = False
        self._read = 0
        self._deadline = asyncio.get_running_loop().time() + BODY_SECS

    async def receive(self) -> Message:
        if self._complete or self._answered:
            return await self._receive()
        if self._encoding not in (b"identity", b""):
            raise Refused(415, "encoded_body", "the body is compressed")
        if not self._length.isdigit() or len(self._length) > 9 or int(self._length) > MAX_BODY_BYTES:
            raise Refused(413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            return self._too_late()
        self._read += len(message.get("body", b""))
        if self._read > MAX_BODY_BYTES:
            raise Refused(413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
        self._complete = message["type"] == "http.request" and not message.get("more_body", False)
        return message

    def _too_late(self) -> Message:
        if self._answered:  # meanwhile, by a route that only listens for the end of the connection
            return {"type": "http.disconnect"}
        raise Refused(408, "slow_body", f"the body was not there after {BODY_SECS:g} s")

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            if not self._complete:
                # Else the rest of the body would have to be read, to find the next request behind it.
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
        elif not self._complete and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _linger(self) -> None:
        """Throw away what still comes, for a moment: a sender whose connection breaks does not read the answer."""
        thrown_away = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECS):
                while thrown_away < LINGER_BYTES:
                    message = await self._receive()
                    thrown_away += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
