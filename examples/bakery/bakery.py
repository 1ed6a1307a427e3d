"""The bakery's tools and hooks, and a database of its own: callers who have ordered before are greeted by name."""

import asyncio
import os
import sqlite3
from datetime import date
from pathlib import Path

from conversation.public import BotSession, ToolParams, ToolResult, done, filler, not_done

PRICES = {"apple cake": 24, "carrot cake": 27, "cheesecake": 31}
DATABASE = Path(os.environ.get("BAKERY_DB") or Path(__file__).with_name("bakery.db"))


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(DATABASE, timeout=2)
    database.execute(
        "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, phone TEXT, name TEXT, cake TEXT, day TEXT)"
    )
    database.execute("CREATE TABLE IF NOT EXISTS calls (id TEXT, ended TEXT)")
    return database


def _run(statement: str, *values: str | None) -> tuple[list[tuple[str, ...]], int | None]:
    with _database() as database:
        cursor = database.execute(statement, values)
        return cursor.fetchall(), cursor.lastrowid


async def price_of(params: ToolParams, cake: str, pieces: int = 1) -> ToolResult:
    """Say what a cake costs, in dollars.

    Args:
        params: The call of the tool.
        cake: Which cake: apple cake, carrot cake or cheesecake.
        pieces: How many.
    """
    if cake.lower() not in PRICES:
        return not_done(f"There is no {cake}. There are {', '.join(PRICES)}.")
    return done({"dollars": PRICES[cake.lower()] * pieces})


@filler("One moment, I'm writing that down.")
async def order(params: ToolParams, name: str, cake: str, day: str) -> ToolResult:
    """Order a cake, once the caller has confirmed it.

    Args:
        params: The call of the tool.
        name: The caller's name.
        cake: Which cake.
        day: The day it is for, as 2026-11-30.
    """
    if cake.lower() not in PRICES:
        return not_done(f"There is no {cake}. There are {', '.join(PRICES)}.")
    try:
        date.fromisoformat(day)
    except ValueError:
        return not_done("The day must be like 2026-11-30. Ask the caller for it.")
    session = params.app_resources
    phone = session.call.from_number
    # In a thread: other calls' audio is on this one.
    _, number = await asyncio.to_thread(
        _run, "INSERT INTO orders (phone, name, cake, day) VALUES (?, ?, ?, ?)", phone, name, cake, day
    )
    session.variables["order"] = number
    return done({"order_number": number})


async def special(params: ToolParams) -> str:
    """Say what today's special is."""
    cakes = list(PRICES)
    return f"Today's special is {cakes[date.today().weekday() % len(cakes)]}."


async def on_call_start(session: BotSession) -> None:
    """Find out whether the caller has ordered before."""
    rows, _ = await asyncio.to_thread(
        _run, "SELECT name FROM orders WHERE phone = ? ORDER BY number DESC LIMIT 1", session.call.from_number
    )
    if rows:
        session.variables["regular"] = rows[0][0]


async def on_call_end(session: BotSession) -> None:
    """Note how the call has ended."""
    await asyncio.to_thread(_run, "INSERT INTO calls VALUES (?, ?)", session.call.id, session.call.state)
