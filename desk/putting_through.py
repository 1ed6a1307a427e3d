"""The agent's fallback where no bot can talk: the carrier puts the caller through to a person, as `[dead_air]` says."""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.errors import NotDone, NotPossible
from calls.events.lifecycle import TransferStarted
from calls.states import CallState
from calls.transfer import Resume, ResumeReason, Target
from calls.transferring import transfer
from carriers.carrier import DocumentCarrier, TransferDocument
from conversation.agents.agent import Agent
from conversation.agents.destinations import spoken_name, target_of
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.on_call import agent_on
from desk.service import Service


def put_through(service: Service, carrier: DocumentCarrier, call: Call) -> str | None:
    """The document that puts a caller through to the person who is the agent's fallback, after an apology.

    Returns:
        None when there is no such person, or they were tried before.

    Raises:
        AgentError: The call's agent cannot be used.
    """
    found = _fallback_of(service, call)
    if found is None:
        return None
    agent, target = found
    way_back = service.way_back
    document = TransferDocument(
        destination=target.address,
        caller_id=target.caller_id or service.control(call).our_number,
        ring_timeout_secs=target.ring_timeout_secs,
        action_url=way_back.transfer_url(call),
        answered_url=way_back.answered_url(call),
        say=_words(agent, target, call),
        language=agent.language,
    )
    if call.state is CallState.RINGING:
        call.move(CallState.IN_PROGRESS, cause="answered without the bot")
    call.record(TransferStarted(destination=target.name, warm=False))
    call.expect_return(Resume(ResumeReason.TRANSFER, target.name))
    logger.info("Call {}: the caller is put through to {}", call.id, target.name)
    return carrier.transfer_document(document)


async def put_through_by_command(service: Service, call: Call) -> bool:
    """The same for a call that is run by commands, without a word: nobody is there to speak.

    Returns:
        Whether the person's phone rings.
    """
    try:
        found = _fallback_of(service, call)
        if found is None:
            return False
        target = found[1]
        call.take_return()
        call.record(TransferStarted(destination=target.name, warm=False))
        await transfer(service.control(call), target)
    except (AgentError, NotDone) as error:
        logger.error("Call {} cannot be put through: {}", call.id, error)
        return False
    logger.info("Call {}: the caller is put through to {}", call.id, target.name)
    return True


def _fallback_of(service: Service, call: Call) -> tuple[Agent, Target] | None:
    settings = service.settings
    agent = agent_on(load_agent(call.agent or settings.agent, settings.agents_dir), call)
    name = agent.dead_air.fallback
    if name not in agent.transfers or _was_tried(call, name):
        return None
    target = target_of(agent, name, call)
    try:
        service.do_not_call.check(target.address)
    except NotPossible as error:
        logger.error("Call {}: {} cannot be called: {}", call.id, name, error)
        return None
    return agent, target


def _words(agent: Agent, target: Target, call: Call) -> str:
    variables = agent.call_variables(call.parameters)
    destination = spoken_name(agent, target.name, variables)
    announcement = agent.transfers[target.name].announcement or agent.lines.transfer_announce
    return (
        f"{agent.render(agent.dead_air.apology, variables)} "
        f"{agent.render(announcement, {**variables, 'destination': destination})}"
    )


def _was_tried(call: Call, name: str) -> bool:
    return any(isinstance(event, TransferStarted) and event.destination == name for event in call.events)
