"""A small Call Control application for the emulator's tests: takes events, sends commands, talks on media sockets.

It is made of aiohttp alone; nothing of the project is in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from emulator import Credentials, PhoneNetwork
from tests.fake_bot import FakeBot, Line

ACCOUNT = Credentials()
EVENTS = "/telnyx/events"

Talk = Callable[[Line], Awaitable[None]]
Handler = Callable[["Application", dict[str, Any]], Awaitable[None]]


async def stay(line: Line) -> None:
    await line.until_closed()


@dataclass
class Application:
    """Runs `on[event type](application, payload)` for each event, after it was acknowledged, once per event id."""

    network: PhoneNetwork | None
    on: dict[str, Handler] = field(default_factory=dict)
    talk: Talk = stay
    statuses: list[int] = field(default_factory=list)
    """What the first events are answered with; then 200."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Every delivery, with `data` and `meta`."""
    rest_url: str = ""
    """The network's REST server, where the network itself is elsewhere."""
    answers: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """What the network has answered to each command."""

    async def __aenter__(self) -> Self:
        self.bot = await FakeBot(self.talk, {EVENTS: self._take}).__aenter__()
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {ACCOUNT.telnyx_api_key}"})
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        failed = [one for one in await asyncio.gather(*self._tasks, return_exceptions=True) if one]
        await self._session.close()
        await self.bot.__aexit__()
        for error in failed:
            if isinstance(error, Exception):
                raise error

    @property
    def url(self) -> str:
        return self.bot.url

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.bot.port}/ws"

    @property
    def stream(self) -> dict[str, str]:
        """The parameters of a stream in both directions."""
        return {
            "stream_url": self.socket_url,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_target_legs": "self",
        }

    async def request(self, method: str, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        base = self.rest_url if self.network is None else self.network.rest_url
        async with self._session.request(method, f"{base}/v2{path}", json=body) as response:
            return response.status, await response.json()

    async def command(self, call_id: str, action: str, **body: Any) -> tuple[int, dict[str, Any]]:
        method = "PUT" if action == "client_state_update" else "POST"
        status, answer = await self.request(method, f"/calls/{call_id}/actions/{action}", **body)
        self.answers.append((action, status, answer))
        return status, answer

    async def dial(self, to: str, **body: Any) -> dict[str, Any]:
        required = {"connection_id": ACCOUNT.telnyx_connection_id, "from": "+12025550100", "to": to}
        status, answer = await self.request("POST", "/calls", **(required | body))
        assert status == 200, answer
        return answer["data"]

    def of(self, event_type: str, call_id: str | None = None) -> list[dict[str, Any]]:
        """The payloads of the events of this type, in the order of their coming; of one leg if it is named."""
        return [
            one["data"]["payload"]
            for one in self.events
            if one["data"]["event_type"] == event_type
            and call_id in (None, one["data"]["payload"]["call_control_id"])
        ]

    def types(self, call_id: str | None = None) -> list[str]:
        return [
            one["data"]["event_type"]
            for one in self.events
            if call_id in (None, one["data"]["payload"]["call_control_id"])
        ]

    async def until(self, event_type: str, call_id: str | None = None) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while not self.of(event_type, call_id):
                await self._arrived.wait()
        return self.of(event_type, call_id)[-1]

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        known = any(one["data"]["id"] == event["data"]["id"] for one in self.events)
        self.events.append(event)
        status = self.statuses.pop(0) if self.statuses else 200
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
        handler = self.on.get(event["data"]["event_type"])
        if status == 200 and handler is not None and not known:
            task = asyncio.create_task(handler(self, event["data"]["payload"]))
            self._tasks.add(task)
        return web.Response(status=status)


def answering(**more: Any) -> Handler:
    """Answers with a stream."""

    async def answer(app: Application, call: dict[str, Any]) -> None:
        if call["direction"] == "incoming":
            await app.command(call["call_control_id"], "answer", **(app.stream | more))

    return answer


async def hang_up(app: Application, call: dict[str, Any]) -> None:
    await app.command(call["call_control_id"], "hangup")
