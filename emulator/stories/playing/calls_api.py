"""What the product's own API reports of a story's calls: after their end, and live while a step waits for an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

from emulator.stories.happenings import API, Board, Happening
from emulator.stories.story import CALLER, Story

ANSWER_SECS = 5.0
SETTLES_SECS = 4.0
"""How long after the story the server may take to write down the end of a call."""

LOOK_AGAIN_SECS = 0.1

Told = dict[str, Any]
Calls = Sequence[tuple[str, str]]
"""Calls by their names in the story, with an id that the API knows."""


@dataclass
class CallsApi:
    """Asks the API about calls.

    Attributes:
        base: The server's base URL.
        api_key: Its API key.
        settles_secs: How long to wait until the API has the end of a call.
    """

    base: str
    api_key: str
    settles_secs: float = SETTLES_SECS
    _seen: set[tuple[str, int]] = field(default_factory=set)

    async def in_the_end(self, calls: Calls) -> dict[str, Told | None]:
        """What the API reports of calls that are over; None for a call that it does not know."""
        async with self._session() as session:
            return {name: await self._settled(session, call_id) for name, call_id in calls}

    async def follow(self, calls: Callable[[], Calls], board: Board) -> None:
        """Put the events of calls on the board as the API reports them; until cancelled."""
        async with self._session() as session:
            while True:
                for name, call_id in calls():
                    told = await self._ask(session, call_id)
                    for number, happening in enumerate(self.happenings({name: told})):
                        if (call_id, number) not in self._seen:
                            self._seen.add((call_id, number))
                            board.note(happening)
                await asyncio.sleep(LOOK_AGAIN_SECS)

    def happenings(self, told: dict[str, Told | None]) -> list[Happening]:
        """The server's own events as things that happened; its clock is this machine's."""
        offset = time.monotonic() - time.time()
        found: list[Happening] = []
        for name, call in told.items():
            for event in (call or {}).get("events", []):
                at = _timestamp(event.get("at"))
                if at is None:
                    continue
                details = {key: value for key, value in event.items() if key not in ("at", "kind")}
                text = ", ".join(f"{key}: {value}" for key, value in details.items())
                found.append(
                    Happening(at + offset, f"{API}{event.get('kind')}", None, text, details, name or CALLER)
                )
        return found

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECS),
        )

    async def _settled(self, session: aiohttp.ClientSession, call_id: str) -> Told | None:
        until = time.monotonic() + self.settles_secs
        while True:
            told = await self._ask(session, call_id)
            if told is None or told.get("ended_at") or time.monotonic() > until:
                return told
            await asyncio.sleep(LOOK_AGAIN_SECS)

    async def _ask(self, session: aiohttp.ClientSession, call_id: str) -> Told | None:
        try:
            async with session.get(f"{self.base}/calls/{quote(call_id, safe='')}") as response:
                if response.status != 200 or response.content_type != "application/json":
                    return None
                told = await response.json()
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
        return told if isinstance(told, dict) else None


def waits_for_api(story: Story) -> bool:
    """Whether a step of the story waits for an event of the API."""
    steps: Iterable[Any] = (
        *story.operator,
        *(step for caller in story.calls for step in caller.steps),
        *(step for person in story.people for step in person.steps),
    )
    return any(step.moment is not None and step.moment.kind == "api" for step in steps)


def _timestamp(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
