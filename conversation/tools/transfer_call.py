"""The tool that puts a caller through to a person."""

from __future__ import annotations

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties, TTSSpeakFrame
from pipecat.services.llm_service import FunctionCallParams

from calls.errors import NotDone
from conversation.handover import put_through
from conversation.session import Session
from conversation.tools.tool import Tool, done, not_done


async def _transfer_call(session: Session, params: FunctionCallParams) -> None:
    name = str(params.arguments.get("destination") or "")
    try:
        handover = put_through(session, name, str(params.arguments.get("reason") or ""))
    except NotDone as error:
        await params.result_callback(not_done(f"Not transferred: {error}"))
        return
    result = await handover.outcome()
    outcome = result.not_reached
    if outcome is None:
        # The bot has no one to talk to: the caller talks with a colleague, or has hung up.
        await params.result_callback(
            done({"outcome": "handed over"}), properties=FunctionCallResultProperties(run_llm=False)
        )
        return
    # From where the model's words begin, so that its next ones come after. It is not to be remembered, as words of its
    # own at the end the model would take for its answer; the result tells it.
    words = TTSSpeakFrame(handover.what_is_told(outcome), append_to_context=False)
    await params.llm.push_frame(words)
    await params.result_callback(
        not_done({"outcome": outcome.value, "detail": result.detail, "caller_was_told": True})
    )


TRANSFER_CALL = Tool(
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
)
