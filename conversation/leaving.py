"""Letting go of a caller with whom another process goes on: at a moment when they hardly notice it.

Best is when nobody speaks. A bot that speaks for long is let go of between two sentences, and what it was still to say
goes along, in the event `handed_over`.
"""

from __future__ import annotations

import asyncio

from calls.events.talk import CallerSaid, DtmfReceived, HandedOver
from calls.transfer import Resume, ResumeReason
from conversation.playout import Chunk
from conversation.session import Session

MOMENT_SECS = 4.0
"""How long a fitting moment is waited for."""

LOOK_SECS = 0.02

KEYS_SECS = 3.0
"""How long after a key its row is complete in any case."""


async def let_go_of(session: Session) -> bool:
    """Wait for a fitting moment, and fall silent for good; then the media stream is to be closed.

    Args:
        session: The session with a caller.

    Returns:
        False when the bot stays: the call is ending, or something is under way that another session could not go on
        with, such as a tool or a transfer.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + MOMENT_SECS
    before = _unheard(session)
    while not (session.is_detached or session.ending or session.aside or session.floor is None):
        unheard, floor, late = _unheard(session), session.floor, clock() >= deadline
        if floor.may_not_be_cut:
            if late:
                return False
        elif (speaks := floor.caller_has_the_word or _is_pressing_keys(session)) or floor.is_at_work:
            if late:
                await _let_go(session, unheard, "caller" if speaks else "answer")
                return True
        elif late or not unheard or (before and before[0] is not unheard[0]):
            await _let_go(session, unheard)
            return True
        before = unheard
        await asyncio.sleep(LOOK_SECS)
    return False


def _is_pressing_keys(session: Session) -> bool:
    """Whether the caller has pressed keys that are no words of theirs yet: more may follow."""
    last = session.call.last(DtmfReceived, CallerSaid)
    return isinstance(last, DtmfReceived) and (session.call.clock() - last.at).total_seconds() < KEYS_SECS


def _unheard(session: Session) -> list[Chunk]:
    """What was spoken and is not known to be heard."""
    return [chunk for chunk in session.playout.pending if chunk.text]


async def _let_go(session: Session, unheard: list[Chunk], amid: str = "") -> None:
    session.record(HandedOver(" ".join(chunk.text for chunk in unheard), amid))
    session.call.expect_return(Resume(ResumeReason.HANDED_OVER))
    await session.leave()
