"""Media streams that end before their calls do: whether another one begins, or the call is given up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

from calls.call import Call
from calls.errors import NotDone
from calls.events.lifecycle import ErrorHappened
from calls.events.talk import Attached
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason
from carriers.carrier import CarrierEvent
from desk.elsewhere import ask, may_talk_elsewhere
from desk.putting_through import put_through_by_command
from desk.service import Service

MAX_LOST_STREAMS = 3
"""How often in a call a lost media stream is replaced by another one, before the agent's fallback."""

LOST_STREAM = "the media stream ended before the call did"
"""The error's message, by which lost streams are counted."""

HANG_UP_LATE_SECS = 1.0
"""How long after the end of a stream the carrier may take to say that the call is over, too."""

STREAM_CLOSES_SECS = 5.0
"""How long after the carrier's word that a stream is over our end of it may take to notice."""


ASKED = "its carrier has asked"
"""The detail of a return that its carrier has asked about once."""


def is_handed_over(call: Call) -> bool:
    """Whether we have let go of a call's media stream for another process, and the carrier has not asked since."""
    resume = call.resume
    return resume is not None and resume.reason is ResumeReason.HANDED_OVER and resume.detail != ASKED


def lost_again(call: Call) -> bool:
    """Note that a live call has lost its media stream, and why it comes back. One that we let go of is not lost.

    Returns:
        Whether it may come back; False when it has lost too many.
    """
    if is_handed_over(call):
        call.expect_return(Resume(ResumeReason.HANDED_OVER, detail=ASKED))
        return True
    lost = call.events.count(ErrorHappened(LOST_STREAM))
    call.record(ErrorHappened(LOST_STREAM))
    logger.warning("Call {} has lost its media stream, {} before", call.id, lost)
    if lost >= MAX_LOST_STREAMS:
        return False
    if call.resume is None:
        call.expect_return(Resume(ResumeReason.LOST))
    return True


async def stream_again(service: Service, call: Call, event: CarrierEvent) -> None:
    """Connect a caller with the bot again whose media stream has ended and who is still on the line.

    Args:
        service: The service.
        call: The caller's.
        event: Says that a stream has stopped, or could not be connected.
    """
    if await _has_another_stream(service, call, event):
        return
    # The carrier often reports the end of a call after that of its stream.
    if event.stream_stopped and not is_handed_over(call) and await call.over_within(HANG_UP_LATE_SECS):
        return
    if call.state in (CallState.TRANSFERRED, CallState.TRANSFERRING):
        return
    if not await service.control(call).is_alive():
        return
    if event.stream_failed is not None:
        message = f"the media stream could not be connected: {event.stream_failed}"
        call.record(ErrorHappened(message=message))
    if call.ending is not None:
        await _give_up(service, call)
    elif lost_again(call):
        await _connect_again(service, call)
    elif not await put_through_by_command(service, call):
        call.will_end(EndedBy.ERROR, LOST_STREAM)
        await _give_up(service, call)


async def back_to_the_bot(service: Service, call: Call) -> None:
    """Connect a caller who is alone on the line with the bot again."""
    if await service.control(call).is_alive():
        await _connect_again(service, call)


async def silence_the_bot(service: Service, call: Call) -> None:
    """End the bot's media stream on a call that goes on without it."""
    if await service.control(call).let_go():
        return
    if process := await may_talk_elsewhere(service, call):
        with suppress(NotDone):
            await ask(service, process, call, "close_sockets")
        return
    await service.close_sockets(call)


async def _has_another_stream(service: Service, call: Call, event: CarrierEvent) -> bool:
    """Whether the call has another stream than the one that the event is about, which closes a moment later."""
    deadline = asyncio.get_running_loop().time() + STREAM_CLOSES_SECS
    while asyncio.get_running_loop().time() < deadline:
        attached = call.last(Attached)
        if attached is not None and event.occurred_at is not None and attached.at > event.occurred_at:
            return True
        if not service.sockets.get(call.id):
            return False
        await asyncio.sleep(0.05)
    return True


async def _connect_again(service: Service, call: Call) -> None:
    """Let a new media stream of the call begin; without one the caller would hear nothing."""
    try:
        await service.control(call).stream_again()
    except NotDone as error:
        logger.error("Call {} could not be connected with the bot again: {}", call.id, error)
        call.record(ErrorHappened(message=str(error)))
        await _give_up(service, call)


async def _give_up(service: Service, call: Call) -> None:
    ending = call.ending
    by, cause = (ending.by, ending.cause) if ending else (EndedBy.ERROR, "the media stream was lost")
    if not call.is_over:
        await service.control(call).hang_up(by, cause)
