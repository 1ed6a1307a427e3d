"""The tool that takes a message for the business."""

from __future__ import annotations

from calls.errors import NotDone
from conversation.public import ToolParams, ToolResult, asks_for, done, not_done


@asks_for("caller_name", "message")
async def take_message(
    params: ToolParams, caller_name: str = "", callback_number: str = "", message: str = ""
) -> ToolResult:
    """Take a message for the business. Read it back to the caller and have it confirmed first.

    Args:
        params: The call of the tool.
        caller_name: The caller's name.
        callback_number: The number to call back, as the caller said it.
        message: The message, in the caller's words.
    """
    try:
        await params.app_resources.leave_message(
            message, caller_name=caller_name, callback_number=callback_number
        )
    except NotDone as error:
        return not_done(f"Not taken: {error}")
    return done("The message was taken and will be passed on.")
