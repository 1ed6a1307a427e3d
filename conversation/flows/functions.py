"""The functions of a flow, as a model may call them: whatever they do, there is one result, and the flow goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from loguru import logger
from pipecat.flows import NO_RESPONSE, FlowManager, FlowsFunctionSchema

from calls.events.talk import ToolStarted, ToolUsed
from conversation.session import Session
from conversation.tools.arguments import UnusableArguments, arguments_for
from conversation.tools.tool import TIMEOUT_SECS

Next = Callable[[Any], Any]
"""Gives the node that a function leads to as it is run on this call.

Raises:
    NoWay: The conversation cannot come to it now.
"""


class NoWay(Exception):
    """The conversation cannot come to the node that a function leads to; the message may be logged."""


def guarded(
    schema: FlowsFunctionSchema, session: Session, to: Next, after: Callable[[], None]
) -> FlowsFunctionSchema:
    """The same function, which never raises, never takes for ever, and leads nowhere when it fails.

    Args:
        schema: The function, as Pipecat's `Flow` has made it.
        session: The session; what the function does is part of the call's history.
        to: Gives the next node.
        after: Called when the function has run.
    """
    limit_secs = schema.timeout_secs or TIMEOUT_SECS

    async def run(given: dict[str, Any], flow_manager: FlowManager) -> Any:
        try:
            arguments = arguments_for(schema.to_function_schema(), given)
        except UnusableArguments as error:
            told = f"Not done: {error}. Call it again, with arguments as its description has them."
            return _failed(session, schema.name, {}, told)
        session.record(ToolStarted(name=schema.name, arguments=arguments))
        try:
            async with asyncio.timeout(limit_secs) as limit:
                result, node = await _handler(schema)(arguments, flow_manager)
            json.dumps(result)  # else it could not be written into the conversation
            if node is not None and node is not NO_RESPONSE:
                node = to(node)
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            # The text of an error may hold the caller's words.
            what = str(error) if isinstance(error, NoWay) else f"failed: {type(error).__name__}"
            what = f"took longer than {limit_secs:g} s" if late else what
            logger.error(f"call {session.call.id}: the flow's function {schema.name} {what}")
            cause = "it took too long" if late else type(error).__name__
            told = f"Failed: {cause}. Tell the caller, and offer another way."
            return _failed(session, schema.name, arguments, told)
        finally:
            after()
        result = {"status": "acknowledged"} if result is None else result
        session.record(ToolUsed(name=schema.name, arguments=arguments, result=result, ok=True))
        return result, node

    # What Pipecat gives a function without a limit of its own is none, and ours is inside.
    return replace(schema, handler=run, timeout_secs=None)


def _handler(schema: FlowsFunctionSchema) -> Callable[[dict[str, Any], FlowManager], Awaitable[Any]]:
    return cast(Callable[[dict[str, Any], FlowManager], Awaitable[Any]], schema.handler)


def _failed(session: Session, name: str, arguments: dict[str, Any], told: str) -> tuple[dict[str, str], None]:
    result = {"status": "error", "error": told}
    session.record(ToolUsed(name=name, arguments=arguments, result=result, ok=False))
    return result, None
