"""Calls that go from this process to another one, because this one is to stop: by the way of every lost stream.

The bot lets go at a fitting moment and closes its media stream. What the carrier does next comes to a process that
stays, which has the call from the database and goes on with it.
"""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.errors import NoAnswer, NotDone
from calls.events.talk import Attached
from calls.states import EndedBy
from carriers.carrier import runs_documents
from conversation.leaving import let_go_of
from conversation.session import Session, attached_to
from desk.carrier_words import words
from desk.elsewhere import talks_elsewhere
from desk.service import Service
from desk.turned_away import say_and_hang_up

TAKEN_SECS = 6.0
"""How long another process may take until it talks on the call: its carrier asks us what is next, and connects."""

STOPPED = "the service is being stopped"
"""Why a call is ended at the deadline, for its record."""


def may_be_handed_over(service: Service, call: Call) -> bool:
    """Whether the carrier connects the caller again when the bot closes the stream: it came with an address of ours."""
    return bool(service.sockets.get(call.id))


async def hand_over(service: Service, session: Session) -> bool:
    """Have another process go on with a call.

    Returns:
        False when none does, and the caller is to be told goodbye. `attached_to` says whether the bot is with them.
    """
    call = session.call
    streams = _streams(call)
    if not await let_go_of(session) and not session.is_detached:
        return False
    await service.store.noted()
    await service.close_sockets(call)
    if await call.comes_true(lambda: call.is_over or _streams(call) > streams, TAKEN_SECS):
        return attached_to(call) in (None, session)
    try:
        return await talks_elsewhere(service, call) is not None
    except NoAnswer as error:
        logger.warning("Call {}: whether another process talks on it is not known: {}", call.id, error)
        return True


async def say_goodbye(service: Service, call: Call) -> None:
    """End a call because the bot has to stop, with words; one that ends already goes on doing so."""
    session = attached_to(call)
    if session is not None:
        session.finish(session.render(session.agent.lines.stopping), ended_by=EndedBy.LIMIT, cause=STOPPED)
        await session.wait_detached()
    elif not call.is_over:
        logger.warning("Call {}: no process has gone on with it; its carrier says goodbye", call.id)
        await _have_goodbye_said(service, call)


async def _have_goodbye_said(service: Service, call: Call) -> None:
    """Say goodbye in the carrier's voice, to a caller who has no bot any more."""
    call.take_return()
    call.will_end(EndedBy.LIMIT, STOPPED)
    await service.store.noted()  # the carrier may ask another process meanwhile
    carrier, control = service.carrier(call), service.control(call)
    if carrier is None:
        return  # its document asks us, or another process, and ends
    if not runs_documents(carrier):
        await say_and_hang_up(service, call, "stopping", STOPPED)
        return
    document = carrier.end_document(*words(service.settings, call, "stopping"))
    try:
        await control.act(lambda: carrier.update_document(call.carrier_call_id, document), "say goodbye")
    except NotDone as error:
        logger.warning("Call {}: {}", call.id, error)
        if not call.is_over:
            await control.hang_up(EndedBy.LIMIT, STOPPED)


def _streams(call: Call) -> int:
    return sum(isinstance(event, Attached) for event in call.events)
