"""A server of the Model Context Protocol, by the protocol's own package: `python -m tests.mcp_server [PORT]`.

Without a port it speaks over its standard input and output. MCP_START_SECS is how long it takes to start.
"""

from __future__ import annotations

import os
import sys
import time

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("appointments")


class Slot(BaseModel):
    """When."""

    day: str
    hour: int = 9


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def free_slots(day: str) -> str:
    """Name the free hours of a day."""
    return f"On {day}: 9, 10 and 14 o'clock."


@server.tool()
def book(slot: Slot, others: list[Slot] | None = None) -> dict[str, str]:
    """Book an hour."""
    if slot.hour == 13:
        raise ToolError("we are closed at 13 o'clock")
    return {"booked": f"{slot.day} {slot.hour}"}


@server.tool()
def die() -> str:
    """End the process, in the middle of a call."""
    os._exit(1)


@server.tool()
def hang(secs: float = 60) -> str:
    """Take long."""
    time.sleep(secs)
    return "done"


@server.tool()
def long_story() -> str:
    """Say very much."""
    return "word " * 200_000


@server.tool()
def whoami(ctx: Context) -> str:
    """Tell what the server knows of who asks."""
    headers = getattr(ctx.request_context.request, "headers", {})
    return f"{os.getpid()} {headers.get('authorization', '')} {os.environ.get('CALENDAR_KEY', '')}"


@server.tool(name="odd.name")
def odd() -> str:
    """A tool whose name no model takes."""
    return ""


if __name__ == "__main__":
    time.sleep(float(os.environ.get("MCP_START_SECS", "0")))
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
