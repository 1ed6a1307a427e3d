"""The tools that pause the recording of a call, and let it go on."""

from __future__ import annotations

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from calls.errors import NotDone
from conversation.session import Session
from conversation.tools.tool import Tool, done, not_done


async def _pause_recording(session: Session, params: FunctionCallParams) -> None:
    await _change_recording(
        session, params, "pause", "Paused. What is said now is not recorded.", "Not paused"
    )


async def _resume_recording(session: Session, params: FunctionCallParams) -> None:
    await _change_recording(session, params, "resume", "The recording goes on.", "Not resumed")


async def _change_recording(
    session: Session, params: FunctionCallParams, action: str, changed: str, not_changed: str
) -> None:
    if session.agent.recording.enabled:
        # A recording that begins only now would record the very words that the pause was asked for.
        await session.recording_settled.wait()
    try:
        await session.control.record(action)
    except NotDone as error:
        await params.result_callback(not_done(f"{not_changed}: {error}"))
        return
    await params.result_callback(done(changed))


PAUSE_RECORDING = Tool(
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
)

RESUME_RECORDING = Tool(
    FunctionSchema(
        name="resume_recording",
        description="Go on with a paused recording of the call, as soon as what was secret has been said.",
        properties={},
        required=[],
    ),
    _resume_recording,
    outlives_interruption=True,
)
