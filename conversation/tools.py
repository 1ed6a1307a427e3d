"""What the LLM may do on a call.

One handler a tool, the same for a real LLM and for the local brain. A handler gets Pipecat's `FunctionCallParams`; the
attachment, which keeps what was promised, comes with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallFromLLM, FunctionCallResultProperties, TTSSpeakFrame
from pipecat.services.llm_service import FunctionCallParams, LLMService

from calls.call import EndedBy
from calls.errors import NotDone
from calls.events.lifecycle import ErrorHappened
from calls.events.talk import MessageTaken, ToolUsed
from calls.left_messages import Message, MessageBook
from calls.policy import country_of
from conversation.agents.agent import Agent
from conversation.arguments import UnusableArguments, arguments_for
from conversation.attachment import Attachment
from conversation.farewell import is_farewell
from conversation.spoken_numbers import Fit, fit, spoken_number

OTHERS_SECS = 5.0
"""How long a goodbye waits for the other tools of the same reply."""

KEYS_PRESSED = "The keys are pressed. Wait for what the other side says."
"""What the model is told of keys that were pressed."""

MAX_EXTENSION = 6
"""Digits up to which a call-back number may be an extension of the business's own."""

Handler = Callable[[Attachment, FunctionCallParams], Awaitable[None]]


@dataclass(frozen=True)
class Tool:
    """A tool as the LLM sees it and as we run it.

    Parameters:
        schema: Name, purpose and parameters for the LLM.
        handler: Runs it.
        outlives_interruption: Whether a barge-in leaves it running; its result then comes when it comes.
        waits_for_others: Whether it is done after the other tools of the same reply, and only if they went well.
    """

    schema: FunctionSchema
    handler: Handler
    outlives_interruption: bool = False
    waits_for_others: bool = False


async def _end_call(attachment: Attachment, params: FunctionCallParams) -> None:
    farewell = str(params.arguments.get("farewell") or attachment.render(attachment.agent.lines.goodbye))
    if is_farewell(await attachment.latest_reply(), farewell):
        farewell = ""  # the model has written it already, and it is on its way to the caller
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
        callback_number=str(
            params.arguments.get("callback_number") or attachment.variables.get("caller_number") or ""
        ),
        text=str(params.arguments.get("message") or ""),
    )
    given = str(params.arguments.get("callback_number") or "")
    digits = spoken_number(given)
    region = country_of(attachment.control.our_number) or country_of(attachment.call.other_number)
    if len(digits) > MAX_EXTENSION and fit(digits, region) is not Fit.YES:
        await params.result_callback(
            "Not taken: the call-back number cannot be a telephone number. Ask the caller to say it again, digit by "
            "digit, and read it back."
        )
        return
    if not message.text.strip():
        await params.result_callback("Not taken: the message is empty. Ask the caller what the message is.")
        return
    try:
        await MessageBook(attachment.data_dir).keep(message)
    except OSError as error:
        attachment.record(ErrorHappened(message=f"message not kept: {error.strerror}"))
        await params.result_callback(
            "Not taken: it could not be stored. Apologise and ask the caller to ring again."
        )
        return
    attachment.record(
        MessageTaken(
            caller_name=message.caller_name, callback_number=message.callback_number, message=message.text
        )
    )
    await params.result_callback("The message was taken and will be passed on.")


async def _transfer_call(attachment: Attachment, params: FunctionCallParams) -> None:
    name = str(params.arguments.get("destination") or "")
    try:
        handover = attachment.transfer(name, str(params.arguments.get("reason") or ""))
    except NotDone as error:
        await params.result_callback(f"Not transferred: {error}")
        return
    ended = await handover.outcome()
    if ended is None:
        # Nobody is left to talk to: the caller talks with a colleague, or has hung up.
        await params.result_callback(
            {"outcome": "handed over"}, properties=FunctionCallResultProperties(run_llm=False)
        )
        return
    outcome, detail = ended
    # From where the model's words begin, so that its next ones come after. It is not to be remembered, as words of its
    # own at the end the model would take for its answer; the result tells it.
    words = TTSSpeakFrame(handover.what_is_told(outcome), append_to_context=False)
    await params.llm.push_frame(words)
    await params.result_callback({"outcome": outcome.value, "detail": detail, "caller_was_told": True})


async def _send_digits(attachment: Attachment, params: FunctionCallParams) -> None:
    digits = re.sub(r"[\s().-]", "", str(params.arguments.get("digits") or ""))
    # Keys cut words short that are being said: where the document changes for them, the stream ends.
    await attachment.say_to_the_end("")
    try:
        await attachment.control.send_digits(digits)
    except NotDone as error:
        await params.result_callback(f"Not sent: {error}")
        return
    except asyncio.CancelledError:
        # Where a document presses keys, the stream may end, and this session with it, before the carrier has answered.
        # The next session must know all the same that they were pressed.
        await params.result_callback(KEYS_PRESSED)
        raise
    attachment.listens()
    await params.result_callback(KEYS_PRESSED)


async def _pause_recording(attachment: Attachment, params: FunctionCallParams) -> None:
    await _change_recording(
        attachment, params, "pause", "Paused. What is said now is not recorded.", "Not paused"
    )


async def _resume_recording(attachment: Attachment, params: FunctionCallParams) -> None:
    await _change_recording(attachment, params, "resume", "The recording goes on.", "Not resumed")


async def _change_recording(
    attachment: Attachment, params: FunctionCallParams, action: str, done: str, not_done: str
) -> None:
    if attachment.agent.recording.enabled:
        # A recording that only begins after a pause was asked for would take down what it was asked for.
        await attachment.recording_settled.wait()
    try:
        await attachment.control.record(action)
    except NotDone as error:
        await params.result_callback(f"{not_done}: {error}")
        return
    await params.result_callback(done)


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
        waits_for_others=True,
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
    "transfer_call": Tool(
        FunctionSchema(
            name="transfer_call",
            description=(
                "Put the caller through to a person, once the caller wants that. Do not announce it: that is done for "
                "you. If nobody takes the call, you get the outcome, and the caller is back with you and was told so."
            ),
            properties={
                "destination": {"type": "string", "description": "Whom, one of the given names."},
                "reason": {
                    "type": "string",
                    "description": "What the caller wants, in one sentence for the colleague.",
                },
            },
            required=["destination", "reason"],
        ),
        _transfer_call,
        outlives_interruption=True,
    ),
    "send_digits": Tool(
        FunctionSchema(
            name="send_digits",
            description=(
                "Press keys of the telephone for the other side, such as in a menu that you hear: 0-9, * and #, with "
                "w for a pause of half a second."
            ),
            properties={"digits": {"type": "string", "description": "The keys, in order."}},
            required=["digits"],
        ),
        _send_digits,
    ),
    "pause_recording": Tool(
        FunctionSchema(
            name="pause_recording",
            description=(
                "Pause the recording of the call. Call it before you ask for a card number, a password or the like. If "
                "it fails, do not ask: what is said would be recorded."
            ),
            properties={},
            required=[],
        ),
        _pause_recording,
        outlives_interruption=True,
    ),
    "resume_recording": Tool(
        FunctionSchema(
            name="resume_recording",
            description="Go on with a paused recording of the call, as soon as what was secret has been said.",
            properties={},
            required=[],
        ),
        _resume_recording,
        outlives_interruption=True,
    ),
}


def usable_tools(attachment: Attachment) -> list[str]:
    """The tools of an agent that can work on this call; a model that is told of others promises what it cannot do."""
    names = list(attachment.agent.tools)
    if "transfer_call" in names and not (attachment.agent.transfers and attachment.control.can_transfer):
        names.remove("transfer_call")
    return names


def tools_schema(names: Sequence[str], agent: Agent) -> ToolsSchema:
    """Tools as an LLM is told of them.

    Args:
        names: Names from `TOOLS`.
        agent: Whose destinations a transfer can have.
    """
    schemas = [TOOLS[name].schema for name in names]
    return ToolsSchema(standard_tools=[_with_destinations(schema, agent) for schema in schemas])


def _with_destinations(schema: FunctionSchema, agent: Agent) -> FunctionSchema:
    if "destination" not in schema.properties:
        return schema
    described = "; ".join(
        f"{name}: {agent.own(target.description or target.spoken) or name}"
        for name, target in agent.transfers.items()
    )
    destination = {"type": "string", "enum": list(agent.transfers), "description": described}
    return FunctionSchema(
        name=schema.name,
        description=schema.description,
        properties={**schema.properties, "destination": destination},
        required=schema.required,
    )


def register_tools(llm: LLMService, names: Sequence[str], attachment: Attachment) -> None:
    """Let an LLM service run an agent's tools for one call.

    The handlers are quick: what takes longer than a moment (a goodbye, say) goes on in the attachment, where an
    interruption cannot cancel it.

    Args:
        llm: The service, or the local brain.
        names: Names from `TOOLS`.
        attachment: The session that the tools act on.
    """
    together = Together()
    llm.add_event_handler("on_function_calls_started", together.began)
    for name in names:
        tool = TOOLS[name]

        async def run(params: FunctionCallParams, tool: Tool = tool) -> None:
            await _run(attachment, tool, params, together)

        llm.register_function(name, run, cancel_on_interruption=not tool.outlives_interruption)


async def _run(attachment: Attachment, tool: Tool, params: FunctionCallParams, together: Together) -> None:
    """Run a tool. Whatever happens, the model gets one result, and the call's history has it."""
    deliver, delivered = params.result_callback, False

    async def deliver_and_record(
        result: Any, *, properties: FunctionCallResultProperties | None = None
    ) -> None:
        nonlocal delivered
        if properties is None or properties.is_final:
            if delivered:
                return
            delivered = True
            together.ended(params.tool_call_id, well=not _is_failure(result))
            attachment.record(
                ToolUsed(name=params.function_name, arguments=dict(params.arguments), result=result)
            )
        await deliver(result, properties=properties)

    given = params.arguments
    params = replace(params, arguments={}, result_callback=deliver_and_record)
    try:
        params = replace(params, arguments=arguments_for(tool.schema, given))
        if tool.waits_for_others and (obstacle := await together.obstacle(params.tool_call_id)):
            await params.result_callback(f"Not done: {obstacle}")
            return
        await tool.handler(attachment, params)
        if not delivered:
            await params.result_callback("Done.")
    except UnusableArguments as error:
        await params.result_callback(
            f"Not done: {error}. Call it again, with arguments as its description has them."
        )
    except Exception as error:
        # Its text may hold the caller's words.
        logger.error(
            f"call {attachment.call.id}: the tool {params.function_name} failed: {type(error).__name__}"
        )
        await params.result_callback(
            f"Failed: {type(error).__name__}. Tell the caller, and offer another way."
        )
    finally:
        together.ended(params.tool_call_id, well=delivered)


def _is_failure(result: Any) -> bool:
    return isinstance(result, str) and result.startswith(("Not ", "Failed"))


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
