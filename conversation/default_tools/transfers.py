"""The tool that puts a caller through to a person."""

from __future__ import annotations

import math

from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from calls.errors import NotDone
from conversation.public import BotSession, ToolParams, ToolResult, asks_for, done, not_done, offered


def _with_destinations(session: BotSession, schema: FunctionSchema) -> FunctionSchema | None:
    """Name the destinations; a model that is offered a tool which cannot work promises what it cannot do."""
    names = session.destinations
    if not names:
        return None
    described = "; ".join(f"{name}: {purpose}" for name, purpose in names.items())
    destination = {"type": "string", "enum": list(names), "description": described}
    return FunctionSchema(
        name=schema.name,
        description=schema.description,
        properties={**schema.properties, "destination": destination},
        required=schema.required,
    )


@tool_options(cancel_on_interruption=False, timeout_secs=math.inf)
@asks_for("destination", "reason")
@offered(_with_destinations)
async def transfer_call(params: ToolParams, destination: str = "", reason: str = "") -> ToolResult:
    """Put the caller through to a person, once the caller wants that.

    Do not announce it: that is done for you. If nobody takes the call, you get the outcome, and the caller is back with
    you and was told so.

    Args:
        params: The call of the tool.
        destination: Whom, one of the given names.
        reason: What the caller wants, in one sentence for the colleague.
    """
    try:
        not_reached = await params.app_resources.transfer(destination, reason)
    except NotDone as error:
        return not_done(f"Not transferred: {error}")
    if not_reached is None:
        return done({"outcome": "handed over"})
    return not_done({"outcome": not_reached.outcome, "detail": not_reached.detail, "caller_was_told": True})
