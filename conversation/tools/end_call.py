"""The tool that says goodbye and hangs up."""

from __future__ import annotations

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams

from calls.states import EndedBy
from conversation.language.farewell import is_farewell
from conversation.session import Session
from conversation.tools.tool import Tool, done


async def _end_call(session: Session, params: FunctionCallParams) -> None:
    farewell = str(params.arguments.get("farewell") or session.render(session.agent.lines.goodbye))
    if is_farewell(await session.latest_reply(), farewell):
        farewell = ""  # the model has written it already, and it is on its way to the caller
    # The result comes first: the goodbye outlives this handler, and no LLM turn may follow it.
    await params.result_callback(
        done("The call is ending."), properties=FunctionCallResultProperties(run_llm=False)
    )
    session.finish(farewell, ended_by=EndedBy.BOT, cause="end_call")


END_CALL = Tool(
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
)
