"""The page's server: static files, and one WebSocket for sound and for what happens.

It listens on this machine only, and any page of the web that is open in the same browser can send requests there as
well. So a request must name this machine as its host (a rebound name does not), and the socket's must come from this
very page. Sources: RFC 6455, section 10.2 (`Origin`); W3C CSP Level 3 and Trusted Types, for what the page may load.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from emulator.errors import EmulatorError
from emulator.facts.values import LOOPBACK
from emulator.line.impairments import PROFILES
from emulator.phone.choices import MANNERS, TROUBLES, WAYS
from emulator.phone.softphone import Softphone
from emulator.phone.wishes import (
    Unusable,
    read_call,
    read_digit,
    read_message,
    read_rate,
    read_troubles,
    read_wait,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATIC: Mapping[str, str] = {
    "phone.css": "text/css",
    "phone.js": "text/javascript",
    "wire.js": "text/javascript",
    "sound.js": "text/javascript",
    "sound-worklet.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

LARGEST_MESSAGE = 64 * 1024
HEARTBEAT_SECS = 20.0
UNREAD_SOUND = 50
"""One second of sound that the page has not read; then the oldest is thrown away. A call never waits for a page."""

TAKEN = 4001
"""Closes the socket of a page in whose place another one has the phone."""

UNREAD_NEWS = 2000
"""Messages that the page has not read; a page that is so far behind is given up."""


class OpenPage:
    """A page that is open; implements `emulator.phone.softphone.Page`.

    Args:
        socket: Its socket.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        """Send nothing yet; `run` does."""
        self._socket = socket
        self._news: deque[str] = deque()
        self._sound: deque[bytes] = deque(maxlen=UNREAD_SOUND)
        self._something = asyncio.Event()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Queue a message."""
        if len(self._news) < UNREAD_NEWS:
            self._news.append(json.dumps(message, separators=(",", ":")))
        self._something.set()

    def hear(self, sound: bytes) -> None:
        """Queue 20 ms of sound."""
        self._sound.append(sound)
        self._something.set()

    async def run(self) -> None:
        """Send until the socket is closed, or the page does not read for too long."""
        while not self._socket.closed:
            await self._something.wait()
            self._something.clear()
            while self._sound:
                await self._socket.send_bytes(self._sound.popleft())
            if len(self._news) >= UNREAD_NEWS:
                await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the page does not read")
                return
            while self._news:
                await self._socket.send_str(self._news.popleft())


class PhoneServer:
    """Serves the page of one softphone.

    Args:
        phone: The phone.
        host: Where to listen.
        port: The port; 0 picks a free one.
    """

    def __init__(self, phone: Softphone, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Set up the routes; `start` listens."""
        self.host = host
        self.port = port
        self._phone = phone
        self._page: web.WebSocketResponse | None = None
        app = web.Application(middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/static/{name}", self._static),
                web.get("/recording.wav", self._recording),
                web.get("/line", self._line),
            ]
        )
        app.on_shutdown.append(self._close_page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    async def start(self) -> None:
        """Listen.

        Raises:
            EmulatorError: The port is taken, or the host is none of this machine.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as error:
            raise EmulatorError(
                f"the page cannot be served at {self.host}:{self.port} ({error.strerror or error}): "
                "choose another --port, or 0 for a free one"
            ) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    # Who may ask

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_us(request.host):
            raise web.HTTPMisdirectedRequest(
                text=f"this page is served to this machine only: open {self.url}\n"
            )
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text)
        if not response.prepared:
            response.headers.update(self._headers(request.host))
        return response

    def _is_us(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (name in LOOPBACK or name == self.host)

    @staticmethod
    def _headers(host: str) -> dict[str, str]:
        # Not every browser takes 'self' for ws:// as well
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self' ws://{host} wss://{host}; "
            "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    # What is asked

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=_file("page.html"), content_type="text/html", charset="utf-8")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound(text="there is no such file\n")
        return web.Response(text=_file(name), content_type=STATIC[name], charset="utf-8")

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        if self._phone.recording is None:
            raise web.HTTPNotFound(text="there was no call yet\n")
        return web.Response(
            body=self._phone.recording,
            content_type="audio/wav",
            headers={"Content-Disposition": 'attachment; filename="call.wav"'},
        )

    async def _line(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Origin") not in (f"http://{request.host}", f"https://{request.host}"):
            raise web.HTTPForbidden(text="only this very page may use the phone\n")
        socket = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=HEARTBEAT_SECS)
        await socket.prepare(request)
        if self._page is not None and self._phone.busy:
            await socket.close(code=TAKEN, message=b"another page has a call")
            return socket
        before, self._page = self._page, socket
        if before is not None:
            await before.close(code=TAKEN, message=b"another page has the phone")
        page = OpenPage(socket)
        page.tell({"hello": self._hello()})
        sending = asyncio.create_task(page.run())
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    self._phone.speak(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._do(message.data, page)
        finally:
            if self._page is socket:
                self._page = None
                await self._phone.leave()
            sending.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sending
        return socket

    def _do(self, text: str, page: OpenPage) -> None:
        phone = self._phone
        try:
            what, message = read_message(text)
            if what == "call":
                phone.place(read_call(message), page)
            elif what == "wait":
                phone.wait(page, *read_wait(message))
            elif what == "pick_up":
                phone.pick_up(read_rate(message))
            elif what == "press":
                phone.press(read_digit(message))
            elif what == "hang_up":
                phone.hang_up()
            elif what == "troubles":
                phone.trouble(read_troubles(message))
            elif what == "break_socket":
                phone.break_socket()
            else:
                raise Unusable(f"nothing is called {what[:40]!r}")
        except Unusable as error:
            page.tell({"refused": str(error)})

    async def _close_page(self, _: web.Application) -> None:
        if self._page is not None:
            await self._page.close(code=WSCloseCode.GOING_AWAY, message=b"the softphone is stopped")

    def _hello(self) -> dict[str, Any]:
        order = self._phone.order
        return {
            "ways": [
                {"name": way.name, "title": way.title, "url": order.urls.get(way.name, "")}
                for way in WAYS.values()
            ],
            "way": order.way,
            "from": order.from_number,
            "to": order.to_number,
            "parameters": dict(order.parameters),
            "people": [
                {"number": one.number, "manner": one.manner, "after_secs": one.after_secs}
                for one in order.people
            ],
            "anybody": order.anybody,
            "manners": dict(MANNERS),
            "troubles": {name: one.title for name, one in TROUBLES.items()},
            "lines": list(PROFILES),
            "line": order.line,
            "rest": self._phone.network.rest_url,
            "tells": order.api_key is not None,
        }


def _file(name: str) -> str:
    return (files("emulator.phone") / "page" / name).read_text(encoding="utf-8")
