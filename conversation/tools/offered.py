"""Which tools there are, and which of them a model is offered on a call."""

from __future__ import annotations

from collections.abc import Sequence

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from conversation.agents.agent import Agent
from conversation.session import Session
from conversation.tools.end_call import END_CALL
from conversation.tools.pause_recording import PAUSE_RECORDING, RESUME_RECORDING
from conversation.tools.send_digits import SEND_DIGITS
from conversation.tools.take_message import TAKE_MESSAGE
from conversation.tools.tool import Tool
from conversation.tools.transfer_call import TRANSFER_CALL

TOOLS: dict[str, Tool] = {
    tool.schema.name: tool
    for tool in (END_CALL, TAKE_MESSAGE, TRANSFER_CALL, SEND_DIGITS, PAUSE_RECORDING, RESUME_RECORDING)
}


def usable_tools(session: Session) -> list[str]:
    """The tools of an agent that can work on this call; a model that is offered others promises what it cannot do."""
    names = list(session.agent.tools)
    if "transfer_call" in names and not (session.agent.transfers and session.control.can_transfer):
        names.remove("transfer_call")
    return names


def tools_schema(names: Sequence[str], agent: Agent) -> ToolsSchema:
    """Tools in the form that an LLM is offered them.

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
