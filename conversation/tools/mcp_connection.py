"""One connection to an MCP server, by Pipecat's client. Imported when an agent has such a server, and not before.

Pipecat's client (pipecat/services/mcp_service.py) opens the connection, keeps it, and closes it. It gives the text of a
result without saying whether the server calls it an error, and takes only the first page of a list, so its session is
asked here.

Redirects to another origin are not followed, whatever Pipecat's client sets: the package `mcp` sees to that
(mcp/client/streamable_http.py, `streamable_http_client`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client.session_group import StreamableHttpParameters
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    PaginatedRequestParams,
    TextContent,
)
from mcp.types import Tool as McpTool
from pipecat.services.mcp_service import MCPClient

MOST_PAGES = 20

RELEASE_SECS = 7.0
"""What the package `mcp` may take to end a program: its input is closed, it is asked to stop, it is killed."""

_ANSWERS_ALL_THE_SAME = (INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND)


def program(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], quiet: bool
) -> StdioServerParameters:
    """A server that is a program of this machine.

    Args:
        command: Its name and arguments.
        folder: Where it is started.
        environment: Its variables, besides those that every program needs.
        quiet: Throw away what it writes to its standard error: servers log there what tools have said.

    Raises:
        FileNotFoundError: There is no such program.
    """
    if shutil.which(folder / command[0] if "/" in command[0] else command[0]) is None:
        raise FileNotFoundError(command[0])
    if quiet:
        # Pipecat's client hands its own standard error on, and lets nobody say otherwise.
        command = ["/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh", *command]
    return StdioServerParameters(
        command=command[0], args=list(command[1:]), env=dict(environment), cwd=folder
    )


def remote(url: str, headers: Mapping[str, str], timeout_secs: float) -> StreamableHttpParameters:
    """A server elsewhere."""
    return StreamableHttpParameters(url=url, headers=dict(headers), timeout=timeout_secs)


@dataclass(frozen=True)
class Said:
    """What came of using a tool.

    Parameters:
        words: Its text; JSON where it gives no text.
        failed: Whether the server calls it an error.
    """

    words: str
    failed: bool


class Connection(MCPClient):
    """A connection."""

    async def list_tools(self) -> list[McpTool]:
        """All tools that the server has."""
        await self.start()
        session = self._get_active_session()
        tools: list[McpTool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return tools

    async def ask(self, tool: str, arguments: Mapping[str, Any]) -> Said:
        """Use a tool.

        Raises:
            Exception: It did not work; the next use opens the connection again if it was lost.
        """
        await self.start()
        session = self._get_active_session()
        try:
            result = await session.call_tool(tool, arguments=dict(arguments))
        except Exception as error:
            if not (isinstance(error, MCPError) and error.error.code in _ANSWERS_ALL_THE_SAME):
                await self.release()
            raise
        return Said(_words(result), bool(result.is_error))

    async def release(self) -> None:
        """Close it, however it is; it can be opened again."""
        # In a task of its own: where the transport has failed, what is waited for there is cancelled, and we are not.
        closing = asyncio.create_task(self.close())
        await asyncio.wait({closing})
        if not closing.cancelled():
            closing.exception()
        # Where connecting took too long, Pipecat's client lets go of the task that still ends the server's program.
        if ending := [task for task in asyncio.all_tasks() if task.get_name() == f"{self}::session"]:
            await asyncio.wait(ending, timeout=RELEASE_SECS)


def _words(result: CallToolResult) -> str:
    texts = [part.text for part in result.content if isinstance(part, TextContent) and part.text]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(texts)
