"""Callers whom this process cannot take, because it is full or about to stop: each gets a defined end, at once.

WHEN_FULL says which. A call that is sent on to another server is that server's: nothing is kept of it here. Every other
one is a call of ours that ends without the bot.
"""

from __future__ import annotations

from urllib.parse import urlencode

from loguru import logger

from calls.call import Call
from calls.errors import NotDone, NotPossible
from calls.events.lifecycle import TransferStarted, TurnedAway
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason
from carriers import descriptor_of
from carriers.carrier import DocumentCarrier, Form, TransferDocument
from desk.call_addresses import OURS, SENT_ON
from desk.calling_back import promise
from desk.carrier_words import SAID_SECS, heard_out, tell, was_told, words
from desk.keys import VOICE
from desk.message_box import NO_ROOM, box_document, take_message
from desk.service import Service
from settings import BUSY_TONE, CALL_BACK, MESSAGE, SAY

OVERFLOW = "overflow"
"""The name, in the call's events, of the number that WHEN_FULL names."""

RING_SECS = 25


def sent_on(service: Service, carrier: DocumentCarrier, query: Form, why: str) -> str | None:
    """The document that sends a new call on to another server of the deployment.

    Args:
        service: The service.
        carrier: The call's carrier.
        query: The voice address's query, which goes with it.
        why: Why it is not taken: `Room.reason`.

    Returns:
        None where none is configured, and for a call that another server has sent here: it would go round in circles.
    """
    base = service.settings.when_full
    if not base.startswith("http") or SENT_ON in query:
        return None
    service.room.turned_away[why] += 1
    logger.info("A call is sent on to another server ({})", why)
    path = f"/{carrier.name}/{VOICE}"
    if not descriptor_of(carrier.name).signs_addresses:
        path += f"/{service.keys.key(carrier.name, VOICE)}"
    own = {
        name: query[name] for name in query if name == "agent" or (name[:1].islower() and name not in OURS)
    }
    return carrier.redirect_document(f"{base}{path}?{urlencode({**own, SENT_ON: '1'})}")


async def turned_away(service: Service, carrier: DocumentCarrier, call: Call, why: str) -> str:
    """The document for a new call that is not taken; the same when the carrier asks again.

    Args:
        service: The service.
        carrier: The call's carrier.
        call: The call.
        why: `Room.reason`.
    """
    how = await _decided(service, call, why)
    if how == BUSY_TONE:
        call.move(CallState.BUSY, cause=NO_ROOM, ended_by=EndedBy.LIMIT)
        return carrier.reject_document()
    if how == OVERFLOW and _may_overflow(service, call):
        document = TransferDocument(
            destination=service.settings.when_full,
            caller_id=service.control(call).our_number,
            ring_timeout_secs=RING_SECS,
            action_url=service.way_back.transfer_url(call),
            answered_url=service.way_back.answered_url(call),
        )
        _begin_overflow(call)
        return carrier.transfer_document(document)
    if how == MESSAGE:
        return box_document(service, carrier, call)
    return regrets(service, carrier, call)


def regrets(service: Service, carrier: DocumentCarrier, call: Call) -> str:
    """The document that says that all lines are busy, or that the caller will be called back, and ends the call."""
    call.will_end(EndedBy.LIMIT, NO_ROOM)
    return carrier.end_document(*words(service.settings, call, _line(call)))


def was_turned_away(call: Call) -> bool:
    """Whether the bot is not to talk on a call."""
    return call.has(TurnedAway)


def _line(call: Call) -> str:
    """The agent's line that says what becomes of the caller."""
    away = call.last(TurnedAway)
    return "call_back_later" if away is not None and away.how == CALL_BACK else "all_busy"


# Calls that are run by commands


async def turn_away(service: Service, call: Call, why: str) -> None:
    """Do the same to a call that is run by commands; there, another server cannot be given the call."""
    how = await _decided(service, call, why)
    control = service.control(call)
    try:
        if how == BUSY_TONE:
            call.will_end(EndedBy.LIMIT, NO_ROOM, CallState.BUSY)
            await control.reject()
            return
        await control.answer_without_the_bot()
        if how == OVERFLOW and _may_overflow(service, call):
            await _overflow(service, call)
            return
        if how == MESSAGE:
            await take_message(service, call)
            return
    except NotDone as error:
        logger.warning("Call {}: {}", call.id, error)
        if call.is_over:
            return
    await regret_and_hang_up(service, call)


async def regret_and_hang_up(service: Service, call: Call) -> None:
    """Say in the carrier's voice what becomes of the caller, and end the call."""
    await say_and_hang_up(service, call, _line(call), NO_ROOM)


async def say_and_hang_up(service: Service, call: Call, line: str, cause: str) -> None:
    """Say something in the carrier's voice, and end the call by a limit, whatever becomes of the sentence.

    Args:
        service: The service.
        call: The call, which commands run.
        line: The name of the sentence among the agent's lines.
        cause: Why it ends.
    """
    call.will_end(EndedBy.LIMIT, cause)
    control = service.control(call)
    with service.room.guest():  # a service that is to stop hangs up first
        try:
            await tell(service, call, line)
            await call.comes_true(lambda: call.is_over or was_told(call, line), SAID_SECS)
        except NotDone as error:
            logger.warning("Call {}: the caller has not heard why it ends: {}", call.id, error)
        if await heard_out(service, call):
            await control.hang_up(EndedBy.LIMIT, cause)


async def _overflow(service: Service, call: Call) -> None:
    control = service.control(call)
    document = TransferDocument(
        destination=service.settings.when_full,
        caller_id=control.our_number,
        ring_timeout_secs=RING_SECS,
        action_url=service.way_back.transfer_url(call),
    )
    carrier = control.commanded("put the caller through")
    _begin_overflow(call)
    await control.act(
        lambda: carrier.transfer(call.carrier_call_id, document, command_id=call.id), "put the caller through"
    )


def _how(service: Service) -> str:
    configured = service.settings.when_full
    if configured.startswith(("+", "sip")):
        return OVERFLOW
    return configured if configured in (BUSY_TONE, CALL_BACK, MESSAGE) else SAY


async def _decided(service: Service, call: Call, why: str) -> str:
    """What the caller gets; the same when the carrier asks again."""
    how = _how(service)
    if how == CALL_BACK:
        if (known := call.last(TurnedAway)) is not None:
            return known.how
        if not await promise(service, call):
            how = SAY
    _note(service, call, why, how)
    return how


def _note(service: Service, call: Call, why: str, how: str) -> None:
    if was_turned_away(call):
        return
    call.record(TurnedAway(reason=why, how=how))
    service.room.turned_away[why] += 1
    logger.info("Call {} is turned away ({}): {}", call.id, why, how)


def _may_overflow(service: Service, call: Call) -> bool:
    try:
        service.do_not_call.check(service.settings.when_full)
    except NotPossible as error:
        logger.error("Call {}: the number of WHEN_FULL cannot be called: {}", call.id, error)
        return False
    return True


def _begin_overflow(call: Call) -> None:
    if call.state is CallState.RINGING:
        call.move(CallState.IN_PROGRESS, cause="answered without the bot")
    if call.transfer_under_way is None:
        call.record(TransferStarted(destination=OVERFLOW, warm=False))
    call.expect_return(Resume(ResumeReason.TRANSFER, OVERFLOW))
