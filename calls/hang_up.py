"""Ending a call: we ask the carrier at once, and then again until it says that the call is over.

A call counts as over by its carrier's word only: a report, an answer that says so, or "it has ended already". A
request that was taken is no such word, and one that failed even less: the leg may stay up, and its caller in silence.
So a call that was hung up, but that its carrier has not reported as over, is asked about and hung up again in the
background, with growing pauses. When this process gives up, or dies, `calls.reconcile` goes on with it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import HangUpFailed, HangUpStarted
from calls.insist import insist
from calls.states import CallState, EndedBy
from carriers.carrier import CallNotFound, Carrier, CarrierError, HangUp, StatusUpdate

HANG_UP_BUDGET_SECS = 5.0
"""How long hanging up may take with all its attempts: the caller is on the line, hearing nothing."""

WORD_SECS = 1.0
"""How long the carrier may take to say that a call is over after it took the request; its reports are that fast."""

PAUSES_SECS = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Before each time that a call is asked about, and hung up again if it is still up; longer where the carrier, or its
circuit breaker, asks for more."""

ASKED_TO_WAIT_SECS = 60.0
"""How much more, at most."""


class Control(Protocol):
    """A call and its carrier, as `calls.control.CallControl` has them."""

    @property
    def call(self) -> Call:
        """The call."""
        ...

    @property
    def carrier(self) -> Carrier | None:
        """Its carrier, or None when there are no credentials for it."""
        ...

    async def noted(self) -> None:
        """Let other processes know what was noted of the call: the carrier's report may come to one of them."""
        ...

    async def find(self, since: datetime) -> bool:
        """Look at the carrier for a call that it has not named, and hang it up if it was to end."""
        ...


# The bot and the API hold different controls of the same call; they must not hang up twice at the same time.
_attempts: WeakKeyDictionary[Call, asyncio.Task[bool]] = WeakKeyDictionary()
_follow_ups: WeakKeyDictionary[Call, asyncio.Task[None]] = WeakKeyDictionary()


async def hang_up(
    control: Control,
    ended_by: EndedBy,
    cause: str,
    state: CallState,
    budget_secs: float,
    by: str | None = None,
) -> bool:
    """See `CallControl.hang_up`."""
    call = control.call
    if call.is_over:
        return True
    attempt = _attempts.get(call)
    if attempt is None:
        attempt = asyncio.create_task(
            _hang_up(control, ended_by, cause, state, budget_secs, by), name=f"hang up {call.id}"
        )
        _attempts[call] = attempt
        attempt.add_done_callback(lambda _: _attempts.pop(call, None))
    return await asyncio.shield(attempt)


def is_followed_up(call: Call) -> bool:
    """Whether this process hangs a call up again and again just now."""
    return call in _follow_ups or call in _attempts


async def until_gone(control: Control) -> None:
    """Wait until a call is over that was hung up, or the follow-up has given up."""
    call = control.call
    if call.ending is not None and not call.is_over and control.carrier is not None:
        await asyncio.wait({_followed_up(control)})


async def _hang_up(
    control: Control, ended_by: EndedBy, cause: str, state: CallState, budget_secs: float, by: str | None
) -> bool:
    call, carrier = control.call, control.carrier
    # Noted first: the carrier's report of the end may be faster than its answer to us.
    call.will_end(ended_by, cause, state)
    if not _failed_before(call):
        call.record(HangUpStarted(ended_by, cause, by))
    if carrier is None:
        return _failed(call, f"no credentials for {call.carrier} are set")
    try:
        if not call.carrier_call_id:
            return _failed(call, "the carrier has not named the call yet")
        await control.noted()
        attempts, answer = await insist(
            carrier, lambda: carrier.hang_up(call.carrier_call_id), call.id, budget_secs=budget_secs
        )
    except CarrierError as error:
        return _failed(call, str(error))
    else:
        if answer.already_ended and attempts == 1 and not _failed_before(call):
            # Only the caller can have been faster. After an attempt that got no answer, that attempt has ended it.
            call.ended_before(EndedBy.CALLER, "had hung up already")
        _take(call, answer)
        await call.over_within(WORD_SECS)
        return True
    finally:
        if not call.is_over:
            _followed_up(control)


def _take(call: Call, answer: HangUp) -> None:
    """Take in what the answer to a request says of the call."""
    if answer.already_ended and not call.is_over:
        call.move(CallState.COMPLETED, cause="its carrier says that it has ended")
    elif answer.state is not None:
        call.apply(StatusUpdate(call.carrier_call_id, answer.state, reason="the answer to the hang-up"))


def _failed_before(call: Call) -> bool:
    return isinstance(call.last(HangUpStarted, HangUpFailed), HangUpFailed)


def _failed(call: Call, reason: str) -> bool:
    logger.warning("Call {} could not be hung up: {}", call.id, reason)
    if not _failed_before(call):
        call.record(HangUpFailed(reason=reason))
    return False


def _followed_up(control: Control) -> asyncio.Task[None]:
    call = control.call
    task = _follow_ups.get(call)
    if task is None:
        task = asyncio.create_task(_follow_up(control), name=f"follow up {call.id}")
        _follow_ups[call] = task
        task.add_done_callback(lambda _: _follow_ups.pop(call, None))
    return task


async def _follow_up(control: Control) -> None:
    call, carrier = control.call, control.carrier
    assert carrier is not None
    asked_to_wait = 0.0
    for pause in PAUSES_SECS:
        if await call.over_within(max(pause, min(asked_to_wait, ASKED_TO_WAIT_SECS))):
            return
        asked_to_wait = 0.0
        try:
            if call.carrier_call_id:
                await _ask_again(call, carrier)
            else:
                await control.find(call.created_at)  # which hangs up what it finds
        except CarrierError as error:
            asked_to_wait = getattr(error, "retry_after_secs", None) or 0.0
            logger.debug("Call {} cannot be hung up yet: {}", call.id, error)
        if call.is_over:
            return
    logger.error("Call {} is still up, as far as its carrier says; it is hung up again later", call.id)


async def _ask_again(call: Call, carrier: Carrier) -> None:
    try:
        found = await carrier.fetch_call(call.carrier_call_id)
        call.apply(StatusUpdate(call.carrier_call_id, found.state, reason="asked the carrier"))
    except CallNotFound:
        _take(call, HangUp(already_ended=True))
    except CarrierError as error:
        logger.debug("Call {}: its carrier does not say where it stands: {}", call.id, error)
    if not call.is_over:
        _take(call, await carrier.hang_up(call.carrier_call_id))
