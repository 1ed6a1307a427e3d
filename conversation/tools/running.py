"""Runs a model's tool calls: checks their arguments, gives one result each, and says a goodbye after the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loguru import logger
from pipecat.frames.frames import FunctionCallFromLLM, FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pydantic_core import to_jsonable_python

from calls.events.talk import ToolStarted, ToolUsed
from conversation.public import DONE, ToolResult, done, not_done
from conversation.session import Session
from conversation.tools.arguments import UnusableArguments, arguments_for
from conversation.tools.face import Face
from conversation.tools.tool import Tool

OTHERS_SECS = 5.0
"""How long a goodbye waits for the other tools of the same reply."""


def register_tools(llm: LLMService[Any], tools: Mapping[str, Tool], session: Session, face: Face) -> None:
    """Let an LLM service run an agent's tools for one call.

    Args:
        llm: The service, or the local brain.
        tools: The tools by name.
        session: The session that the tools act on.
        face: What the tools see of it.
    """
    together = Together(tools)
    llm.add_event_handler("on_function_calls_started", together.began)
    for name, tool in tools.items():

        async def run(params: FunctionCallParams, tool: Tool = tool) -> None:
            await run_tool(session, face, tool, params, together)

        llm.register_function(name, run, cancel_on_interruption=not tool.outlives_interruption)


async def run_tool(
    session: Session, face: Face, tool: Tool, params: FunctionCallParams, together: Together
) -> None:
    """Run a tool. Whatever happens, the model gets one result, and the call's history has it."""
    deliver, delivered = params.result_callback, False

    async def deliver_and_record(
        result: Any, *, properties: FunctionCallResultProperties | None = None
    ) -> None:
        nonlocal delivered
        if delivered:
            return
        if properties is not None and not properties.is_final:
            await deliver(_jsonable(result), properties=properties)
            return
        delivered = True
        if not isinstance(result, ToolResult):
            result = done(DONE if result is None else result)
        result = replace(result, told=_jsonable(result.told))
        together.ended(params.tool_call_id, well=result.ok)
        session.succeeded[params.tool_call_id] = result.ok
        session.record(
            ToolUsed(
                name=params.function_name, arguments=dict(params.arguments), result=result.told, ok=result.ok
            )
        )
        if session.ending or face.caller_left:
            properties = replace(properties or FunctionCallResultProperties(), run_llm=False)
        await deliver(result.told, properties=properties)

    given = params.arguments
    params = replace(params, arguments={}, result_callback=deliver_and_record, app_resources=face)
    try:
        arguments = arguments_for(tool.schema, given, optional=tool.optional)
        params = replace(params, arguments=arguments)
        if tool.waits_for_others and (obstacle := await together.obstacle(params.tool_call_id)):
            await params.result_callback(not_done(f"Not done: {obstacle}"))
            return
        if tool.filler is not None:
            session.tool_fillers[params.tool_call_id] = tool.filler
        session.record(ToolStarted(name=params.function_name, arguments=dict(arguments)))
        async with asyncio.timeout(tool.limit_secs) as limit:
            given = await tool.function(params, **arguments)
        if not delivered:
            await params.result_callback(given)
    except UnusableArguments as error:
        await params.result_callback(
            not_done(f"Not done: {error}. Call it again, with arguments as its description has them.")
        )
    except Exception as error:
        timed_out = isinstance(error, TimeoutError) and limit.expired()
        # The error's text may hold the caller's words.
        failed = (
            f"took longer than {tool.timeout_secs:g} s" if timed_out else f"failed: {type(error).__name__}"
        )
        logger.error(f"call {session.call.id}: the tool {params.function_name} {failed}")
        cause = "it took too long" if timed_out else type(error).__name__
        await params.result_callback(not_done(f"Failed: {cause}. Tell the caller, and offer another way."))
    finally:
        session.tool_fillers.pop(params.tool_call_id, None)
        together.ended(params.tool_call_id, well=delivered)


def _jsonable(told: Any) -> Any:
    """Put a result into what JSON has; an object of another kind becomes its text."""
    try:
        return to_jsonable_python(told, fallback=str, inf_nan_mode="strings")
    except Exception:  # a text that cannot be made, an object that contains itself
        return f"a {type(told).__name__} that cannot be written as JSON"


class Together:
    """Which tools a model has called in one reply, and how they went.

    A call that ends the talk waits for the others: a message that was not taken must still be told to the caller.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        """Start with none.

        Args:
            tools: The tools that the model has, by name.
        """
        self._tools = tools
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
            tool = self._tools.get(call.function_name)
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
