"""Runs a model's tool calls: checks their arguments, gives one result each, and says a goodbye after the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loguru import logger
from pipecat.frames.frames import FunctionCallFromLLM, FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams, LLMService

from calls.events.talk import ToolUsed
from conversation.session import Session
from conversation.tools.arguments import UnusableArguments, arguments_for
from conversation.tools.offered import TOOLS
from conversation.tools.tool import Tool, ToolResult, done, not_done

OTHERS_SECS = 5.0
"""How long a goodbye waits for the other tools of the same reply."""


def register_tools(llm: LLMService, names: Sequence[str], session: Session) -> None:
    """Let an LLM service run an agent's tools for one call.

    The handlers are quick: what takes longer than a moment (a goodbye, say) goes on in the session, where an
    interruption cannot cancel it.

    Args:
        llm: The service, or the local brain.
        names: Names from `TOOLS`.
        session: The session that the tools act on.
    """
    together = Together()
    llm.add_event_handler("on_function_calls_started", together.began)
    for name in names:
        tool = TOOLS[name]

        async def run(params: FunctionCallParams, tool: Tool = tool) -> None:
            await _run(session, tool, params, together)

        llm.register_function(name, run, cancel_on_interruption=not tool.outlives_interruption)


async def _run(session: Session, tool: Tool, params: FunctionCallParams, together: Together) -> None:
    """Run a tool. Whatever happens, the model gets one result, and the call's history has it."""
    deliver, delivered = params.result_callback, False

    async def deliver_and_record(
        result: ToolResult, *, properties: FunctionCallResultProperties | None = None
    ) -> None:
        nonlocal delivered
        if delivered:
            return
        delivered = True
        together.ended(params.tool_call_id, well=result.ok)
        session.succeeded[params.tool_call_id] = result.ok
        session.record(
            ToolUsed(
                name=params.function_name, arguments=dict(params.arguments), result=result.told, ok=result.ok
            )
        )
        await deliver(result.told, properties=properties)

    given = params.arguments
    params = replace(params, arguments={}, result_callback=deliver_and_record)
    try:
        params = replace(params, arguments=arguments_for(tool.schema, given))
        if tool.waits_for_others and (obstacle := await together.obstacle(params.tool_call_id)):
            await params.result_callback(not_done(f"Not done: {obstacle}"))
            return
        await tool.handler(session, params)
        if not delivered:
            await params.result_callback(done("Done."))
    except UnusableArguments as error:
        await params.result_callback(
            not_done(f"Not done: {error}. Call it again, with arguments as its description has them.")
        )
    except Exception as error:
        # The error's text may hold the caller's words.
        logger.error(
            f"call {session.call.id}: the tool {params.function_name} failed: {type(error).__name__}"
        )
        await params.result_callback(
            not_done(f"Failed: {type(error).__name__}. Tell the caller, and offer another way.")
        )
    finally:
        together.ended(params.tool_call_id, well=delivered)


class Together:
    """Which tools a model has called in one reply, and how they went.

    A call that ends the talk waits for the others: a message that was not taken must still be told to the caller.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._calls: dict[str, list[FunctionCallFromLLM]] = {}
        self._ends: dict[str, asyncio.Future[bool]] = {}

    async def began(self, _llm: Any, calls: list[FunctionCallFromLLM]) -> None:
        """A model has called tools in one reply."""
        loop = asyncio.get_running_loop()
        self._calls = {call.tool_call_id: list(calls) for call in calls}
        self._ends = {call.tool_call_id: loop.create_future() for call in calls}

    def ended(self, tool_call_id: str, *, well: bool) -> None:
        """One of them is done. The first word on it counts."""
        end = self._ends.get(tool_call_id)
        if end is not None and not end.done():
            end.set_result(well)

    async def obstacle(self, tool_call_id: str) -> str:
        """Wait for the others of the same reply.

        Returns:
            What speaks against ending the talk, for the model; empty when nothing does.
        """
        for call in self._calls.get(tool_call_id, ()):
            tool = TOOLS.get(call.function_name)
            if call.tool_call_id == tool_call_id or tool is None or tool.waits_for_others:
                continue
            if call.function_name == "transfer_call":
                return "the caller is being put through. Wait for the outcome."
            try:
                async with asyncio.timeout(OTHERS_SECS):
                    well = await asyncio.shield(self._ends[call.tool_call_id])
            except TimeoutError:
                well = False
            if not well:
                return f"{call.function_name} did not work. Tell the caller about that first."
        return ""
