"""What a carrier is told to do with a call: the same for every carrier, in its own markup."""

from __future__ import annotations

from loguru import logger

from calls.call import Call, EndedBy
from carriers.carrier import Carrier, Form, IncomingCall, StatusUpdate
from conversation.agents import AgentError, load_agent
from web.service import Service
from web.way_back import OURS

APOLOGY = "I'm sorry, we have a technical problem and cannot take your call. Please call later. Goodbye."
"""For a call that no agent can apologise for."""


def answer_call(service: Service, carrier: Carrier, incoming: IncomingCall, query: Form) -> str:
    """Connect a call with the bot. No network is used: somebody hears it ring.

    The caller always hears something: an agent that cannot be used is an apology and a line in the log.

    Args:
        service: The service.
        carrier: The call's carrier.
        incoming: The call.
        query: The webhook address's query: `agent` chooses the agent; other names in lower case are handed to
            the bot as parameters (carriers' own fields begin with a capital letter).

    Returns:
        The document.
    """
    settings = service.settings
    try:
        agent = load_agent(query.get("agent") or settings.agent, settings.agents_dir)
        custom = {name: query[name] for name in query if name[:1].islower() and name not in OURS}
        call = service.store.open(
            carrier=carrier.name,
            carrier_call_id=incoming.call_id,
            direction=incoming.direction,
            from_number=incoming.from_number,
            to_number=incoming.to_number,
            agent=agent.name,
            parameters=custom,
        )
        document = carrier.stream_document(service.way_back.stream(call))
    except AgentError as error:
        logger.error("A call cannot be answered: {}", error)
        return carrier.end_document(APOLOGY)
    except Exception as error:
        logger.opt(exception=error).error("A call cannot be answered: {}", type(error).__name__)
        return carrier.end_document(APOLOGY)
    logger.info("Call {} is connected with agent {}", call.id, agent.name)
    return document


def after_stream(service: Service, carrier: Carrier, update: StatusUpdate, *, trusted: bool) -> str:
    """Tell the carrier what comes after the bot's media stream.

    When we ended the call, it ends without another word. When the stream was lost the caller hears an
    apology; a caller who hung up does not hear it.

    Args:
        service: The service.
        carrier: The call's carrier.
        update: Where the carrier says that the call stands.
        trusted: Whether that may be believed.

    Returns:
        The document.
    """
    call = service.store.find(carrier.name, update.call_id)
    if call is not None and trusted:
        call.apply(update)
    if call is not None and call.ending and call.ending.by not in (EndedBy.CALLER, EndedBy.ERROR):
        return carrier.end_document()
    if call is not None and not call.is_over:
        service.store.record(call, "error", message="the media stream ended before the call did")
        logger.warning("Call {} has lost its media stream", call.id)
    return carrier.end_document(_apology(service, call))


def take_status(service: Service, carrier: Carrier, update: StatusUpdate) -> None:
    """Take in a carrier's report of where a call stands."""
    call = service.store.find(carrier.name, update.call_id)
    if call is None:
        logger.debug("A status callback is for a call that is not known (any more)")
    elif call.apply(update):
        logger.info("Call {} is {}", call.id, call.state)


def _apology(service: Service, call: Call | None) -> str:
    settings = service.settings
    try:
        agent = load_agent(call.agent if call and call.agent else settings.agent, settings.agents_dir)
        variables = agent.call_variables(call.parameters if call else None)
        return agent.render(agent.lines.technical_problem, variables) or APOLOGY
    except AgentError as error:
        logger.error("The agent's own apology cannot be spoken: {}", error)
        return APOLOGY
