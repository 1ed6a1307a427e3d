"""What the bot's own server has written down of a call, so that less has to be typed.

It is the interface of the phone bot that this emulator comes with (see `emulator.bot.server_api`). No number and
no word of a call is taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

from emulator.field.field_calls import Evidence

ANSWER_SECS = 5.0
LAST_CALLS = 50


class NoLog(Exception):
    """The server's log is of no use; the message says why, and what to do."""


@dataclass(frozen=True)
class LoggedCall:
    """A call as the server knows it.

    Attributes:
        told: When it was and how it ended, so that the person recognises it.
        events: Its events, oldest first.
    """

    told: str
    events: Sequence[Mapping[str, Any]]

    def answer(self, evidence: Evidence) -> str | float | None:
        """The answer that the log has, or None."""
        if evidence.count:
            return float(sum(self._fits(event, evidence.count, evidence.where) for event in self.events))
        if evidence.last:
            found = [event for event in self.events if self._fits(event, evidence.last, evidence.where)]
            value = found[-1].get(evidence.key) if found else None
            return value if isinstance(value, str) else None
        begin = next((event for event in self.events if event.get("kind") == evidence.begin), None)
        since = None if begin is None else _moment(begin)
        if since is None:
            return None
        for event in self.events:
            moment = _moment(event)
            if moment is not None and moment >= since and self._fits(event, evidence.end, evidence.where):
                return round((moment - since).total_seconds(), 2)
        return None

    @staticmethod
    def _fits(event: Mapping[str, Any], kind: str, where: Mapping[str, str]) -> bool:
        return event.get("kind") == kind and all(event.get(name) == value for name, value in where.items())


class CallLog:
    """A client of the server's call API.

    Args:
        server: Its base URL.
        api_key: Its key.
    """

    def __init__(self, server: str, api_key: str) -> None:
        """Ask nothing yet."""
        self._calls = f"{server.rstrip('/')}/calls"
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def latest(self, wanted: Mapping[str, str]) -> LoggedCall:
        """The newest call whose fields are these.

        Raises:
            NoLog: There is none, or the server does not tell.
        """
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECS)
        try:
            async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
                listed = await self._get(session, f"{self._calls}?limit={LAST_CALLS}", "calls")
                for one in listed:
                    if all(one.get(name) == value for name, value in wanted.items()):
                        call_id = quote(str(one.get("id")), safe="")
                        events = await self._get(session, f"{self._calls}/{call_id}", "events")
                        return LoggedCall(_told(one), events)
        except (TimeoutError, aiohttp.ClientError, ValueError):
            raise NoLog("the server does not answer: is it running, and is --server its address?") from None
        raise NoLog("the server knows of no such call")

    @staticmethod
    async def _get(session: aiohttp.ClientSession, url: str, name: str) -> list[dict[str, Any]]:
        async with session.get(url) as response:
            if response.status in (401, 403):
                raise NoLog("the server refuses the key: give its API_KEY with --api-key")
            if response.status != 200:
                raise NoLog(f"the server answers with HTTP {response.status}: is --server its address?")
            body = await response.json()
        listed = body.get(name) if isinstance(body, dict) else None
        if not isinstance(listed, list):
            raise NoLog("the server has no call API of this kind")
        return [one for one in listed if isinstance(one, dict)]


def _told(call: Mapping[str, Any]) -> str:
    words = [str(call.get(name) or "") for name in ("direction", "state")]
    return ", ".join(one for one in (str(call.get("created_at") or "")[:19], *words) if one)


def _moment(event: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(event.get("at")))
    except ValueError:
        return None
