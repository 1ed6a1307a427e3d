"""The variables of the environment that an agent's file names for its tools: whether they are set."""

from __future__ import annotations

from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.http_tables import HttpTool
from conversation.agents.http_templates import base_variable, is_private_address
from conversation.agents.mcp_tables import McpServer
from settings import variables_named


def check_secrets(agent: Agent) -> None:
    """See that the variables that an agent's HTTP tools and MCP servers need are set, here and now.

    Raises:
        AgentError: One is not, or is no address where one is needed.
        SettingsError: `.env` cannot be read.
    """
    tables: list[tuple[str, HttpTool | McpServer]] = [
        *((f"http.{name}", tool) for name, tool in agent.http.items()),
        *((f"mcp.{name}", server) for name, server in agent.mcp.items()),
    ]
    for where, table in tables:
        values = variables_named(table.env)
        for name in table.env:
            if name not in values:
                raise AgentError(f"{agent.name}.toml: {where} needs {name}, which is not set: set it in .env")
        base = base_variable(table.url or "")
        if base is not None and (wrong := is_private_address(values[base])):
            # Not the value: it may be a secret that was put in the wrong place.
            raise AgentError(
                f"{agent.name}.toml: {where}.url begins with {base}, and {wrong}; correct it in .env"
            )
