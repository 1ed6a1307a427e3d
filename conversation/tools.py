"""What the LLM may do on a call.

One handler a tool, the same for a real LLM and for the local brain. A handler gets Pipecat's `FunctionCallParams`; the
attachment, which keeps what was promised, comes with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams, LLMService

from calls.call import EndedBy
from calls.messages import Message, MessageBook
from conversation.attachment import Attachment

Handler = Callable[[Attachment, FunctionCallParams], Awaitable[None]]


@dataclass(frozen=True)
class Tool:
    """A tool as the LLM sees it and as we run it.

    Parameters:
        schema: Name, purpose and parameters for the LLM.
        handler: Runs it.
    """

    schema: FunctionSchema
    handler: Handler


async def _end_call(attachment: Attachment, params: FunctionCallParams) -> None:
    farewell = str(params.arguments.get("farewell") or attachment.render(attachment.agent.lines.goodbye))
    # The result comes first: the goodbye outlives this handler, and no LLM turn may follow it.
    await params.result_callback(
        "The call is ending.", properties=FunctionCallResultProperties(run_llm=False)
    )
    attachment.finish(farewell, ended_by=EndedBy.BOT, cause="end_call")


async def _take_message(attachment: Attachment, params: FunctionCallParams) -> None:
    message = Message(
        taken_at=datetime.now(UTC),
        call_id=attachment.call.id,
        agent=attachment.agent.name,
        caller_name=str(params.arguments.get("caller_name") or ""),
        callback_number=str(params.arguments.get("callback_number") or attachment.call.from_number or ""),
        text=str(params.arguments.get("message") or ""),
    )
    if not message.text.strip():
        await params.result_callback("Not taken: the message is empty. Ask the caller what the message is.")
        return
    try:
        await MessageBook(attachment.data_dir).keep(message)
    except OSError as error:
        attachment.record("error", message=f"message not kept: {error.strerror}")
        await params.result_callback(
            "Not taken: it could not be stored. Apologise and ask the caller to ring again."
        )
        return
    attachment.record(
        "message_taken",
        caller_name=message.caller_name,
        callback_number=message.callback_number,
        message=message.text,
    )
    await params.result_callback("The message was taken and will be passed on.")


TOOLS: dict[str, Tool] = {
    "end_call": Tool(
        FunctionSchema(
            name="end_call",
            description=(
                "Say goodbye and hang up. Call it when the caller has said goodbye or wants nothing more. "
                "Do not say goodbye yourself: the farewell is spoken for you, then the line is dropped."
            ),
            properties={
                "farewell": {
                    "type": "string",
                    "description": "The last words to the caller, one short sentence.",
                }
            },
            required=["farewell"],
        ),
        _end_call,
    ),
    "take_message": Tool(
        FunctionSchema(
            name="take_message",
            description="Take a message for the business. Read it back to the caller and have it confirmed first.",
            properties={
                "caller_name": {"type": "string", "description": "The caller's name."},
                "callback_number": {
                    "type": "string",
                    "description": "The number to call back, as the caller said it.",
                },
                "message": {"type": "string", "description": "The message, in the caller's words."},
            },
            required=["caller_name", "message"],
        ),
        _take_message,
    ),
}


def tools_schema(names: Sequence[str]) -> ToolsSchema:
    """The tools of an agent as an LLM is told of them.

    Args:
        names: Names from `TOOLS`, as in the agent's TOML.
    """
    return ToolsSchema(standard_tools=[TOOLS[name].schema for name in names])


def register_tools(llm: LLMService, names: Sequence[str], attachment: Attachment) -> None:
    """Let an LLM service run an agent's tools for one call.

    The handlers are quick: what takes longer than a moment (a goodbye, say) goes on in the attachment, where an
    interruption cannot cancel it.

    Args:
        llm: The service, or the local brain.
        names: Names from `TOOLS`.
        attachment: The session that the tools act on.
    """
    for name in names:
        handler = TOOLS[name].handler

        async def run(params: FunctionCallParams, handler: Handler = handler) -> None:
            try:
                await handler(attachment, _recorded(attachment, params))
            except Exception as error:
                # Pipecat tells the model; what went wrong may hold the caller's words.
                _record(attachment, params, f"Failed: {type(error).__name__}")
                raise

        llm.register_function(name, run)


def _record(attachment: Attachment, params: FunctionCallParams, result: Any) -> None:
    attachment.record("tool", name=params.function_name, arguments=dict(params.arguments), result=result)


def _recorded(attachment: Attachment, params: FunctionCallParams) -> FunctionCallParams:
    """Have a tool's final result written into the call's history on its way to the model."""
    deliver = params.result_callback

    async def deliver_and_record(
        result: Any, *, properties: FunctionCallResultProperties | None = None
    ) -> None:
        if properties is None or properties.is_final:
            _record(attachment, params, result)
        await deliver(result, properties=properties)

    return replace(params, result_callback=deliver_and_record)
