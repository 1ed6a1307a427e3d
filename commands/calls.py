"""`phonebot calls`: what the database, or a running server, knows of calls.

Telephone numbers, and what was said, are shown only on request: others may look over the user's shoulder, and terminals
keep what they have shown.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from loguru import logger

from calls.database.errors import DatabaseError
from calls.events.event import own_fields, private_fields
from calls.events.forgetting import NUMBER, NUMBER_FIELDS
from calls.events.reading import KINDS
from calls.store import CallStore, default_store
from settings import Settings, SettingsError, load_settings
from web.client import NotAnswered, accepted, server_at
from web.descriptions import description, summary

UNKNOWN = 1
CANNOT = 2

WITHOUT_SERVER = "leave --url out to look into the database of this machine"

Shown = Mapping[str, Any]


class NothingKept(Exception):
    """There is no database here to look into; the message is one line with the fix."""


def list_calls(limit: int, *, url: str | None, numbers: bool, as_json: bool) -> int:
    """Print the last calls.

    Args:
        limit: How many.
        url: The address of the server to ask; None reads the database.
        numbers: Whether telephone numbers are shown.
        as_json: Print all that the API would answer, instead of lines.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        found = asyncio.run(_latest(limit, load_settings(), url))
    except (SettingsError, DatabaseError, NotAnswered, NothingKept) as error:
        print(error, file=sys.stderr)
        return CANNOT
    print(_json({"calls": found}) if as_json else "\n".join(table(found, numbers=numbers)))
    return 0


def show_call(call_id: str, *, url: str | None, numbers: bool, words: bool, as_json: bool) -> int:
    """Print what is known of one call.

    Args:
        call_id: Our id, or the carrier's.
        url: See `list_calls`; so are `numbers` and `as_json`.
        numbers: See there.
        words: Whether to show what was said.
        as_json: See there.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        found = asyncio.run(_one(call_id, load_settings(), url))
    except (SettingsError, DatabaseError, NotAnswered, NothingKept) as error:
        print(error, file=sys.stderr)
        return CANNOT
    if found is None:
        print(
            "no such call: it never was here, or it was forgotten; `phonebot calls list` lists them",
            file=sys.stderr,
        )
        return UNKNOWN
    print(_json(found) if as_json else "\n".join(report(found, numbers=numbers, words=words)))
    return 0


def table(calls: Sequence[Shown], *, numbers: bool) -> list[str]:
    """A line for each call, under a line that names the columns."""
    if not calls:
        return ["no calls yet"]
    rows = [
        {
            "call": call["id"],
            "began": _local(call["created_at"]),
            "talk": _talk(call),
            "direction": call["direction"],
            "carrier": call["carrier"],
            "agent": call["agent"] or "",
            **({"from": call["from_number"] or "", "to": call["to_number"] or ""} if numbers else {}),
            "end": _end(call, numbers=numbers),
        }
        for call in calls
    ]
    cells = [list(rows[0]), *([*map(str, row.values())] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]


def report(call: Shown, *, numbers: bool, words: bool) -> list[str]:
    """What is known of a call, for people."""
    known = {
        "carrier": f"{call['carrier']} {call['carrier_call_id']}",
        "direction": call["direction"],
        **({"from": call["from_number"], "to": call["to_number"]} if numbers else {}),
        "agent": call["agent"],
        "began": _local(call["created_at"]),
        "talk": _talk(call),
        "answered by": call["answered_by"],
        "end": _end(call, numbers=numbers),
    }
    lines = [call["id"], *(f"  {name:<13}{value}" for name, value in known.items() if value)]
    lines += ["", "What happened"]
    for event in call["events"]:
        fields = _fields(event, numbers=numbers, words=words)
        lines.append(f"  {_local(event['at'])[11:]}  {event['kind']:<18} {fields}".rstrip())
    if words and call["turns"]:
        lines += ["", "What was said"]
        for turn in call["turns"]:
            lines += [f"  caller  {turn['caller_said']}"] if turn["caller_said"] else []
            lines += [f"  bot     {turn['bot_replied']}{' (cut off)' if turn['interrupted'] else ''}"]
    return lines


def _fields(event: Shown, *, numbers: bool, words: bool) -> str:
    """An event's fields besides its time and kind, without numbers and words unless these are asked for."""
    kinds = KINDS.get(event["kind"], ())
    plain = {one.name for kind in kinds for one in own_fields(kind)}
    plain -= {name for kind in kinds for name in private_fields(kind)}

    def may_be_shown(name: str) -> bool:
        return numbers if name in NUMBER_FIELDS else words or name in plain

    shown = (
        f"{name}={value if numbers else NUMBER.sub('(a number)', str(value))}"
        for name, value in event.items()
        if name not in ("at", "kind") and value not in (None, "") and may_be_shown(name)
    )
    return " ".join(shown)


def _end(call: Shown, *, numbers: bool) -> str:
    if call["ended_at"] is None:
        return str(call["state"])
    cause = str(call["end_cause"])
    return f"{call['state']}, by {call['ended_by']}: {cause if numbers else NUMBER.sub('(a number)', cause)}"


def _talk(call: Shown) -> str:
    """How long both sides could talk, as 1:05."""
    if call["answered_at"] is None or call["ended_at"] is None:
        return ""
    secs = (_moment(call["ended_at"]) - _moment(call["answered_at"])).total_seconds()
    return f"{int(secs) // 60}:{int(secs) % 60:02}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _local(text: str) -> str:
    return f"{_moment(text).astimezone():%Y-%m-%d %H:%M:%S}"


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


async def _latest(limit: int, settings: Settings, url: str | None) -> list[dict[str, Any]]:
    if url is not None:
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            return list(accepted(await http.get("/calls", params={"limit": limit}))["calls"])
    async with store_of(settings) as store:
        return [summary(call) for call in await store.latest(limit)]


async def _one(call_id: str, settings: Settings, url: str | None) -> dict[str, Any] | None:
    if url is not None:
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            answer = await http.get(f"/calls/{quote(call_id, safe='')}")
            return None if answer.status_code == httpx.codes.NOT_FOUND else accepted(answer)
    async with store_of(settings) as store:
        call = await store.fetch(call_id)
        return description(call) if call is not None else None


@asynccontextmanager
async def store_of(settings: Settings) -> AsyncIterator[CallStore]:
    """The calls in the database of this machine, while it is used.

    Raises:
        NothingKept: There is none.
        DatabaseError: It cannot be used.
    """
    if settings.calls_database is None:
        raise NothingKept(
            "DATABASE_URL is memory, so only the running server knows its calls: ask it with --url "
            f"http://127.0.0.1:{settings.port}"
        )
    store = default_store(settings.calls_database)
    try:
        await store.start()
        yield store
    finally:
        await store.aclose()
