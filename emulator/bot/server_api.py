"""What the bot's own server reports of the call, if it has the interface for that: its call API and its live events.

This is the interface of the phone bot that this emulator comes with: `GET {base}/calls/{carrier call id}` and
`GET {base}/calls/{carrier call id}/events` (server-sent events), with a bearer key. Other bots do not have
it, and then nothing is lost but the words as the bot itself understood them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp

FETCH_SECS = 5.0
LOOK_AGAIN_SECS = 0.25
APPEARS_WITHIN_SECS = 10.0
HEARD = "caller_said"
SPOKEN = "bot_said"
KEYS = "dtmf"


@dataclass(frozen=True)
class ServerEvent:
    """Something the server recorded.

    Attributes:
        kind: `caller_said`, `bot_said`, `dtmf`, `ended`, ...
        text: The words or keys; empty for other kinds.
        at: When, by the server's clock.
    """

    kind: str
    text: str
    at: datetime


class ServerApi:
    """A client of the call API.

    Args:
        base: Scheme, host and port of the server.
        api_key: The server's API key.
    """

    def __init__(self, base: str, api_key: str) -> None:
        """Remember where to ask."""
        self.available: bool | None = None
        """Whether the server offers the API; None before the first request."""
        self.trouble: str | None = None
        """Why the API is of no use, when there is something that the user can mend; else None."""
        self._base = base
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def _url(self, call_id: str, tail: str = "") -> str:
        return f"{self._base}/calls/{quote(call_id, safe='')}{tail}"

    async def follow(self, call_id: str, tell: Callable[[ServerEvent], None]) -> None:
        """Pass on the events of a call as they happen, until it ends; returns at once if the API is not there."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=FETCH_SECS)
        try:
            async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
                for _ in range(round(APPEARS_WITHIN_SECS / LOOK_AGAIN_SECS)):
                    async with session.get(self._url(call_id, "/events")) as response:
                        if response.status == 404 and response.content_type == "application/json":
                            # The server has the API but does not know the call yet.
                            await asyncio.sleep(LOOK_AGAIN_SECS)
                            continue
                        self._judge(response.status)
                        self.available = (
                            response.status == 200 and response.content_type == "text/event-stream"
                        )
                        if self.available:
                            await self._read(response, tell)
                        return
        except aiohttp.ClientError:
            self.available = self.available or False

    async def events(self, call_id: str) -> list[ServerEvent] | None:
        """All events of a call in order, or None if the server does not tell."""
        timeout = aiohttp.ClientTimeout(total=FETCH_SECS)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
                session.get(self._url(call_id)) as response,
            ):
                self._judge(response.status)
                if response.status != 200 or response.content_type != "application/json":
                    return None
                body = await response.json()
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
        listed = body.get("events") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            return None
        read = (read_event(item) for item in listed if isinstance(item, dict))
        return [event for event in read if event is not None]

    def _judge(self, status: int) -> None:
        if status in (401, 403):
            self.trouble = (
                f"the server's call API refuses the key (HTTP {status}): give its API_KEY with --api-key"
            )

    @staticmethod
    async def _read(response: aiohttp.ClientResponse, tell: Callable[[ServerEvent], None]) -> None:
        kind = ""
        async for raw in response.content:
            line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                try:
                    body = json.loads(line[5:])
                except ValueError:
                    continue
                event = read_event({"kind": kind} | body) if isinstance(body, dict) else None
                if event is not None:
                    tell(event)
                    if event.kind == "ended":
                        return


def read_event(item: dict[str, Any]) -> ServerEvent | None:
    """Read an event with its details beside `kind` and `at`, or in `data`; None if it has no time or kind."""
    details = item | item["data"] if isinstance(item.get("data"), dict) else item
    kind = item.get("kind")
    try:
        at = datetime.fromisoformat(str(item.get("at")))
    except ValueError:
        return None
    if not isinstance(kind, str):
        return None
    text = details.get("digits" if kind == KEYS else "text")
    return ServerEvent(
        kind, text if isinstance(text, str) else "", at if at.tzinfo else at.replace(tzinfo=UTC)
    )
