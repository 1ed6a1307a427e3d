"""`phonebot drain`: have a running server take no new calls, and perhaps wait until the last one has ended."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from loguru import logger

from settings import Settings, SettingsError, load_settings
from web.client import NotAnswered, accepted, server_at

CANNOT = 2

LOOK_SECS = 1.0
"""How often the server is asked how many calls are left."""

OTHERWISE = "name it with --url"


def drain(*, url: str | None, undo: bool, wait: bool) -> int:
    """Ask the server, and print what it answers.

    Args:
        url: The server's address; this machine's when not given.
        undo: Have it take calls again.
        wait: Wait until the last call has ended.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        print(asyncio.run(_drain(load_settings(), url, undo=undo, wait=wait)))
    except (SettingsError, NotAnswered) as error:
        print(error, file=sys.stderr)
        return CANNOT
    return 0


async def _drain(settings: Settings, url: str | None, *, undo: bool, wait: bool) -> str:
    # Not PUBLIC_URL: behind it may be a balancer, which would ask any of several servers.
    base = (url or f"http://127.0.0.1:{settings.port}").rstrip("/")
    async with server_at(base, settings, otherwise=OTHERWISE) as http:
        if undo:
            return _line(accepted(await http.delete("/drain")))
        state = accepted(await http.post("/drain"))
        while wait and state["calls"]:
            await asyncio.sleep(LOOK_SECS)
            state = accepted(await http.get("/drain"))
        return _line(state)


def _line(state: dict[str, Any]) -> str:
    calls = f"{state['calls']} call{'' if state['calls'] == 1 else 's'} running"
    return f"no new calls are taken, {calls}" if state["draining"] else f"new calls are taken, {calls}"
