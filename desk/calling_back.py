"""Calls those back for whom there was no room: one at a time, the oldest first, as the dial policy allows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from loguru import logger

from calls.call import Call
from calls.call_backs import CallBack
from calls.database.errors import DatabaseError
from calls.errors import NotDone, NotPossible
from calls.events.talk import VoicemailLeft
from calls.policy import TooManyCalls
from calls.states import CallState
from carriers import descriptor_of
from carriers.carrier import Direction
from conversation.agents.purpose import CALLED_BACK
from desk.dial_requests import DialBody, place_call
from settings import CALL_BACK

if TYPE_CHECKING:
    from desk.service import Service

JOB = "calling back"
"""The name of the job, which one process has to do."""

LOOK_SECS = 5.0
"""How often it is looked whether there is room, and somebody to call."""

NOTED_SECS = 0.4
"""How long the note may take: the caller is answered within a second, and is promised only what was noted."""

MAX_TRIES = 3

PAUSES = (timedelta(minutes=10), timedelta(minutes=45))
"""After the first try in vain, and after the second."""

LIMIT_PAUSE = timedelta(minutes=10)
"""Until the next look at a limit on calls that we place; that is no try."""

HOLD_SECS = 30.0
"""How often it is noted, while the call goes on, that this process looks after it."""


async def promise(service: Service, call: Call) -> bool:
    """Note that a caller is to be called back.

    Args:
        service: The service.
        call: Theirs, for which there is no room.

    Returns:
        Whether they can be told so: False for a withheld number, one that may not be called, and where nothing can be
        noted in time, or no call can be placed.
    """
    number, settings = call.from_number, service.settings
    if number is None or call.direction is not Direction.INBOUND or not service.call_backs.can_be_kept:
        return False
    mode = descriptor_of(call.carrier).dialling_mode(settings)
    if not settings.numbers or service.carrier_named(call.carrier, mode) is None:
        logger.warning(
            "Call {}: nobody is called back without CALLER_ID and the carrier's credentials", call.id
        )
        return False
    try:
        number = service.dial_policy.check(number, _from(service, call.to_number))
    except NotPossible as error:
        logger.info("Call {}: the caller is not called back: {}", call.id, error)
        return False
    now = service.store.now()
    entry = CallBack(number, call.carrier, call.agent, call.to_number, asked_at=now, due_at=now)
    try:
        async with asyncio.timeout(NOTED_SECS):
            return await service.call_backs.keep(entry)
    except (DatabaseError, TimeoutError) as error:
        logger.warning(
            "Call {}: no call back is promised, as it cannot be noted: {}", call.id, error or "too late"
        )
        return False


def has_called_again(service: Service, call: Call) -> None:
    """Take a caller off the list whose call is answered now."""
    if (
        service.settings.when_full != CALL_BACK
        or call.direction is not Direction.INBOUND
        or call.from_number is None
        or not service.call_backs.can_be_kept
    ):
        return
    service.later(_take_off(service, call.from_number), "a caller who has called again")


async def call_back(service: Service) -> None:
    """Call those back who are on the list, until cancelled."""
    if not service.call_backs.can_be_kept:
        return
    if service.settings.when_full != CALL_BACK:
        await _forget_all(service)
        return
    while True:
        await asyncio.sleep(LOOK_SECS)
        if service.room.reason is not None or not await service.store.holds(JOB):
            continue
        try:
            entry = await service.call_backs.take(service.store.now())
            if entry is not None:
                await _serve(service, entry)
        except DatabaseError as error:
            logger.warning("Nobody is called back for now: {}", error)


async def _serve(service: Service, entry: CallBack) -> None:
    """Call somebody, or go on with a call to them that another process has begun, and note what came of it."""
    list_, now = service.call_backs, service.store.now
    call = await service.store.fetch(entry.call_id) if entry.call_id else None
    tries = entry.tries
    if call is None:
        # Before it rings: whoever goes on after this process must not count fewer.
        await list_.hold(entry.number, now(), tries=tries + 1)
        try:
            call = await _place(service, entry)
        except TooManyCalls as error:
            logger.info("A caller is called back later: {}", error)
            await list_.hold(entry.number, now(), tries=tries)
            await list_.put_off(entry.number, now() + LIMIT_PAUSE)
            return
        except NotPossible as error:
            logger.warning("A caller cannot be called back: {}", error)
            await list_.take_off(entry.number)
            return
        except NotDone as error:
            logger.warning("A caller could not be called back this time: {}", error)
        tries += 1
        if call is not None:
            await list_.hold(entry.number, now(), call_id=call.id)
    while call is not None and not await call.over_within(HOLD_SECS):
        with suppress(DatabaseError):
            await list_.hold(entry.number, now())
    if (call is not None and is_reached(call)) or tries >= MAX_TRIES:
        await list_.take_off(entry.number)
        return
    await list_.put_off(entry.number, now() + PAUSES[min(tries, len(PAUSES)) - 1])


async def _place(service: Service, entry: CallBack) -> Call:
    body = DialBody(
        to=entry.number,
        agent=entry.agent,
        carrier=entry.carrier,
        from_number=_from(service, entry.called),
        parameters={CALLED_BACK: "yes"},
    )
    with service.room.guest():
        call, _ = await place_call(
            body, service.settings, service.dialler, service.carrier_named, lambda _: service.way_back
        )
        service.room.take(call)
    logger.info("Call {} calls somebody back for whom there was no room", call.id)
    return call


def is_reached(call: Call) -> bool:
    """Whether somebody was reached by a call of ours, or a message was left."""
    return call.has(VoicemailLeft) or (call.answered_at is not None and call.state is not CallState.VOICEMAIL)


def _from(service: Service, called: str | None) -> str | None:
    """The number to call from: the one that was called, if calls may be placed from it, else the usual one."""
    numbers = service.settings.numbers
    return called if called in numbers else next(iter(numbers), None)


async def _take_off(service: Service, number: str) -> None:
    try:
        await service.call_backs.take_off(number)
    except DatabaseError as error:
        logger.warning("A caller who has called again may be called back nevertheless: {}", error)


async def _forget_all(service: Service) -> None:
    """Forget the list of a time when WHEN_FULL said otherwise: nobody would be called from it, and it has numbers."""
    await asyncio.sleep(LOOK_SECS)
    with suppress(DatabaseError):
        await service.call_backs.clear()
