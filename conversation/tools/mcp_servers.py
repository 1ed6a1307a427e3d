"""The tools of an agent's MCP servers: learnt at start, so that no call waits for it, and used by each call by itself.

Each call has connections of its own: a server may keep what it was told for the length of a session, and two callers
must not share that. One is opened when the call uses a tool of the server for the first time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.files import agent_names, load_agent
from conversation.agents.http_tables import TOOL_NAME
from conversation.agents.http_templates import UnusableValue, address, base_variable, filled_headers
from conversation.agents.mcp_tables import McpServer
from conversation.public import ToolResult, done, not_done
from conversation.tools.answers import told
from conversation.tools.schemas import without_references
from conversation.tools.tool import Tool
from settings import load_settings, variables_named

if TYPE_CHECKING:
    from conversation.tools.face import Face
    from conversation.tools.mcp_connection import Connection

RESULT_SECS = 1.0
"""How long after its own time-out the use of a tool may take to be told of."""

TELL = "Tell the caller that it does not work just now, and offer another way."
UNSURE = (
    "It is not known whether it was done, so do not call it again. Tell the caller that you cannot be sure, and offer "
    "another way."
)


@dataclass(frozen=True)
class Learnt:
    """A tool that a server has.

    Parameters:
        schema: As the model is offered it.
        only_reads: Whether the server says that it changes nothing.
    """

    schema: FunctionSchema
    only_reads: bool


_learnt: dict[str, list[Learnt]] = {}
"""What servers have, by what the file says of them: a changed file makes them be asked again."""

_learning: dict[str, asyncio.Task[None]] = {}


async def learn_all_tools(first: Agent, folder: Path) -> None:
    """Ask the servers of all agents for their tools, each within its time-out, all at the same time.

    One that does not answer is a warning in the log. It is asked again at the next call.

    Args:
        first: The agent that answers by default.
        folder: Where the others are.
    """
    agents = {first.name: first}
    for name in agent_names(folder):
        try:
            agents.setdefault(name, load_agent(name, folder))
        except AgentError:
            continue  # told when somebody wants that agent
    await asyncio.gather(
        *(_learn(agent, name, server) for agent in agents.values() for name, server in agent.mcp.items())
    )


def mcp_tools(agent: Agent, besides: Collection[str]) -> dict[str, Tool]:
    """The tools of an agent's servers, as far as they are known; those that are not are asked again meanwhile.

    Args:
        agent: The agent.
        besides: Names that are taken already.
    """
    tools: dict[str, Tool] = {}
    for name, server in agent.mcp.items():
        key = _key(agent, name, server)
        if key not in _learnt:
            _learn_later(key, agent, name, server)
            continue
        for found in _learnt[key]:
            schema = found.schema
            if schema.name in besides or schema.name in tools:
                _warn_once(
                    f"{agent.name}.toml: mcp.{name} has a tool {schema.name!r}, and there is one of that name already: "
                    "it is left out; name the others in its tools"
                )
                continue
            tools[schema.name] = Tool(
                schema=schema,
                function=partial(_use, agent, name, server),
                # Whether something was done must be known, even if the caller speaks meanwhile.
                outlives_interruption=not found.only_reads,
                timeout_secs=server.timeout_secs + RESULT_SECS,
                filler=server.filler,
            )
    return tools


@lru_cache(maxsize=256)
def _warn_once(line: str) -> None:
    logger.warning(line)


def _key(agent: Agent, name: str, server: McpServer) -> str:
    return f"{agent.folder}/{agent.name}/{name} {server.model_dump_json()}"


def _learn_later(key: str, agent: Agent, name: str, server: McpServer) -> None:
    asking = _learning.get(key)
    if asking is None or asking.get_loop() is not asyncio.get_running_loop():
        _learning[key] = asyncio.create_task(_learn(agent, name, server), name=f"tools of {name}")
        _learning[key].add_done_callback(lambda _: _learning.pop(key, None))


async def _learn(agent: Agent, name: str, server: McpServer) -> None:
    where = f"{agent.name}.toml: mcp.{name}"
    try:
        async with asyncio.timeout(server.timeout_secs):
            connection = _connection(agent, server, agent.call_variables())
            try:
                found = await connection.list_tools()
            finally:
                await connection.release()
    except Exception as error:
        logger.warning(
            f"{where} is away ({_kind(error)}): calls go on without its tools, and it is asked again at the next one; "
            "start the server, or correct its url or command"
        )
        return
    for wanted in server.tools:
        if wanted not in {tool.name for tool in found}:
            logger.warning(
                f"{where} has no tool {wanted!r}: it has {', '.join(sorted(t.name for t in found)) or 'none'}"
            )
    schemas = []
    for tool in found:
        if server.tools and tool.name not in server.tools:
            continue
        if not TOOL_NAME.fullmatch(tool.name.replace("-", "_")):
            logger.warning(
                f"{where} has a tool {tool.name[:80]!r}, whose name no model takes: it is left out"
            )
            continue
        parameters = without_references(tool.input_schema)
        schema = FunctionSchema(
            name=tool.name,
            description=tool.description or tool.name,
            properties=parameters.get("properties", {}),
            required=list(parameters.get("required", [])),
        )
        hints = tool.annotations
        schemas.append(Learnt(schema, only_reads=bool(hints and hints.read_only_hint)))
    _learnt[_key(agent, name, server)] = schemas


def _kind(error: BaseException) -> str:
    """What kind of error it is, without its words: an address in them may hold a key."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def _connection(agent: Agent, server: McpServer, variables: Mapping[str, Any]) -> Connection:
    """A connection that is not open yet.

    Raises:
        UnusableValue: A header or the address cannot be filled in.
    """
    # Here, as the package takes long to import.
    from conversation.tools.mcp_connection import Connection, program, remote

    secrets = variables_named(server.env)
    if server.url is None:
        first, *arguments = server.command
        command = [sys.executable if first == "python" else first, *arguments]
        quiet = not load_settings().log_callers_words
        return Connection(program(command, folder=agent.folder, environment=secrets, quiet=quiet))
    values = {**variables, "env": secrets}
    url = address(server.url, values, base=secrets.get(base_variable(server.url) or "", ""))
    return Connection(remote(url, filled_headers(server.headers, values), server.timeout_secs))


_connections: WeakKeyDictionary[Face, dict[str, Connection]] = WeakKeyDictionary()


async def _use(
    agent: Agent, name: str, server: McpServer, params: FunctionCallParams, /, **arguments: Any
) -> ToolResult:
    """Use a tool. Whatever the server does, the model is told, within the time-out."""
    face: Face = params.app_resources
    tool, secrets = params.function_name, variables_named(server.env)
    connections = _connections.setdefault(face, {})
    opened = False
    try:
        async with asyncio.timeout(server.timeout_secs):
            if name not in connections:
                connection = connections[name] = _connection(agent, server, face.variables)
                face.at_the_end(connection.release)
            await connections[name].start()
            opened = True
            result = await connections[name].ask(tool, arguments)
    except UnusableValue as error:
        logger.error(f"the tool {tool} cannot be used: mcp.{name}: {error}")
        return not_done(f"Not done: the tool is not set up. {TELL}")
    except Exception as error:
        logger.warning(f"the tool {tool} of mcp.{name} has failed: {_kind(error)}")
        if not opened:
            return not_done(f"Not done: the service cannot be reached. {TELL}")
        said = "No answer in time." if isinstance(error, TimeoutError) else "The service has failed."
        return not_done(f"{said} {UNSURE}")
    words = told(result.words, secrets.values())
    if result.failed:
        return not_done(words or f"The service says that it did not work. {TELL}")
    return done(words or "Done. The service has said nothing more.")
