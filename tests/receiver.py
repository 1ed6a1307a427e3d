"""Somebody who gets webhooks: a real HTTP server, which checks signatures by the specification's own library."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Receiver:
    url: str
    secret: str = SECRET
    answers: list[Any] = field(default_factory=list)
    """Statuses for the next requests, or seconds to hang, or "close"; 200 after that."""
    got: list[dict[str, Any]] = field(default_factory=list)
    """The notices that were believed, also those that were then refused."""
    ids: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """Those that were answered with 2xx."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        notice = Webhook(self.secret).verify(body, dict(request.headers))
        self.got.append(notice)
        self.ids.append(request.headers["webhook-id"])
        self.bodies.append(body)
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "close":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = 200
        if answer == "redirect":
            return web.Response(status=307, headers={"Location": self.url + "elsewhere"})
        if 200 <= answer < 300:
            self.taken.append(notice)
        return web.Response(status=answer, body="<html>an answer</html>", content_type="text/html")

    def kinds(self) -> list[str]:
        return [notice["type"] for notice in self.taken]

    async def has(self, *kinds: str, secs: float = 15) -> None:
        """Wait until notices of these kinds were taken."""
        try:
            async with asyncio.timeout(secs):
                while not set(kinds) <= set(self.kinds()):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"only these were taken: {self.kinds()}") from None


@asynccontextmanager
async def receiving(*answers: Any, secret: str = SECRET, port: int = 0) -> AsyncIterator[Receiver]:
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    receiver = Receiver("", secret, list(answers))
    app.router.add_post("/{path:.*}", receiver.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def free_port() -> int:
    """A port that nobody uses: of those below what systems give out by themselves, so that nobody gets it meanwhile."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port from 20000 to 32000 is free")
