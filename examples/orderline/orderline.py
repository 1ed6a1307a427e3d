"""What the order line does: a tool that every node offers, and the functions of its flow. Orders are in SQLite."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pipecat.flows import TRANSITION_IN_YAML, FlowManager
from pipecat.services.llm_service import FunctionCallParams

DATABASE = Path(os.environ.get("DATA_DIR") or "data") / "orderline.sqlite3"

BEGINNING = """
create table if not exists goods (name text primary key, price_cents integer not null, left integer not null);
create table if not exists orders (number integer primary key, goods text not null, quantity integer not null);
insert or ignore into goods values ('loaves', 450, 20), ('rolls', 80, 60), ('pies', 1250, 0);
insert or ignore into orders values (4711, 'rolls', 6);
"""


async def what_we_have(params: FunctionCallParams) -> None:
    """Find out what there is today, at which price in cents."""
    rows = await asyncio.to_thread(query, "select name, price_cents from goods where left > 0")
    await params.result_callback({name: cents for name, cents in rows})


async def put_aside(flow_manager: FlowManager, goods: str, quantity: int) -> tuple[dict[str, Any], Any]:
    """Find out whether there is enough of something, and what it costs. Nothing is ordered by that.

    Args:
        goods: What the caller wants, by its name: loaves, rolls or pies.
        quantity: How many.
    """
    rows = await asyncio.to_thread(query, "select price_cents, left from goods where name = ?", goods)
    if not rows or quantity < 1:
        return {"status": "unknown", "goods": goods}, TRANSITION_IN_YAML
    ((cents, left),) = rows
    if left < quantity:
        return {"status": "too few", "left": left}, TRANSITION_IN_YAML
    total = f"{cents * quantity / 100:.2f} dollars"
    # What is in the state can be used in the nodes' texts, and is still there when the caller's stream was lost.
    flow_manager.state.update(goods=goods, quantity=quantity, total=total)
    return {"status": "put_aside", "total": total}, TRANSITION_IN_YAML


async def place_order(flow_manager: FlowManager) -> tuple[dict[str, Any], Any]:
    """Place the order, once the caller has said that it is right."""
    state = flow_manager.state
    number = await asyncio.to_thread(order, state["goods"], state["quantity"])
    if number is None:
        return {"status": "too few"}, TRANSITION_IN_YAML
    state["order_number"] = number
    return {"status": "placed", "number": number}, TRANSITION_IN_YAML


async def find_order(flow_manager: FlowManager, number: str) -> tuple[dict[str, Any], Any]:
    """Look an order up.

    Args:
        number: The number of the order, its digits.
    """
    rows = await asyncio.to_thread(query, "select goods, quantity from orders where number = ?", number)
    if not rows:
        return {"status": "unknown"}, TRANSITION_IN_YAML
    ((goods, quantity),) = rows
    flow_manager.state.update(goods=goods, quantity=quantity)
    return {"status": "found"}, TRANSITION_IN_YAML


def opened() -> sqlite3.Connection:
    """The database; it is made and filled by whoever comes first."""
    DATABASE.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(DATABASE, timeout=5)
    database.executescript(BEGINNING)
    return database


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read rows; in a thread, as other calls wait meanwhile."""
    with closing(opened()) as database:
        return database.execute(sql, values).fetchall()


def order(goods: str, quantity: int) -> int | None:
    """Take goods out of the stock and write the order down; its number, or None when another caller was quicker."""
    with closing(opened()) as database, database:
        taken = database.execute(
            "update goods set left = left - ? where name = ? and left >= ?", (quantity, goods, quantity)
        )
        if not taken.rowcount:
            return None
        return database.execute(
            "insert into orders (goods, quantity) values (?, ?)", (goods, quantity)
        ).lastrowid
