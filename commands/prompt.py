"""`phonebot agent prompt`: what a model is told on a call of an agent, as it is sent to the model."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from calls.control import CallControl
from calls.store import CallStore
from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.lines.fixed import DEFAULT
from conversation.lines.names import name_of
from conversation.multilingual.changing import languages_told
from conversation.services.one_system import OneSystemMessage
from conversation.session import Session
from conversation.system_message import system_message
from conversation.tools.face import Face
from conversation.tools.mcp_servers import learn_all_tools
from conversation.tools.offered import tools_schema, usable_tools
from conversation.tools.running import register_tools
from settings import SettingsError, load_settings

UNUSABLE = 1
CANNOT = 2

CALLER = "+12025550143"
OURS = "+12025550100"

SERVERS_SECS = 10.0
"""How long the agent's MCP servers may take to name their tools; a call goes on without those of one that is away."""


@dataclass(frozen=True)
class ExampleCall:
    """A call that a prompt is shown for.

    Parameters:
        caller: The number of the other side.
        ours: Our number.
        outbound: Whether the bot has placed it.
        at: When it begins; now when not given. Without a zone it is of the agent's wall clock.
        parameters: What came with it.
    """

    caller: str = CALLER
    ours: str = OURS
    outbound: bool = False
    at: datetime | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


class _Asked(OneSystemMessage, LLMService[Any]):
    """A model that nobody asks: what it would be told is composed as for one that is asked."""


def print_prompt(which: str | Path, call: ExampleCall) -> int:
    """Print the system message of an agent.

    Args:
        which: The name of an agent in AGENTS_DIR, or the path of a file.
        call: The call.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        settings = load_settings()
        folder, name = (which.parent, which.stem) if isinstance(which, Path) else (settings.agents_dir, which)
        agent = load_agent(name, folder)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return CANNOT
    except AgentError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    print(asyncio.run(prompt(agent, call, folder)))
    return 0


async def prompt(agent: Agent, example: ExampleCall, folder: Path) -> str:
    """The system message that a model would be sent.

    Args:
        agent: Who answers.
        example: The call.
        folder: Where agents' files are.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(SERVERS_SECS):
            await learn_all_tools(agent, folder)
    at = example.at
    if at is not None and at.tzinfo is None and agent.timezone is None:
        at = at.astimezone()
    store = CallStore()
    direction = "outbound" if example.outbound else "inbound"
    call = store.open(carrier="example", carrier_call_id="example", direction=direction, agent=agent.name)
    session = Session(
        call=call,
        store=store,
        control=_AbleToAll(call, None, store),
        agent=agent,
        variables=agent.call_variables(
            example.parameters,
            direction=direction,
            caller_number=example.caller,
            called_number=example.ours,
            now=at,
        ),
        data_dir=Path("data"),
    )
    face = _AbleToSpeakAll(session)
    tools = usable_tools(agent, face)
    told = system_message(
        agent, session.variables, list(tools), languages=languages_told(agent, tuple(agent.languages))
    )
    offered = tools_schema(tools.values(), face)
    model = _Asked(settings=LLMSettings())
    register_tools(model, tools, session, face)
    if agent.call_flow is None:
        first = str(told)
    else:
        from conversation.flows.running import CallFlow

        first = CallFlow(session, face, agent.call_flow, told, offered, keyless=False).first_role()
    model.as_asked(LLMContext(messages=[{"role": "system", "content": first}]))
    return str(model._settings.system_instruction)


class _AbleToSpeakAll(Face):
    """The tools' view of a call whose services speak all languages of the agent."""

    @property
    def languages(self) -> Mapping[str, str]:
        tags = self._session.agent.languages
        return {tag: name_of(tag, DEFAULT) for tag in tags} if len(tags) > 1 else {}


class _AbleToAll(CallControl):
    """What a carrier with credentials can do: tools that need it are offered."""

    @property
    def can_transfer(self) -> bool:
        return True
