"""A calendar as a server of the Model Context Protocol, which knows nothing of telephones.

PORT=8020 python appointments.py    (without PORT it speaks over its input and output)
"""

from __future__ import annotations

import os
from typing import Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]

server = MCPServer("appointments")
booked: dict[tuple[str, int], str] = {("Monday", 9): "Ann"}


@server.tool()
def free_hours(day: Day) -> str:
    """Name the hours of a day that are free."""
    hours = [hour for hour in range(9, 12) if (day, hour) not in booked]
    return f"Free on {day}: {', '.join(map(str, hours)) or 'nothing'}."


@server.tool()
def book(day: Day, hour: int, name: str) -> str:
    """Book a free hour for somebody."""
    if not 9 <= hour < 12:
        raise ToolError("The practice is open from nine to twelve.")
    if (day, hour) in booked:
        raise ToolError(f"{day} at {hour} is taken. Offer another hour.")
    booked[day, hour] = name
    return f"Booked: {day} at {hour} for {name}."


@server.tool()
def cancel_all() -> str:
    """Cancel all appointments: not for callers, and so not among the agent's tools."""
    booked.clear()
    return "All are cancelled."


if __name__ == "__main__":
    if port := os.environ.get("PORT"):
        server.run("streamable-http", host="127.0.0.1", port=int(port))
    else:
        server.run()
