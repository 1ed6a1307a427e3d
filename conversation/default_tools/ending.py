"""The tool that says goodbye and hangs up."""

from __future__ import annotations

from conversation.public import ToolParams, ToolResult, asks_for, done, waits_for_others


@asks_for("farewell")
@waits_for_others
async def end_call(params: ToolParams, farewell: str = "") -> ToolResult:
    """Say goodbye and hang up.

    Call it when the caller has said goodbye or wants nothing more. Do not say goodbye yourself: the farewell is spoken
    for you, then the line is dropped.

    Args:
        params: The call of the tool.
        farewell: The last words to the caller, one short sentence.
    """
    await params.app_resources.finish(farewell or None, cause="end_call")
    return done("The call is ending.")
