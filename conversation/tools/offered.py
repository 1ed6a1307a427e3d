"""Which tools an agent has, and which of them a model is offered on a call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from conversation.agents.agent import Agent
from conversation.agents.modules import default_tools
from conversation.public import BotSession
from conversation.tools.tool import Tool

_read = lru_cache(maxsize=256)(Tool.of)


def tools_of(agent: Agent) -> dict[str, Tool]:
    """The tools that an agent's file allows, by name: ours and the agent's own."""
    functions = {**default_tools(), **agent.code.tools}
    return {name: _read(functions[name]) for name in agent.tools}


def usable_tools(agent: Agent, session: BotSession) -> dict[str, Tool]:
    """Those that can work on this call; a model that is offered others promises what it cannot do."""
    return {name: tool for name, tool in tools_of(agent).items() if tool.for_session(session) is not None}


def tools_schema(tools: Iterable[Tool], session: BotSession) -> ToolsSchema:
    """Tools in the form that a model is offered them in."""
    schemas = (tool.for_session(session) for tool in tools)
    return ToolsSchema(standard_tools=[schema for schema in schemas if schema is not None])
