"""The table `[mcp.NAME]` of an agent's file: a server whose tools the agent has (the Model Context Protocol)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field, model_validator

from conversation.agents.http_tables import Headers, Variables
from conversation.agents.http_templates import TemplateMistake, check_base, checked_names
from conversation.agents.tables import Plain, Table, Text


class McpServer(Table):
    """A server. It is either asked at `url`, by streamable HTTP, or a program of this machine, started by `command`.

    Attributes:
        url: Where it is. `{{ env.NAME }}` at its beginning is an address.
        command: The program with its arguments; `python` is the Python that runs the bot. It is started in the folder
            of the agent's file, and gets the variables of `env` besides those that every program needs.
        headers: More headers, with `url`. Templates of `variables`, what every call knows, and `env`.
        env: The variables of the environment that the table may use.
        tools: Which of its tools the agent has; all of them when not given.
        timeout_secs: How long connecting, and then each use of a tool, may take.
        filler: What the caller hears when it takes longer than a moment. A template.
    """

    url: Annotated[Text | None, Plain()] = None
    command: Annotated[list[Text], Plain()] = Field(default_factory=list)
    headers: Headers = Field(default_factory=dict)
    env: Variables = Field(default_factory=list)
    tools: Annotated[list[Text], Plain()] = Field(default_factory=list)
    timeout_secs: float = Field(default=8, gt=0, le=30)
    filler: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> McpServer:
        if (self.url is None) == (not self.command):
            raise ValueError("give either url or command")
        if self.headers and self.url is None:
            raise ValueError("headers go with url; a program gets the variables that env names")
        return self

    def check(self, name: str, known: Collection[str]) -> None:
        """Find what is wrong between the keys of the table, and between it and the rest of the file.

        Args:
            name: The server's name in the file.
            known: The names of the file's variables, and of those that every call has.

        Raises:
            ValueError: Something is; the message begins with the key.
        """
        for key, text in self.headers.items():
            try:
                checked_names(text, known, self.env)
            except TemplateMistake as error:
                raise ValueError(f"mcp.{name}.headers.{key}: {error}") from None
        if self.url is not None:
            try:
                checked_names(self.url, (), self.env)
                check_base(self.url)
            except TemplateMistake as error:
                raise ValueError(f"mcp.{name}.url: {error}") from None
