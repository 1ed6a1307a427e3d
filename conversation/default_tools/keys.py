"""The tool that presses keys of the telephone."""

from __future__ import annotations

import asyncio
import math

from pipecat.adapters.llm.schemas.direct_function import tool_options

from calls.errors import NotDone
from conversation.public import ToolParams, ToolResult, done, not_done

KEYS_PRESSED = "The keys are pressed. Wait for what the other side says."
"""What the model is told of keys that were pressed."""


@tool_options(timeout_secs=math.inf)
async def send_digits(params: ToolParams, digits: str) -> ToolResult:
    """Press keys of the telephone for the other side, such as in a menu that you hear.

    They are 0-9, * and #, with w for a pause of half a second.

    Args:
        params: The call of the tool.
        digits: The keys, in order.
    """
    try:
        await params.app_resources.send_digits(digits)
    except NotDone as error:
        return not_done(f"Not sent: {error}")
    except asyncio.CancelledError:
        # Where a document presses keys, the stream may end, and this session with it, before the carrier has answered.
        # The next session must know all the same that they were pressed.
        await params.result_callback(done(KEYS_PRESSED))
        raise
    return done(KEYS_PRESSED)
