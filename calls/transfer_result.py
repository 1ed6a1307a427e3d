"""How a transfer went, for a bot without webhooks: it asks the carrier until the answer is final.

Carriers list calls late (both call their lists eventually consistent), and a caller is back at once. So a list without
the attempt, or with one that still rings, says nothing yet. At the end of patience the outcome is unknown: a caller who
has just talked with the colleague must not hear that nobody has answered.
"""

from __future__ import annotations

import asyncio

from loguru import logger

from calls.control import CLOCKS_DIFFER, CallControl
from calls.events.lifecycle import TransferStarted
from calls.transfer import Target, TransferOutcome, outcome_of
from carriers.carrier import CarrierError, CarrierUnavailable, LineState, runs_documents

PATIENCE_SECS = 12.0
"""How long we go on asking the carrier."""

PAUSE_SECS = 1.0
"""The pause between two questions."""

NOTHING_YET = (None, LineState.QUEUED, LineState.RINGING)
"""States of an attempt that say nothing yet of its end."""


async def transfer_result(
    control: CallControl,
    target: Target,
    *,
    patience_secs: float = PATIENCE_SECS,
    pause_secs: float = PAUSE_SECS,
) -> tuple[TransferOutcome, str]:
    """Ask the carrier how a transfer went whose caller is back.

    Args:
        control: Of the call.
        target: Where to.
        patience_secs: How long to ask.
        pause_secs: How long to wait between two questions.

    Returns:
        The outcome, and where it comes from.
    """
    call, carrier = control.call, control.carrier
    if carrier is None:
        return TransferOutcome.UNKNOWN, "no credentials to ask the carrier with"
    if not runs_documents(carrier):
        return TransferOutcome.UNKNOWN, "the carrier does not tell: events tell what became of a transfer"
    transfer = call.last(TransferStarted)
    started = transfer.at if transfer else call.created_at
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_secs
    while True:
        wait_secs = pause_secs
        try:
            legs = await carrier.dialled_from(call.carrier_call_id, target.address, started)
        except CarrierUnavailable as error:
            wait_secs = max(pause_secs, error.retry_after_secs or 0.0)
            so_far = f"the carrier did not tell: {error}"
        except CarrierError as error:
            return TransferOutcome.UNKNOWN, f"the carrier does not tell: {error}"
        else:
            # What was over before this one began is an attempt before it.
            now = [leg for leg in legs if leg.ended_at is None or leg.ended_at >= started - CLOCKS_DIFFER]
            state = now[0].state if now else None
            # The caller is back, so a leg that was answered by a list that is old is over, too.
            if state not in NOTHING_YET:
                return outcome_of(state), f"the carrier says {state}"
            so_far = f"the carrier lists {f'an attempt that is {state}' if now else 'no attempt'}"
        if loop.time() + wait_secs >= deadline:
            logger.warning("Call {}: how its transfer went is not known: {}", call.id, so_far)
            return TransferOutcome.UNKNOWN, so_far
        await asyncio.sleep(wait_secs)
