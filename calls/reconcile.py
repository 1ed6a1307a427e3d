"""Asks carriers what became of calls without news for a while: carriers' reports get lost, and our processes die.

Of several processes on one database one does this for all, by a lease. The others ask only about calls of which the
database does not know yet what they know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from loguru import logger

from calls.call import Call
from calls.control import CallControl
from calls.database.processes import own_session
from calls.errors import NoAnswer
from calls.events.lifecycle import Dialling, HangUpStarted
from calls.events.talk import Attached, Detached
from calls.hang_up import is_followed_up
from calls.message_box import LONGEST_SECS, has_message_box
from calls.policy import NOBODY_KNOWS
from calls.states import CallState, EndedBy
from calls.store import CallStore
from carriers.carrier import CallNotFound, Carrier, CarrierError, CarrierUnavailable, Direction, StatusUpdate

LEASE = "reconcile"

EVERY_SECS = 3.0
"""How often the calls are looked through."""

TAKE_UP_AFTER = timedelta(seconds=60)
"""How long nothing must have been written about a call on which another process talks until it is looked after here.
Calls on which none talks are known here after `UNATTACHED`."""

PROMISED_AFTER = timedelta(seconds=20)
"""The same for a call that was to end: a process that lives hangs it up again meanwhile, which does no harm."""

RING_TIMEOUT = timedelta(seconds=60)
"""How long a call is taken to ring if its ring time-out is not known."""

RING_GRACE = timedelta(seconds=30)
UNATTACHED = timedelta(seconds=5)
LISTED = timedelta(seconds=15)
"""How long after a look in vain a call is looked for once more before it counts as never made: lists are late."""
APOLOGY = timedelta(seconds=20)
"""How long a call that is to end, but was not hung up, is left alone: its carrier may be speaking our last words."""
LEAVES_MESSAGE = timedelta(seconds=LONGEST_SECS + 30)
"""How long nothing may be heard of a caller who leaves a message."""

HANDED_OVER = timedelta(seconds=60)
SILENT = timedelta(minutes=5)

UNASKABLE = timedelta(seconds=30)
"""After this, a call without a media stream is over if there are no credentials to ask its carrier: a carrier asks at
once what comes after a stream, if it asks at all."""

NOBODY_TELLS = "nobody has heard of it any more, and without credentials nobody can be asked"

AT_ONCE = 4
"""How many calls are asked about at the same time."""

ASKED_TO_WAIT_SECS = 60.0
"""How long a carrier may ask to wait, at most, before a call is asked about again."""

ASK_SECS = 15.0
"""How long asking about one call may take."""


class Reconciler:
    """Brings calls to their end whose end no carrier reports.

    Parameters:
        store: The calls.
        carrier_of: The carrier of a call; None when there are no credentials for it.
        every_secs: How often to look, in seconds.
        at_once: How many calls are asked about at the same time.
    """

    def __init__(
        self,
        store: CallStore,
        carrier_of: Callable[[Call], Carrier | None],
        *,
        every_secs: float = EVERY_SECS,
        at_once: int = AT_ONCE,
    ):
        self._store = store
        self._carrier_of = carrier_of
        self._every_secs = every_secs
        self._at_once = at_once
        self._missed: WeakKeyDictionary[Call, datetime] = WeakKeyDictionary()
        self._asked: WeakKeyDictionary[Call, datetime] = WeakKeyDictionary()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.sweep(self._store.now())
            await asyncio.sleep(self._every_secs)

    async def sweep(self, now: datetime) -> int:
        """Ask about all calls that were silent for longer than they should be. Nothing is raised.

        Args:
            now: The time, by the store's clock.

        Returns:
            How many calls were asked about.
        """
        try:
            for_all = await self._store.holds(LEASE)
            if for_all:
                await self._store.take_up(now - TAKE_UP_AFTER, now - UNATTACHED, now - PROMISED_AFTER)
            silent = [
                call
                for call in self._store.live()
                if now - self._last_heard(call) >= self._patience(call)
                and not is_followed_up(call)
                and (for_all or not self._store.is_known_to_others(call))
            ]
        except Exception as error:
            logger.opt(exception=error).error("Calls could not be looked through: {}", type(error).__name__)
            return 0
        gate = asyncio.Semaphore(self._at_once)

        async def ask(call: Call) -> None:
            async with gate:
                await self._ask(call, now)

        await asyncio.gather(*(ask(call) for call in silent))
        return len(silent)

    def _last_heard(self, call: Call) -> datetime:
        heard = call.events[-1].at if call.events else call.created_at
        return max(heard, self._asked.get(call, heard))

    async def _ask(self, call: Call, now: datetime) -> None:
        self._asked[call] = now
        state = call.state
        try:
            async with asyncio.timeout(ASK_SECS):
                carrier = self._carrier_of(call)
                if carrier is None:
                    self._give_up(call, now)
                elif call.carrier_call_id:
                    await self._ask_about(call, carrier)
                elif not await CallControl(call, carrier, self._store).find(call.created_at):
                    self._miss(call, now)
        except (CarrierError, TimeoutError) as error:
            if isinstance(error, CarrierUnavailable) and error.retry_after_secs:
                self._asked[call] = now + timedelta(seconds=min(error.retry_after_secs, ASKED_TO_WAIT_SECS))
            logger.debug("Call {}: what became of it is not known yet: {}", call.id, error or "no answer")
        except Exception as error:
            logger.opt(exception=error).error(
                "Call {} cannot be asked about: {}", call.id, type(error).__name__
            )
        if call.state is not state:
            logger.info("Call {} is {}, as was found out by asking", call.id, call.state)

    async def _ask_about(self, call: Call, carrier: Carrier) -> None:
        try:
            at_carrier = await carrier.fetch_call(call.carrier_call_id)
        except CallNotFound:
            # A bot that is on the call knows better; and with wrong credentials a carrier knows no call at all.
            if not call.is_over and not await self._bot_talks_on(call):
                answered = call.answered_at is not None
                end = CallState.COMPLETED if answered else CallState.FAILED
                call.move(end, cause="its carrier does not know the call any more")
            return
        call.apply(StatusUpdate(call.carrier_call_id, at_carrier.state))
        ending = call.ending
        if ending is None or call.is_over:
            return
        # It was to end, and the carrier could not be asked to end it then, or has not done it. Who had begun to hang up
        # meant it, even if a session is on the call yet.
        if call.has(HangUpStarted) or not await self._bot_talks_on(call):
            await CallControl(call, carrier, self._store).hang_up(ending.by, ending.cause, state=ending.state)

    async def _bot_talks_on(self, call: Call) -> bool:
        """Whether a bot session is on the call, in a process that lives; the session of one that died never ends."""
        shared = self._store.shared
        if not is_attached(call):
            return False
        if shared is None or own_session(call.events) is not None:
            return True
        try:
            return await shared.elsewhere(call.id) is not None
        except NoAnswer:
            return True

    def _miss(self, call: Call, now: datetime) -> None:
        if call in self._missed:
            call.move(CallState.FAILED, cause=NOBODY_KNOWS, ended_by=EndedBy.ERROR)
        self._missed[call] = now

    def _patience(self, call: Call) -> timedelta:
        return LISTED if call in self._missed else _patience(call)

    def _give_up(self, call: Call, now: datetime) -> None:
        heard = call.events[-1].at if call.events else call.created_at
        if now - heard < max(UNASKABLE, _patience(call)):
            return
        if call.answered_at is not None:
            call.move(CallState.COMPLETED, cause=NOBODY_TELLS, ended_by=EndedBy.ERROR)
        else:
            call.move(CallState.FAILED, cause=NOBODY_TELLS, ended_by=EndedBy.ERROR)


def is_attached(call: Call) -> bool:
    """Whether a bot session is on the call, as far as its events say."""
    return isinstance(call.last(Attached, Detached), Attached)


def _patience(call: Call) -> timedelta:
    """How long a call may be silent until it is asked about."""
    if call.state in (CallState.QUEUED, CallState.RINGING):
        if call.has(HangUpStarted) and call.carrier_call_id:
            return UNATTACHED
        dialling = call.last(Dialling) if call.direction is Direction.OUTBOUND else None
        ring = timedelta(seconds=dialling.ring_timeout_secs) if dialling else RING_TIMEOUT
        return ring + RING_GRACE
    if call.state is CallState.IN_PROGRESS and call.has(HangUpStarted):
        return UNATTACHED
    if has_message_box(call):
        return LEAVES_MESSAGE
    if call.state is CallState.IN_PROGRESS and not is_attached(call):
        return UNATTACHED if call.ending is None else APOLOGY
    if call.state is CallState.TRANSFERRED:
        return HANDED_OVER
    return SILENT
