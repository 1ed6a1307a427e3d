"""What a tool is, and what comes of using it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from conversation.session import Session

Handler = Callable[[Session, FunctionCallParams], Awaitable[None]]
"""Runs a tool; gives `result_callback` a `ToolResult`."""


@dataclass(frozen=True)
class Tool:
    """A tool as the LLM sees it and as we run it.

    Parameters:
        schema: Name, purpose and parameters for the LLM.
        handler: Runs it.
        outlives_interruption: Whether it goes on after a barge-in; the model then gets its result later.
        waits_for_others: Whether it runs after the other tools of the same reply, and only if they went well.
    """

    schema: FunctionSchema
    handler: Handler
    outlives_interruption: bool = False
    waits_for_others: bool = False


@dataclass(frozen=True)
class ToolResult:
    """What came of using a tool.

    Parameters:
        ok: Whether the tool did what it is for.
        told: What the model is told: words, or a table.
    """

    ok: bool
    told: str | dict[str, Any]


def done(told: str | dict[str, Any]) -> ToolResult:
    """The tool did what it is for."""
    return ToolResult(True, told)


def not_done(told: str | dict[str, Any]) -> ToolResult:
    """The tool did not do what it is for; the words say why, and what to do now."""
    return ToolResult(False, told)
