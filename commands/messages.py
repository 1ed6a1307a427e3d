"""`phonebot messages`: the messages that callers have left, and dealing with them.

Telephone numbers, and what was said, are shown only on request, as by `phonebot calls`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from loguru import logger

from calls.events.people import MessageHandled
from calls.looking import message_place_text, read_message_place
from commands.calls import FAILURES, UNKNOWN, WITHOUT_SERVER, cannot, store_of
from commands.terminal import Shown, local, print_table, printable, waiting
from commands.terminal import as_json as _json
from settings import Settings, load_settings
from web.client import NotAnswered, accepted, server_at
from web.descriptions import message_row, time_text

BY_COMMAND = "phonebot messages"
"""Who has dealt with a message, as its event says."""

NO_ANSWER = "the database takes too long to answer: is it overloaded?"


def list_messages(
    limit: int,
    *,
    url: str | None,
    numbers: bool,
    words: bool,
    as_json: bool,
    only_open: bool | None = True,
    agent: str | None = None,
    since: datetime | None = None,
    before: str | None = None,
) -> int:
    """Print messages, the latest first.

    Args:
        limit: How many.
        url: The address of the server to ask; None reads the database.
        numbers: Whether telephone numbers are shown.
        words: Whether names and messages are shown.
        as_json: Print all that the API would answer, instead of lines.
        only_open: Those that nobody has dealt with, or those that somebody has; None for all.
        agent: Only those that this agent has taken.
        since: Only those from this time on.
        before: Where the list goes on, as the list before has said.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        place = read_message_place(before) if before else None
    except ValueError:
        return cannot(ValueError("--before is no place in the list: give what the list before has said"))
    asked = {"only_open": only_open, "agent": agent, "since": since, "before": place}
    try:
        with waiting("Looking for messages"):
            found = asyncio.run(_found(limit, load_settings(), url, asked))
    except FAILURES as error:
        return cannot(error)
    if as_json:
        print(_json(found))
        return 0
    rows = [_row(one, numbers=numbers, words=words) for one in found["messages"]]
    print_table(rows, otherwise="no open messages" if only_open else "no messages")
    if found["next"] and sys.stdout.isatty():
        print(f"\nmore: --before '{printable(found['next'])}'")
    return 0


def handle_message(call_id: str, seq: int, *, handled: bool, url: str | None) -> int:
    """Say that a message has been dealt with, or that it has not after all.

    Args:
        call_id: Our id of the call, or the carrier's.
        seq: The number of the message, as the list shows it.
        handled: Whether it has been.
        url: See `list_messages`.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        known = asyncio.run(_handled(call_id, seq, handled, load_settings(), url))
    except FAILURES as error:
        return cannot(error)
    if not known:
        print("no such message; `phonebot messages list --all` lists them", file=sys.stderr)
        return UNKNOWN
    print("done" if handled else "open again")
    return 0


def _row(message: Shown, *, numbers: bool, words: bool) -> dict[str, Any]:
    number = message["callback_number"] or message["from_number"] or ""
    return {
        "call": message["call_id"],
        "seq": message["seq"],
        "at": local(message["taken_at"]),
        "agent": message["agent"] or "",
        **({"name": message["caller_name"]} if words else {}),
        **({"number": number} if numbers else {}),
        **({"message": message["message"]} if words else {}),
        "done": f"{local(message['handled_at'])} {message['handled_by']}" if message["handled_at"] else "",
    }


async def _found(limit: int, settings: Settings, url: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    if url is not None:
        parameters = {"limit": limit, "agent": asked["agent"], "since": time_text(asked["since"])}
        if asked["only_open"] is not None:
            parameters["open"] = "true" if asked["only_open"] else "false"
        if asked["before"] is not None:
            parameters["before"] = message_place_text(asked["before"])
        given = {name: value for name, value in parameters.items() if value is not None}
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            return {"next": None, **accepted(await http.get("/messages", params=given))}
    async with store_of(settings) as store:
        found = await store.looking.messages(
            limit=limit,
            open_only=asked["only_open"],
            agent=asked["agent"],
            since=asked["since"],
            before=asked["before"],
        )
        if found is None:
            raise NotAnswered(NO_ANSWER)
        rows, further = found
        return {
            "messages": [message_row(one) for one in rows],
            "next": message_place_text(further) if further else None,
        }


async def _handled(call_id: str, seq: int, handled: bool, settings: Settings, url: str | None) -> bool:
    if url is not None:
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            answer = await http.patch(f"/messages/{quote(call_id, safe='')}/{seq}", json={"handled": handled})
            if answer.status_code == httpx.codes.NOT_FOUND:
                return False
            accepted(answer)
            return True
    async with store_of(settings) as store:
        call = await store.change(call_id)
        if call is None or await store.looking.message(call, seq) is None:
            return False
        call.record(MessageHandled(seq=seq, handled=handled, by=BY_COMMAND))
        if not await store.flush():
            raise NotAnswered(NO_ANSWER)
        return True
