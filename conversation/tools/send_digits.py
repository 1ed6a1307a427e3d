"""The tool that presses keys of the telephone."""

from __future__ import annotations

import asyncio
import re

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from calls.errors import NotDone
from conversation.session import Session
from conversation.tools.tool import Tool, done, not_done

KEYS_PRESSED = "The keys are pressed. Wait for what the other side says."
"""What the model is told of keys that were pressed."""


async def _send_digits(session: Session, params: FunctionCallParams) -> None:
    digits = re.sub(r"[\s().-]", "", str(params.arguments.get("digits") or ""))
    # Keys cut words short that are being said: where the document changes for them, the stream ends.
    await session.say_to_the_end("")
    try:
        await session.control.send_digits(digits)
    except NotDone as error:
        await params.result_callback(not_done(f"Not sent: {error}"))
        return
    except asyncio.CancelledError:
        # Where a document presses keys, the stream may end, and this session with it, before the carrier has answered.
        # The next session must know all the same that they were pressed.
        await params.result_callback(done(KEYS_PRESSED))
        raise
    session.listens()
    await params.result_callback(done(KEYS_PRESSED))


SEND_DIGITS = Tool(
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
)
