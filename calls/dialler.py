"""Calls that we make: policy, then the store, then the carrier, which is never asked twice for one call.

A carrier that gave no answer may have dialled nevertheless; to ask again could ring the same phone twice. So we look
for the call at the carrier instead, until it is found, its webhook comes, or no phone could be ringing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from loguru import logger

from calls.call import Call
from calls.control import CallControl
from calls.errors import CarrierFailed, NotDone
from calls.events.lifecycle import Dialling, ErrorHappened
from calls.insist import insist
from calls.policy import DAY, NOBODY_KNOWS, DialPolicy, DialRefused
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.way_back import WayBack
from carriers.carrier import (
    Carrier,
    CarrierCall,
    CarrierError,
    CarrierUnavailable,
    DialOrder,
    DialOut,
    DialUncertain,
)
from carriers.dialling import check_time_limit

RETRY_PAUSES_SECS = (0.5, 1.0, 2.0)
"""Before each further attempt to reach a carrier that certainly did nothing."""

LOOK_PAUSES_SECS = (2.0, 3.0, 5.0)
"""Before each look for a call that may have been dialled; the last one again and again. Carriers list calls late."""

LOOK_LONGER_SECS = 15.0
"""How long after the ring time-out a call is still looked for."""


class Dialler:
    """Makes calls.

    Parameters:
        store: Where they are remembered.
        policy: Which numbers may be called, and how often.
        retry_pauses_secs: See `RETRY_PAUSES_SECS`.
        look_pauses_secs: See `LOOK_PAUSES_SECS`.
        look_longer_secs: See `LOOK_LONGER_SECS`.
    """

    def __init__(
        self,
        store: CallStore,
        policy: DialPolicy,
        *,
        retry_pauses_secs: tuple[float, ...] = RETRY_PAUSES_SECS,
        look_pauses_secs: tuple[float, ...] = LOOK_PAUSES_SECS,
        look_longer_secs: float = LOOK_LONGER_SECS,
    ):
        self._store = store
        self._policy = policy
        self._retry_pauses_secs = retry_pauses_secs
        self._look_pauses_secs = look_pauses_secs
        self._look_longer_secs = look_longer_secs
        self._tasks: set[asyncio.Task[Any]] = set()

    async def place(
        self,
        order: DialOrder,
        carrier: Carrier,
        way_back: WayBack,
        *,
        agent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> Call:
        """Place a call.

        It goes on when the task that asked for it is cancelled: a request under way cannot be taken back.

        Args:
            order: Whom to call, and how.
            carrier: By which carrier, in the mode that is to run the call.
            way_back: How the call reaches the bot.
            agent: Name of the agent that talks.
            parameters: What the bot gets to know about the call.
            by: Which of the operator's people has asked for it.

        Returns:
            The call, as soon as the carrier has accepted it, or as soon as it is uncertain whether it has. What becomes
            of it is in its state.

        Raises:
            DialRefused: This may not be dialled. There is no call.
            CarrierFailed: The carrier does not do it. The call has failed.
        """
        to = self._policy.check(order.to, order.from_number)
        try:
            check_time_limit(order.time_limit_secs, carrier.call_secs, carrier.name)
        except ValueError as error:
            raise DialRefused(str(error)) from None
        call = await self._store.dial_out_if(
            lambda placed, now: self._policy.check_again(to, placed, now),
            within=DAY,
            carrier=carrier.name,
            mode=carrier.mode,
            from_number=order.from_number,
            to_number=to,
            agent=agent,
            parameters=parameters,
        )
        order = replace(order, to=to)
        return await asyncio.shield(self._in_background(self._dial(call, order, carrier, way_back, by)))

    async def aclose(self) -> None:
        """Stop looking for calls. `calls.reconcile` goes on with it, in this process or the next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(
        self, call: Call, order: DialOrder, carrier: Carrier, way_back: WayBack, by: str | None
    ) -> Call:
        call.record(Dialling(ring_timeout_secs=order.ring_timeout_secs, by=by))
        since = self._store.now()
        amd_url = way_back.amd_url(call)
        if order.machine_detection and not amd_url:
            logger.warning("Call {}: no machine is listened for, as nobody could be told", call.id)
            order = replace(order, machine_detection=None)
        try:
            dial_out = DialOut(
                **vars(order),
                stream=await way_back.stream(call),
                status_url=way_back.status_url(call),
                amd_url=amd_url,
                command_id=call.id,
            )
        except ValueError as error:
            call.move(CallState.FAILED, cause=str(error), ended_by=EndedBy.ERROR)
            raise DialRefused(str(error)) from None
        except NotDone as error:
            call.move(CallState.FAILED, cause=str(error), ended_by=EndedBy.ERROR)
            raise
        try:
            call_id = await self._ask(call, carrier, dial_out)
        except DialUncertain as error:
            logger.warning("Call {}: whether it was dialled is not known: {}", call.id, error)
            call.record(ErrorHappened(message=f"whether it was dialled is not known yet: {error}"))
            call_id = None
        except CarrierError as error:
            logger.warning("Call {} was not dialled: {}", call.id, error)
            call.move(CallState.FAILED, cause=str(error), ended_by=EndedBy.ERROR)
            wait_secs = getattr(error, "retry_after_secs", None)
            raise CarrierFailed(str(error), retry_after_secs=wait_secs) from None
        if call_id is None:
            self._in_background(self._look(call, carrier, since, order.ring_timeout_secs))
        else:
            await CallControl(call, carrier, self._store).found(CarrierCall(call_id, None))
        return call

    async def _ask(self, call: Call, carrier: Carrier, dial_out: DialOut) -> str | None:
        """Have the carrier dial; again only where the attempt before certainly had no effect.

        Returns:
            The carrier's id of the call; None when it took the call on without giving one.
        """
        try:
            _, dialled = await insist(
                carrier,
                lambda: carrier.dial(dial_out),
                call.id,
                pauses_secs=self._retry_pauses_secs,
                only_if_nothing_done=True,
                still_wanted=lambda: not call.is_over and call.ending is None,
            )
        except CarrierUnavailable as error:
            if error.nothing_done or isinstance(error, DialUncertain):
                raise
            raise DialUncertain(str(error)) from None
        except CarrierError:
            raise
        except Exception as error:
            logger.opt(exception=error).error(
                "Call {}: dialling went wrong: {}", call.id, type(error).__name__
            )
            raise DialUncertain(f"dialling went wrong ({type(error).__name__})") from None
        return dialled.id

    async def _look(self, call: Call, carrier: Carrier, since: datetime, ring_timeout_secs: int) -> None:
        """Find out whether a call was dialled, by asking for calls between its numbers."""
        control = CallControl(call, carrier, self._store)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ring_timeout_secs + self._look_longer_secs
        looks = 0
        while loop.time() < deadline:
            await asyncio.sleep(self._look_pauses_secs[min(looks, len(self._look_pauses_secs) - 1)])
            looks += 1
            if call.is_over:
                return
            if call.carrier_call_id:  # it has reported itself
                await control.found(CarrierCall(call.carrier_call_id, None))
                return
            try:
                if await control.find(since):
                    return
            except CarrierError as error:
                logger.debug("Call {} could not be looked for: {}", call.id, error)
        if not call.is_over and not call.carrier_call_id:
            logger.warning("Call {}: {}", call.id, NOBODY_KNOWS)
            call.move(CallState.FAILED, cause=NOBODY_KNOWS, ended_by=EndedBy.ERROR)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the task that waited for it has it, or was cancelled
