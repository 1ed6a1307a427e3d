"""What a carrier says in its own voice to a caller who is not given to the bot: lines of the agent, in its language."""

from __future__ import annotations

import uuid

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import CarrierSpeaks, CarrierSpoke
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.on_call import agent_on
from conversation.lines.fixed import DEFAULT, fixed
from desk.service import Service
from settings import Settings

SAID_SECS = 25.0
"""How long the carrier may take to speak, or to report that the caller has hung up meanwhile."""


def words(settings: Settings, call: Call | None, *lines: str) -> tuple[str, str]:
    """What the caller hears, and in which language.

    Args:
        settings: What the operator configured.
        call: The call; None for any call of the configured agent.
        *lines: The names of the lines, in the table `lines` of the agent's file.
    """
    try:
        named = load_agent(call.agent if call and call.agent else settings.agent, settings.agents_dir)
        agent = agent_on(named, call) if call else named
        variables = agent.call_variables(call.parameters if call else None)
        return agent.render(" ".join(getattr(agent.lines, line) for line in lines), variables), agent.language
    except AgentError as error:
        logger.error("The agent's own words cannot be spoken: {}", error)
        ours = fixed(DEFAULT, "lines")
        return " ".join(str(ours[line]) for line in lines), DEFAULT


# Calls that are run by commands


async def tell(service: Service, call: Call, *lines: str) -> None:
    """Have the carrier speak; `carrier_spoke` follows when it is done, whichever process is told so.

    Args:
        service: The service.
        call: The call.
        *lines: As for `words`.

    Raises:
        NotDone: It may not be said.
    """
    call.record(CarrierSpeaks(line=lines[0]))
    # Another process that says the same, as both were told to, sends the same id.
    command_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.id} {lines[0]}"))
    await service.control(call).speak(*words(service.settings, call, *lines), command_id=command_id)


async def heard_out(service: Service, call: Call) -> bool:
    """Leave the line up for the ear to hear the last words: played by the carrier is not yet heard.

    Returns:
        Whether the call goes on.
    """
    return not (call.is_over or await call.over_within(service.settings.hang_up_pause_secs))


def was_spoken(call: Call) -> None:
    """Take in that the carrier has spoken what it was told to."""
    if (told := call.last(CarrierSpeaks)) is not None:
        call.record_once(CarrierSpoke(line=told.line))


def was_told(call: Call, line: str) -> bool:
    """Whether the carrier is done with speaking a line."""
    return CarrierSpoke(line=line) in call.events
