"""A small phone bot for the emulator's tests: documents by path, one function per media socket, everything recorded.

It is a server as a user would write one, made of aiohttp alone; nothing of the project is in it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import numpy as np
from aiohttp import web

from emulator import tone
from emulator.line.codecs import encode


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def form(self) -> dict[str, str]:
        fields = urlsplit(self.url).query if self.method == "GET" else self.body.decode()
        return dict(parse_qsl(fields, keep_blank_values=True))


class Line:
    """The bot's end of a media socket."""

    def __init__(self, socket: web.WebSocketResponse, bot: FakeBot) -> None:
        self.socket = socket
        self.bot = bot
        self.messages: list[dict[str, Any]] = []
        self.start: dict[str, Any] = {}

    @property
    def twilio(self) -> bool:
        return "streamSid" in self.start

    async def send(self, event: str, **body: Any) -> None:
        message = {"event": event, **body}
        if self.twilio:
            message["streamSid"] = self.start["streamSid"]
        await self.socket.send_str(json.dumps(message))

    async def play(self, samples: np.ndarray, encoding: str = "PCMU") -> None:
        payload = base64.b64encode(encode(encoding, samples)).decode()
        await self.send("media", media={"payload": payload})

    async def beep(self, ms: int, encoding: str = "PCMU") -> None:
        await self.play(tone(ms), encoding)

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    async def clear(self) -> None:
        await self.send("clear")

    async def receive(self) -> dict[str, Any] | None:
        """The next message, or None when the carrier has closed."""
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        body = json.loads(message.data)
        self.messages.append(body)
        return body

    async def until(self, event: str) -> dict[str, Any] | None:
        while (message := await self.receive()) is not None:
            if message["event"] == event:
                return message
        return None

    async def until_closed(self) -> None:
        while await self.receive() is not None:
            pass

    async def caller_spoke(self) -> None:
        """Wait until the caller was loud and then silent for 200 ms."""
        loud, quiet = False, 0
        while (message := await self.receive()) is not None:
            if message["event"] != "media":
                continue
            silent = set(base64.b64decode(message["media"]["payload"])) <= {0xFF, 0x7F, 0xD5, 0x55}
            loud, quiet = (loud, quiet + 1) if silent else (True, 0)
            if loud and quiet >= 10:
                return

    @property
    def call_id(self) -> str:
        start = self.start["start"]
        return start.get("callSid") or start["call_control_id"]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]


def only_for(carrier: str, markup: str) -> str:
    """A document that stands for both languages, without what Twilio's does not have."""
    return (
        re.sub(r' (bidirectionalMode|enableReconnect)="\w+"', "", markup) if carrier == "twilio" else markup
    )


Talk = Callable[[Line], Awaitable[None]]
Answer = str | Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class FakeBot:
    """Serves `documents` by path and runs `talk` on every media socket at /ws...; `url` is where it listens."""

    talk: Talk | None = None
    documents: dict[str, Answer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    upgrades: list[Seen] = field(default_factory=list)
    content_type: str = "text/xml"
    port: int = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def document(self, inner: str, carrier: str = "") -> str:
        inner = only_for(carrier, inner.replace("HOST", f"127.0.0.1:{self.port}"))
        return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            request.method, request.path, dict(request.headers), await request.read(), str(request.url)
        )
        if request.headers.get("Upgrade", "").lower() == "websocket":
            self.upgrades.append(seen)
            return await self._media(request)
        self.seen.append(seen)
        answer = self.documents.get(request.path)
        if answer is None:
            # Callbacks about calls are taken, as by every server that has been told of their address.
            return web.Response(status=200 if request.path.endswith("/status") else 404)
        if callable(answer):
            return await answer(request)
        carrier = "twilio" if "X-Twilio-Signature" in request.headers else ""
        return web.Response(text=self.document(answer, carrier), content_type=self.content_type)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        if self.talk is None:
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        line = Line(socket, self)
        self.lines.append(line)
        started = await line.until("start")
        if started is not None:
            line.start = started
            await self.talk(line)
        await socket.close()
        return socket
