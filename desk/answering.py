"""What we tell a carrier to do with a call: the same for every carrier, in the carrier's own markup."""

from __future__ import annotations

import asyncio

from loguru import logger

from calls.call import Call
from calls.cloud_media import CloudUnavailable
from calls.errors import NotDone
from calls.events.lifecycle import ErrorHappened
from calls.events.talk import Attached
from calls.states import CallState, EndedBy
from carriers import descriptor_of
from carriers.carrier import Carrier, Direction, DocumentCarrier, Form, IncomingCall, StatusUpdate
from carriers.numbers import phone_number
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.numbers import agent_of_number
from conversation.agents.on_call import agent_on
from conversation.lines.fixed import DEFAULT, fixed
from desk.call_addresses import OURS
from desk.calling_back import has_called_again
from desk.left_colleagues import free_colleague
from desk.lost_streams import LOST_STREAM, lost_again
from desk.meanwhile import words_meanwhile
from desk.putting_through import put_through
from desk.reported import call_of
from desk.room import FULL
from desk.service import Service
from desk.turned_away import sent_on, turned_away, was_turned_away

APOLOGY = str(fixed(DEFAULT, "carrier")["cannot_answer"])
"""For a call that no agent can apologise for, nor say in which language."""

LOOK_SECS = 0.4
"""How long it is looked, when there is no room, whether a call is a running one: new ones are answered within 1 s."""


async def answer_call(service: Service, carrier: DocumentCarrier, incoming: IncomingCall, query: Form) -> str:
    """Connect a call with the bot.

    Nothing but the database is asked, because the caller hears it ring meanwhile; only a bot on Pipecat Cloud needs a
    ticket from there. The caller always hears something: if the agent cannot be used, an apology, beside a line in the
    log.

    Args:
        service: The service.
        carrier: The call's carrier.
        incoming: The call.
        query: The webhook address's query: `agent` chooses the agent; other names in lower case are handed to
            the bot as parameters (carriers' own fields begin with a capital letter).

    Returns:
        The document.
    """
    try:
        known = await _known(service, carrier, incoming)
        why = service.room.reason if known is None and incoming.direction is Direction.INBOUND else None
        if why is not None and (document := sent_on(service, carrier, query, why)) is not None:
            return document
        call = open_call(service, carrier, incoming, query)
        if (why is not None or was_turned_away(call)) and (not call.is_over or call.state is CallState.BUSY):
            return await turned_away(service, carrier, call, why or FULL)
        service.room.take(call)
        if call.is_over:
            logger.warning(
                "Call {} is over: a request for instructions about it is late, or repeated", call.id
            )
            return carrier.end_document()
        has_called_again(service, call)
        if call.has(Attached):
            # What the carrier says while we are away asks the voice address again.
            return await bot_again(service, carrier, call)
        document = await connection(service, carrier, call)
    except AgentError as error:
        logger.error("A call cannot be answered: {}", error)
        return carrier.end_document(APOLOGY)
    except Exception as error:
        logger.opt(exception=error).error("A call cannot be answered: {}", type(error).__name__)
        return carrier.end_document(APOLOGY)
    logger.info("Call {} is connected with agent {}", call.id, call.agent)
    return document


async def _known(service: Service, carrier: DocumentCarrier, incoming: IncomingCall) -> Call | None:
    """The call, if it is not a new one. Who is to be turned away does not wait for a database that is slow."""
    try:
        async with asyncio.timeout(LOOK_SECS if service.room.reason else None):
            return await service.store.restore(carrier.name, incoming.call_id)
    except TimeoutError:
        return None


def open_call(service: Service, carrier: Carrier, incoming: IncomingCall, query: Form) -> Call:
    """Begin to remember a call that came in, or get it; only memory is looked at.

    Args:
        service: The service.
        carrier: The call's carrier.
        incoming: The call.
        query: As for `answer_call`; without an `agent` in it, the agent that the called number is bound to answers,
            else the configured one.

    Raises:
        AgentError: The call's agent cannot be used.
    """
    settings = service.settings
    bound = None
    if not query.get("agent") and incoming.direction is Direction.INBOUND:
        bound = agent_of_number(phone_number(incoming.to_number), settings.agents_dir)
    agent = load_agent(query.get("agent") or bound or settings.agent, settings.agents_dir)
    return service.store.open(
        carrier=carrier.name,
        mode=carrier.mode,
        carrier_call_id=incoming.call_id,
        direction=incoming.direction,
        from_number=incoming.from_number,
        to_number=incoming.to_number,
        agent=agent.name,
        parameters={name: query[name] for name in query if name[:1].islower() and name not in OURS},
    )


async def after_stream(
    service: Service, carrier: DocumentCarrier, update: StatusUpdate, our_id: str | None, *, trusted: bool
) -> str:
    """Tell the carrier what comes after the bot's media stream.

    A caller who hung up hears nothing more.

    Args:
        service: The service.
        carrier: The call's carrier.
        update: Where the carrier says that the call stands.
        our_id: Our id of the call, from the address.
        trusted: Whether the request may be about any call; else only about that of its address.

    Returns:
        The document.
    """
    call = await call_of(service, carrier.name, update.call_id, our_id, trusted=trusted)
    if call is None:
        return apology(service, carrier, None)
    call.apply(update)
    free_colleague(service, call)
    if update.state is not None and CallState(update.state.value).is_end:
        return carrier.end_document()
    return await bot_again(service, carrier, call)


async def bot_again(service: Service, carrier: DocumentCarrier, call: Call) -> str:
    """The document for a caller who is on the line without a media stream.

    When we ended the call, it ends without another word. When the bot let go of the caller for a while, or the stream
    was lost, another stream begins; when that has happened too often, the caller is put through to a person as the
    agent's `dead_air.fallback` says, or hears an apology.
    """
    if call.ending is None and service.is_loading and (document := _wait(service, call)) is not None:
        return document
    if (document := no_more(service, carrier, call)) is not None:
        return document
    return await connection(service, carrier, call)


def _wait(service: Service, call: Call) -> str | None:
    """The document for a caller who is back before what the bot needs is loaded: a word, and ask again."""
    logger.info("Call {} is back before the bot is ready: it waits", call.id)
    meanwhile = words_meanwhile(service.settings, call)
    return descriptor_of(call.carrier).waiting_document(service.way_back.ended_url(call), meanwhile)


def no_more(service: Service, carrier: DocumentCarrier, call: Call) -> str | None:
    """The document for a caller who is not to be connected with the bot again; None when they are, which counts."""
    if call.ending is not None and call.ending.by not in (EndedBy.CALLER, EndedBy.ERROR):
        return carrier.end_document()
    if call.is_over or call.ending is not None:
        return apology(service, carrier, call)
    if lost_again(call):
        return None
    try:
        instead = put_through(service, carrier, call)
    except (AgentError, NotDone) as error:
        logger.error("Call {}: the caller cannot be put through: {}", call.id, error)
        instead = None
    return instead or apology_for(service, carrier, call, LOST_STREAM)


def apology_for(service: Service, carrier: DocumentCarrier, call: Call, cause: str) -> str:
    """The document that ends a call with an apology, and a note with the call that this is why it ends."""
    call.will_end(EndedBy.ERROR, cause)
    return apology(service, carrier, call)


async def connection(service: Service, carrier: DocumentCarrier, call: Call) -> str:
    """The document that connects a call with the bot; where the bot cannot be reached, an apology."""
    try:
        return carrier.stream_document(await service.way_back.stream(call))
    except CloudUnavailable as error:
        logger.error("Call {} cannot be connected with the bot: {}", call.id, error)
        call.record(ErrorHappened(message=str(error)))
        call.will_end(EndedBy.ERROR, "Pipecat Cloud gave no media socket")
        return apology(service, carrier, call)


def apology(service: Service, carrier: DocumentCarrier, call: Call | None) -> str:
    """The document that ends a call for technical reasons, with an apology.

    The apology is in the agent's words if possible, and in the language of the call.
    """
    settings = service.settings
    try:
        named = load_agent(call.agent if call and call.agent else settings.agent, settings.agents_dir)
        agent = agent_on(named, call)
        variables = agent.call_variables(call.parameters if call else None)
        words = agent.render(agent.lines.technical_problem, variables)
        return carrier.end_document(
            words or fixed(agent.language, "carrier")["cannot_answer"], agent.language
        )
    except AgentError as error:
        logger.error("The agent's own apology cannot be spoken: {}", error)
        return carrier.end_document(APOLOGY)
