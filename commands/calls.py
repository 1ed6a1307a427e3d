"""`phonebot calls`: what the database, or a running server, knows of calls.

Telephone numbers, and what was said, are shown only on request: others may look over the user's shoulder, and terminals
keep what they have shown.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from loguru import logger

from calls.database.errors import DatabaseError
from calls.events.event import own_fields, private_fields
from calls.events.forgetting import NUMBER, NUMBER_FIELDS
from calls.events.reading import KINDS
from calls.searching import Filters, Place, understood
from calls.store import CallStore, default_store
from calls.tailing import tail
from commands.terminal import Shown, local, print_table, printable, waiting
from commands.terminal import as_json as _json
from settings import Settings, SettingsError, load_settings
from web.client import NotAnswered, accepted, server_at
from web.descriptions import description, event_description, summary, time_text

Value = str | int | float | bool | None
"""Of a parameter of an address."""

UNKNOWN = 1
CANNOT = 2

WITHOUT_SERVER = "leave --url out to look into the database of this machine"

LOUD = {
    "failed": "red",
    "lost": "red",
    "abandoned": "yellow",
    "turned_away": "yellow",
    "in_progress": "green",
}
"""How outcomes and states are written on a terminal that has colours."""


class NothingKept(Exception):
    """There is no database here to look into; the message is one line with the fix."""


FAILURES = (SettingsError, DatabaseError, NotAnswered, NothingKept)
"""What ends a command with one line."""


def list_calls(
    limit: int,
    *,
    url: str | None,
    numbers: bool,
    as_json: bool,
    words: bool = False,
    filters: Filters | None = None,
    query: str = "",
    before: str | None = None,
) -> int:
    """Print the last calls.

    Args:
        limit: How many.
        url: The address of the server to ask; None reads the database.
        numbers: Whether telephone numbers are shown.
        as_json: Print all that the API would answer, instead of lines.
        words: Whether the caller's first words are shown.
        filters: Which calls; all when not given.
        query: Words that were said, or a part of a number.
        before: Where the list goes on, as the list before has said.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        place = Place.read(before) if before else None
    except ValueError:
        return cannot(ValueError("--before is no place in the list: give what the list before has said"))
    try:
        with waiting("Looking for calls"):
            found = asyncio.run(_found(limit, load_settings(), url, filters or Filters(), query, place))
    except FAILURES as error:
        return cannot(error)
    if as_json:
        print(_json(found))
        return 0
    print_table(
        [_row(call, numbers=numbers, words=words) for call in found["calls"]],
        otherwise="no such calls" if filters or query or before else "no calls yet",
        loud=LOUD,
    )
    if found["next"] and sys.stdout.isatty():
        print(f"\nmore: --before '{printable(found['next'])}'")
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
        with waiting("Looking for the call"):
            found = asyncio.run(_one(call_id, load_settings(), url))
    except FAILURES as error:
        return cannot(error)
    if found is None:
        print(
            "no such call: it never was here, or it was forgotten; `phonebot calls list` lists them",
            file=sys.stderr,
        )
        return UNKNOWN
    print(_json(found) if as_json else "\n".join(report(found, numbers=numbers, words=words)))
    return 0


def tail_calls(
    *, url: str | None, numbers: bool, words: bool, as_json: bool, filters: Filters | None = None
) -> int:
    """Print what happens on calls, a line for each event, until it is interrupted.

    Args:
        url: See `list_calls`; so are the others.
        numbers: See there.
        words: See `show_call`.
        as_json: Print each event as a line of JSON.
        filters: Which calls; all when not given.

    Returns:
        The exit status.
    """
    logger.remove()

    async def follow() -> None:
        async for event in _happening(load_settings(), url, filters or Filters()):
            if as_json:
                line = _json(event, indent=None)
            else:
                fields = _fields(event, numbers=numbers, words=words)
                time = local(event["at"])[11:]
                line = (
                    f"{time}  {printable(event['call_id'])}  {printable(event['kind']):<18} {fields}".rstrip()
                )
            print(line, flush=True)

    try:
        with suppress(KeyboardInterrupt, BrokenPipeError):
            asyncio.run(follow())
    except FAILURES as error:
        return cannot(error)
    return 0


def report(call: Shown, *, numbers: bool, words: bool) -> list[str]:
    """What is known of a call, for people."""
    figures = call["figures"]
    known = {
        "carrier": f"{call['carrier']} {call['carrier_call_id']}",
        "direction": call["direction"],
        **({"from": call["from_number"], "to": call["to_number"]} if numbers else {}),
        "agent": call["agent"],
        "began": local(call["created_at"]),
        "talk": _talk(call),
        "answered by": call["answered_by"],
        "end": _end(call, numbers=numbers),
        "outcome": _outcome(call),
        "first words": _ms(call["first_words_ms"]),
        "responses": _responses(call),
        "cut off": figures["interruptions"],
        **({"note": call["note"]} if words else {}),
    }
    lines = [printable(call["id"])]
    lines += [f"  {name:<13}{printable(value)}" for name, value in known.items() if value]
    if call["turn_times"]:
        lines += ["", "What was waited for"]
        lines += [f"  {line}" for line in map(_turn, call["turn_times"])]
    lines += ["", "What happened"]
    for event in call["events"]:
        fields = _fields(event, numbers=numbers, words=words)
        lines.append(f"  {local(event['at'])[11:]}  {printable(event['kind']):<18} {fields}".rstrip())
    if words and call["turns"]:
        lines += ["", "What was said"]
        for turn in call["turns"]:
            lines += [f"  caller  {printable(turn['caller_said'])}"] if turn["caller_said"] else []
            cut_off = " (cut off)" if turn["interrupted"] else ""
            lines += [f"  bot     {printable(turn['bot_replied'])}{cut_off}"]
    return lines


def _row(call: Shown, *, numbers: bool, words: bool) -> dict[str, Any]:
    return {
        "call": call["id"],
        "began": local(call["created_at"]),
        "talk": _talk(call),
        "direction": call["direction"],
        "carrier": call["carrier"],
        "agent": call["agent"] or "",
        **({"from": call["from_number"] or "", "to": call["to_number"] or ""} if numbers else {}),
        "outcome": call["outcome"] or "",
        "slowest": _ms(call["response_ms"]["max"]),
        **({"about": call["about"] or ""} if words else {}),
        "end": _end(call, numbers=numbers),
    }


def _turn(turn: Shown) -> str:
    """A turn: when it began on the call's clock, how long it was waited for, and what for."""
    stages: dict[str, int] = {}
    for part in turn["parts"]:
        stages[part["stage"]] = stages.get(part["stage"], 0) + part["ms"]
    began = turn["after_answer_ms"]
    place = f"{began / 1000:7.1f} s" if began is not None else " " * 9
    parts = " ".join(f"{printable(name)}={ms}" for name, ms in stages.items())
    cut_off = " (cut off)" if turn["interrupted"] else ""
    return f"{place}  {turn['response_ms']:>6,} ms  {parts}{cut_off}"


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
        if name not in NO_FIELDS and value not in (None, "", []) and may_be_shown(name)
    )
    return printable(" ".join(shown))


NO_FIELDS = frozenset({"at", "kind", "call_id", "number", "agent", "direction", "parts"})
"""What is shown in another place, or is too much for a line."""


def _end(call: Shown, *, numbers: bool) -> str:
    if call["ended_at"] is None:
        return str(call["state"])
    cause = str(call["end_cause"])
    return f"{call['state']}, by {call['ended_by']}: {cause if numbers else NUMBER.sub('(a number)', cause)}"


def _outcome(call: Shown) -> str:
    if call["outcome"] == call["outcome_found"]:
        return str(call["outcome"] or "")
    return f"{call['outcome']}, says a person; {call['outcome_found']} by itself"


def _responses(call: Shown) -> str:
    times = call["response_ms"]
    if times["max"] is None:
        return ""
    return f"{call['responses']}, median {_ms(times['p50'])}, slowest {_ms(times['max'])}"


def _ms(ms: int | None) -> str:
    return "" if ms is None else f"{ms:,} ms"


def _talk(call: Shown) -> str:
    """How long both sides could talk, as 1:05."""
    if call["answered_at"] is None or call["ended_at"] is None:
        return ""
    secs = (_moment(call["ended_at"]) - _moment(call["answered_at"])).total_seconds()
    return f"{int(secs) // 60}:{int(secs) % 60:02}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def cannot(error: Exception) -> int:
    """Say what keeps a command from doing what it is for; returns its exit status."""
    print(printable(error), file=sys.stderr)
    return CANNOT


def _parameters(filters: Filters, query: str = "") -> list[tuple[str, Value]]:
    """The filters as the API takes them."""
    asked: list[tuple[str, Value]] = [("q", query)] if query else []
    for name in ("number", "agent", "direction", "carrier", "slow_ms"):
        if (value := getattr(filters, name)) is not None:
            asked.append((name, str(value)))
    for name in ("live", "reviewed"):
        if (value := getattr(filters, name)) is not None:
            asked.append((name, "true" if value else "false"))
    for name in ("since", "until"):
        if (value := getattr(filters, name)) is not None:
            asked.append((name, time_text(value, exactly=True) or ""))
    for name in ("outcome", "state", "has"):
        asked += [(name, value) for value in getattr(filters, name)]
    return asked


async def _found(
    limit: int, settings: Settings, url: str | None, filters: Filters, query: str, place: Place | None
) -> dict[str, Any]:
    if url is not None:
        asked: list[tuple[str, Value]] = [("limit", limit), *_parameters(filters, query)]
        asked += [("before", str(place))] if place else []
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            return {"next": None, **accepted(await http.get("/calls", params=asked))}
    async with store_of(settings) as store:
        if query:
            filters = replace(filters, **understood(query))
        page = await store.looking.find(filters, limit, place)
        if not page.whole:
            raise NotAnswered("the database takes too long to answer: is it overloaded?")
        return {
            "calls": [summary(one) for one in page.records],
            "next": str(page.next) if page.next else None,
            "whole": page.whole,
        }


async def _one(call_id: str, settings: Settings, url: str | None) -> dict[str, Any] | None:
    if url is not None:
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            answer = await http.get(f"/calls/{quote(call_id, safe='')}")
            return None if answer.status_code == httpx.codes.NOT_FOUND else accepted(answer)
    async with store_of(settings) as store:
        call = await store.fetch(call_id)
        return description(call) if call is not None else None


async def _happening(
    settings: Settings, url: str | None, filters: Filters
) -> AsyncIterator[Mapping[str, Any]]:
    """Events of all calls, as `GET /events` answers them."""
    if url is None:
        async with store_of(settings) as store:
            async for record, number, event in tail(store, filters):
                yield {**event_description(event), "call_id": record["id"], "number": number}
        return
    async with (
        server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http,
        http.stream(
            "GET", "/events", params=_parameters(filters), timeout=httpx.Timeout(30, read=None)
        ) as answer,
    ):
        if not answer.is_success:
            await answer.aread()
            accepted(answer)
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                with suppress(ValueError):
                    yield json.loads(line.removeprefix("data:"))


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
