"""What a caller gets when a carrier asked us for a document and got none: the fallback address of a number.

A carrier asks it when the voice address, or a later one, cannot be reached, is too slow or answers with an error. So it
does as little as possible: no bot, no media socket, no network.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from loguru import logger

from calls.call import Call
from calls.errors import NotPossible
from calls.events.lifecycle import ErrorHappened, TransferEnded, TransferStarted
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, Target, TransferOutcome
from carriers.carrier import DocumentCarrier, Form, IncomingCall, TransferDocument
from conversation.agents.agent import Agent
from conversation.agents.destinations import spoken_name, target_of
from conversation.agents.files import load_agent
from conversation.agents.on_call import agent_on
from desk.answering import APOLOGY, apology, open_call
from desk.service import Service

NO_DOCUMENT = "the carrier got no document from us"
"""The error's message."""

LONGEST_PATH = 80


async def fall_back(
    service: Service, carrier: DocumentCarrier, incoming: IncomingCall, query: Form, told: Form
) -> str:
    """Put a caller through to a person, as the agent's `dead_air.fallback` says; else the caller hears an apology.

    Args:
        service: The service.
        carrier: The call's carrier.
        incoming: The call.
        query: The address's query, as for `answer_call`.
        told: The fields of the carrier's request: Twilio names the error and the address.

    Returns:
        The document.
    """
    where = _where(told)
    try:
        await service.store.restore(carrier.name, incoming.call_id)
        call = open_call(service, carrier, incoming, query)
        logger.error("Call {}: {}{}", call.id, NO_DOCUMENT, where)
        if call.is_over or (call.ending is not None and call.ending.by is not EndedBy.ERROR):
            return carrier.end_document()  # it was to end anyway
        call.record(ErrorHappened(message=NO_DOCUMENT + where))
        if _has_talked_to_a_person(call):
            return carrier.end_document()
        return _put_through(service, carrier, call) or _sorry(service, carrier, call)
    except Exception as error:
        logger.opt(exception=error).error("{}{}, and there is no other one", NO_DOCUMENT, where)
        return carrier.end_document(APOLOGY)


def _put_through(service: Service, carrier: DocumentCarrier, call: Call) -> str | None:
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
    call.record(TransferStarted(destination=name, warm=False))
    call.expect_return(Resume(ResumeReason.TRANSFER, name))
    logger.info("Call {}: the caller is put through to {}", call.id, name)
    return carrier.transfer_document(document)


def _words(agent: Agent, target: Target, call: Call) -> str:
    variables = agent.call_variables(call.parameters)
    destination = spoken_name(agent, target.name, variables)
    announcement = agent.transfers[target.name].announcement or agent.lines.transfer_announce
    return (
        f"{agent.render(agent.dead_air.apology, variables)} "
        f"{agent.render(announcement, {**variables, 'destination': destination})}"
    )


def _sorry(service: Service, carrier: DocumentCarrier, call: Call) -> str:
    call.will_end(EndedBy.ERROR, NO_DOCUMENT)
    return apology(service, carrier, call)


def _was_tried(call: Call, name: str) -> bool:
    return any(isinstance(event, TransferStarted) and event.destination == name for event in call.events)


def _has_talked_to_a_person(call: Call) -> bool:
    last = call.last(TransferEnded)
    return last is not None and last.outcome is TransferOutcome.CONNECTED


def _where(told: Form) -> str:
    """Which address it was, without its query: a part of that may be a secret."""
    code, path = told.get("ErrorCode", ""), urlsplit(told.get("ErrorUrl", "")).path
    if not code.isdigit() or len(code) > 6:
        return ""
    return f" at {path[:LONGEST_PATH]} (error {code})"
