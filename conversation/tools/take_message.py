"""The tool that takes a message for the business."""

from __future__ import annotations

from datetime import UTC, datetime

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from calls.events.lifecycle import ErrorHappened
from calls.events.talk import MessageTaken
from calls.left_messages import Message, MessageBook
from calls.policy import country_of
from conversation.language.spoken_numbers import Fit, fit, spoken_number
from conversation.session import Session
from conversation.tools.tool import Tool, done, not_done

MAX_EXTENSION = 6
"""Digits up to which a call-back number may be an extension of the business's own."""


async def _take_message(session: Session, params: FunctionCallParams) -> None:
    message = Message(
        taken_at=datetime.now(UTC),
        call_id=session.call.id,
        agent=session.agent.name,
        caller_name=str(params.arguments.get("caller_name") or ""),
        callback_number=str(
            params.arguments.get("callback_number") or session.variables.get("caller_number") or ""
        ),
        text=str(params.arguments.get("message") or ""),
    )
    given = str(params.arguments.get("callback_number") or "")
    digits = spoken_number(given)
    region = country_of(session.control.our_number) or country_of(session.call.other_number)
    if len(digits) > MAX_EXTENSION and fit(digits, region) is not Fit.YES:
        await params.result_callback(
            not_done(
                "Not taken: the call-back number cannot be a telephone number. Ask the caller to say it again, "
                "digit by digit, and read it back."
            )
        )
        return
    if not message.text.strip():
        await params.result_callback(
            not_done("Not taken: the message is empty. Ask the caller what the message is.")
        )
        return
    try:
        await MessageBook(session.data_dir).keep(message)
    except OSError as error:
        session.record(ErrorHappened(message=f"message not kept: {error.strerror}"))
        await params.result_callback(
            not_done("Not taken: it could not be stored. Apologise and ask the caller to ring again.")
        )
        return
    session.record(
        MessageTaken(
            caller_name=message.caller_name, callback_number=message.callback_number, message=message.text
        )
    )
    await params.result_callback(done("The message was taken and will be passed on."))


TAKE_MESSAGE = Tool(
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
)
