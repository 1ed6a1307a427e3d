"""Tools that a model may not use yet, though nothing keeps it from calling them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from conversation.public import not_done
from conversation.tools.tool import Tool

NOT_YET = "Not done: nobody is being talked to yet. Say nothing, and wait for what is said to you."


def unless(held: Callable[[], bool], tools: Mapping[str, Tool]) -> dict[str, Tool]:
    """The same tools, which do nothing for as long as they are held back.

    Args:
        held: Whether they are: a model that hears by itself also hears the greeting of a voicemail box.
        tools: The tools by name.
    """
    return {name: _unless(held, tool) for name, tool in tools.items()}


def _unless(held: Callable[[], bool], tool: Tool) -> Tool:
    async def run(params: Any, **arguments: Any) -> Any:
        return not_done(NOT_YET) if held() else await tool.function(params, **arguments)

    return replace(tool, function=run)
