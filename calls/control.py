"""What we do to a call: policy -> carrier -> state. Idempotent, and it never fails with an exception."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from loguru import logger

from calls.call import Call, CallState, EndedBy
from calls.store import CallStore
from carriers.carrier import Carrier, CarrierError, CarrierUnavailable

HANG_UP_BUDGET_SECS = 5.0
"""How long hanging up may take with all its attempts: the caller is on the line, hearing nothing."""

FIRST_RETRY_SECS = 0.2
"""The pause before the second attempt; it doubles with each further one."""

# The bot and the API hold different controls of the same call; they must not hang up twice at the same time.
_attempts: WeakKeyDictionary[Call, asyncio.Task[bool]] = WeakKeyDictionary()


class CallControl:
    """Acts on one call.

    Parameters:
        call: The call.
        carrier: Its carrier, or None when there are no credentials for it.
        store: Where the call is remembered.
        budget_secs: How long `hang_up` may try.
    """

    def __init__(
        self,
        call: Call,
        carrier: Carrier | None,
        store: CallStore,
        *,
        budget_secs: float = HANG_UP_BUDGET_SECS,
    ):
        self._call = call
        self._carrier = carrier
        self._store = store
        self._budget_secs = budget_secs

    async def hang_up(self, ended_by: EndedBy, cause: str) -> bool:
        """End the call through the carrier's REST API.

        It may be called again, and by several at once: they share one attempt, which goes on when one of them
        is cancelled.

        Args:
            ended_by: Who wants it to end.
            cause: Why, for people who read the events.

        Returns:
            True when the call is over. False when the carrier could not be told, after an event
            `hang_up_failed`: then closing the media socket is what is left to do.
        """
        call = self._call
        if call.is_over:
            return True
        attempt = _attempts.get(call)
        if attempt is None or attempt.done():
            attempt = asyncio.create_task(self._hang_up(ended_by, cause), name=f"hang up {call.id}")
            _attempts[call] = attempt
        return await asyncio.shield(attempt)

    async def _hang_up(self, ended_by: EndedBy, cause: str) -> bool:
        call, store = self._call, self._store
        # Noted first: the carrier's report of the end may be faster than its answer to us.
        call.will_end(ended_by, cause)
        store.record(call, "hang_up", ended_by=ended_by.value, cause=cause)
        if self._carrier is None:
            return self._failed(f"no credentials for {call.carrier} are set")
        try:
            attempts, already_ended = await self._insist(self._carrier)
        except CarrierError as error:
            return self._failed(str(error))
        if already_ended and attempts == 1:
            # Nobody but the caller can have been faster. After a first attempt that got no answer, it was
            # that one.
            call.ended_before(EndedBy.CALLER, "had hung up already")
        if not call.is_over:
            call.move(CallState.COMPLETED, cause=cause)
        return True

    async def _insist(self, carrier: Carrier) -> tuple[int, bool]:
        """Hang up, again and again while the carrier gives no usable answer and there is time.

        Returns:
            How many attempts it took, and whether the call had ended before the last one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._budget_secs
        attempts, pause = 1, FIRST_RETRY_SECS
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return attempts, (await carrier.hang_up(self._call.carrier_call_id)).already_ended
            except TimeoutError:
                raise CarrierUnavailable(
                    f"no answer from the carrier within {self._budget_secs:g} s"
                ) from None
            except CarrierUnavailable as error:
                if loop.time() + pause >= deadline:
                    raise
                logger.warning("Hanging up call {} is tried again: {}", self._call.id, error)
            await asyncio.sleep(pause)
            attempts, pause = attempts + 1, pause * 2

    def _failed(self, reason: str) -> bool:
        logger.warning("Call {} could not be hung up: {}", self._call.id, reason)
        self._store.record(self._call, "hang_up_failed", reason=reason)
        return False
