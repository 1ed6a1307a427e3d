"""Calls to colleagues whose caller has hung up, when the process that asked them has died."""

from __future__ import annotations

import asyncio

from calls.call import Call
from calls.colleague import asked_for
from calls.events.lifecycle import CallerGone, Connected
from calls.states import CallState, EndedBy
from conversation.session import attached_to
from desk.elsewhere import may_talk_elsewhere
from desk.service import Service

LEAVES_SECS = 2.0
"""How long the session with the caller, if there is one, has for it."""


def free_colleague(service: Service, call: Call) -> None:
    """See to it that nobody's telephone rings on for a caller who has left.

    Args:
        service: The service.
        call: The caller's, of which something was reported.
    """
    if call.is_over and (colleague_id := asked_for(call)) is not None:
        service.later(_free(service, colleague_id), f"what becomes of call {colleague_id}")


async def _free(service: Service, colleague_id: str) -> None:
    await asyncio.sleep(LEAVES_SECS)
    colleague = await service.store.fetch(colleague_id)
    if colleague is None or colleague.is_over or colleague.has(Connected):
        return
    colleague.record_once(CallerGone())
    if attached_to(colleague) is not None or await may_talk_elsewhere(service, colleague):
        return  # the bot tells them so, and hangs up
    await service.control(colleague).hang_up(
        EndedBy.CALLER, "the caller has hung up", state=CallState.CANCELED
    )
