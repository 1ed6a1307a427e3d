"""The tools that pause the recording of a call, and let it go on."""

from __future__ import annotations

import math

from pipecat.adapters.llm.schemas.direct_function import tool_options

from calls.errors import NotDone
from conversation.public import ToolParams, ToolResult, done, not_done


@tool_options(cancel_on_interruption=False, timeout_secs=math.inf)
async def pause_recording(params: ToolParams) -> ToolResult:
    """Pause the recording of the call.

    Call it before you ask for a card number, a password or the like. If it fails, do not ask: what is said would be
    recorded.
    """
    return await _change(params, "pause", "Paused. What is said now is not recorded.", "Not paused")


@tool_options(cancel_on_interruption=False, timeout_secs=math.inf)
async def resume_recording(params: ToolParams) -> ToolResult:
    """Go on with a paused recording of the call, as soon as what was secret has been said."""
    return await _change(params, "resume", "The recording goes on.", "Not resumed")


async def _change(params: ToolParams, action: str, changed: str, not_changed: str) -> ToolResult:
    try:
        await params.app_resources.record(action)
    except NotDone as error:
        return not_done(f"{not_changed}: {error}")
    return done(changed)
