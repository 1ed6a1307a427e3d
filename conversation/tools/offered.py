"""Which tools an agent has, and which of them a model is offered on a call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from conversation.agents.agent import Agent
from conversation.agents.modules import default_tools
from conversation.public import BotSession
from conversation.tools.http_tools import http_tools
from conversation.tools.language_tool import change_language
from conversation.tools.mcp_servers import mcp_tools
from conversation.tools.tool import Tool

_read = lru_cache(maxsize=256)(Tool.of)


def tools_of(agent: Agent) -> dict[str, Tool]:
    """The tools that an agent's file allows, by name: ours, the agent's own, its services' and its servers'."""
    several = {"change_language": change_language} if len(agent.languages) > 1 else {}
    functions = {**default_tools(), **several, **agent.code.tools}
    tools = {name: _read(function) for name, function in functions.items()}
    tools |= http_tools(agent)
    servers = mcp_tools(agent, besides=tools)
    names = dict.fromkeys([*agent.tools, *several, *(servers if agent.offers_all else ())])
    # A server's tools are not there while it is away.
    return {name: found for name in names if (found := tools.get(name) or servers.get(name)) is not None}


def usable_tools(agent: Agent, session: BotSession) -> dict[str, Tool]:
    """Those that can work on this call; a model that is offered others promises what it cannot do."""
    return {name: tool for name, tool in tools_of(agent).items() if tool.for_session(session) is not None}


def tools_schema(tools: Iterable[Tool], session: BotSession) -> ToolsSchema:
    """Tools in the form that a model is offered them in."""
    schemas = (tool.for_session(session) for tool in tools)
    return ToolsSchema(standard_tools=[schema for schema in schemas if schema is not None])
