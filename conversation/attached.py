"""What the beginning and the end of a media stream say about its call."""

from __future__ import annotations

import asyncio

from loguru import logger

from calls.call import Call
from calls.states import CallState, EndedBy
from conversation.session import Session, attached_to

HANDED_OVER = (CallState.TRANSFERRING, CallState.TRANSFERRED)

END_PAUSES_SECS = (0.3, 0.7, 1.5, 3.0, 0.0)
"""Pauses in seconds between requests to the carrier whether a call has ended; its answers may be some seconds old."""


def stream_began(call: Call) -> None:
    """Take the media stream as proof that the call was answered, whatever the carrier has reported so far."""
    if call.state in (CallState.QUEUED, CallState.RINGING):
        call.move(CallState.IN_PROGRESS, cause="media stream")
    elif call.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
        call.move(CallState.IN_PROGRESS, cause="back with the bot")


def stream_ended(session: Session, *, told: bool) -> None:
    """Decide what the end of a media stream says about the call, where the carrier reports nothing else.

    If the carrier stopped the stream and we had not asked for that, the caller has hung up.

    Args:
        session: The session that is over.
        told: Whether the carrier reports what became of the call, or can be asked: then its word counts, and not ours.
    """
    call = session.call
    if attached_to(call) not in (None, session):
        logger.info(f"call {call.id}: detached, another session has it")
        return
    goes_on = call.resume is not None or call.state in HANDED_OVER
    if not call.is_over and not goes_on and not told:
        call.will_end(EndedBy.CALLER, "the media stream stopped")
        call.move(CallState.COMPLETED, cause="the media stream stopped")
    logger.info(f"call {call.id}: detached, {'ended by ' + call.ended_by if call.ended_by else call.state}")


async def hear_of_the_end(session: Session) -> None:
    """Ask the carrier whether a call is over, on a host without our server; hang it up again if it should be over."""
    call, control = session.call, session.control
    if attached_to(call) is not None or call.resume is not None or call.state in HANDED_OVER:
        return
    if call.ending is not None:
        await control.gone()
        return
    for pause in END_PAUSES_SECS:
        if call.is_over or not await control.refresh() or call.is_over:
            return
        await asyncio.sleep(pause)
