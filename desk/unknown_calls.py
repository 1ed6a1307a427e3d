"""Calls that are up at a carrier and that nobody here knows, and calls that we know as ended and that are up.

The first are there after a loss of the database, and would be paid for until their callers hang up; the second after a
report of a carrier that was wrong. Carriers' lists are a little old, and other processes need a moment to write what
they know. So nothing is done about a call before two looks have found the same of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.errors import CallIsOver, NotDone
from calls.insist import insist
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason
from carriers import descriptors
from carriers.carrier import Carrier, CarrierError, Form, IncomingCall, runs_documents
from carriers.checks import Addresses
from carriers.live_calls import ListsLiveCalls, LiveCall
from conversation.agents.errors import AgentError
from desk.answering import open_call
from desk.service import Service

FIRST_LOOK_SECS = 15.0
"""How long after the start the first look is: callers of a process that died come back by themselves before."""

EVERY_SECS = 120.0
AGAIN_SECS = 30.0
"""When the second look is at calls of which the first has found something."""

ENDED_FOR = timedelta(seconds=60)
"""How long a call must have been over for us until its carrier's saying that it is up counts for more than a list that
is old."""

DONE_ONCE_SECS = 3600.0
"""How long it is remembered, for all processes, that one of them deals with a call."""

HANG_UP_SECS = 10.0

ASK_SECS = 5.0
"""How long the database may take to say whether a call is known."""

CAUSE = "the call was up at its carrier, and nobody here knew it"


class _Found(StrEnum):
    UNKNOWN = "unknown"
    ENDED = "ended"


class Lookout:
    """Looks for such calls.

    Parameters:
        service: The service.
        ours: The addresses that each carrier has for our numbers, by its name.
    """

    def __init__(self, service: Service, ours: Mapping[str, Addresses]):
        self._service = service
        self._ours = ours
        self._before: dict[tuple[str, str], _Found] = {}
        self._found_something = False
        self._told: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        await asyncio.sleep(FIRST_LOOK_SECS)
        while True:
            try:
                await self.look()
            except Exception as error:
                logger.opt(exception=error).error(
                    "Calls that nobody knows could not be looked for: {}", type(error).__name__
                )
            await asyncio.sleep(AGAIN_SECS if self._found_something else EVERY_SECS)

    async def look(self) -> None:
        """Look once at all carriers that list calls and that there are credentials for."""
        before, self._before = self._before, {}
        self._found_something = False
        for one in descriptors():
            carrier = self._service.carrier_named(one.name, one.dialling_mode(self._service.settings))
            if carrier is None or not isinstance(carrier, ListsLiveCalls):
                continue
            try:
                await self._look_at(carrier, carrier, before)
            except CarrierError as error:
                logger.debug("{} does not list the calls that are up: {}", one.title, error)
            except (DatabaseError, TimeoutError) as error:
                # Calls that others know would be taken for unknown ones.
                logger.debug("Whether calls at {} are known cannot be said: {}", one.title, error)

    async def _look_at(
        self, carrier: Carrier, lists: ListsLiveCalls, before: Mapping[tuple[str, str], _Found]
    ) -> None:
        settings = self._service.settings
        up = await lists.live_calls(self._ours[carrier.name], settings.numbers)
        for one in up:
            key = (carrier.name, one.id)
            found, call = await self._what_is_known(carrier, one)
            if found is None:
                continue
            if before.get(key) is not found:
                self._before[key] = found
                self._found_something = True
            elif found is _Found.ENDED and call is not None:
                await self._hang_up_again(carrier, call)
            elif settings.unknown_calls == "leave":
                self._before[key] = found
                self._told_once(carrier, key)
            elif settings.unknown_calls == "adopt" and self._service.room.reason is not None:
                self._before[key] = found  # there may be room at the next look, or at another process
            elif await self._service.store.use_once(f"unknown {key}", DONE_ONCE_SECS) is None:
                await self._deal_with(carrier, one)

    async def _what_is_known(self, carrier: Carrier, one: LiveCall) -> tuple[_Found | None, Call | None]:
        """What is wrong with a call that is up; nothing if it is known as up.

        Raises:
            DatabaseError, TimeoutError: Nobody can tell.
        """
        store = self._service.store
        call = store.find(carrier.name, one.id)
        if call is None:
            async with asyncio.timeout(ASK_SECS):
                call = await store.as_written(one.id)
        if call is None:
            return _Found.UNKNOWN, None
        if call.ended_at is not None and store.now() - call.ended_at >= ENDED_FOR:
            return _Found.ENDED, call
        return None, call

    def _told_once(self, carrier: Carrier, key: tuple[str, str]) -> None:
        if key not in self._told:
            self._told.add(key)
            logger.warning(
                "A call is up at {} that nobody here knows; it is left alone, as UNKNOWN_CALLS is leave (end or adopt "
                "would do something about it)",
                carrier.name,
            )

    async def _hang_up_again(self, carrier: Carrier, call: Call) -> None:
        logger.warning("Call {} is over for us, and up for its carrier: it is hung up", call.id)
        try:
            await insist(
                carrier, lambda: carrier.hang_up(call.carrier_call_id), call.id, budget_secs=HANG_UP_SECS
            )
        except CarrierError as error:
            logger.warning("Call {} may still be up: {}", call.id, error)

    async def _deal_with(self, carrier: Carrier, one: LiveCall) -> None:
        """End a call that nobody knows, or connect it with the bot; from now on it is known."""
        adopt = self._service.settings.unknown_calls == "adopt"
        incoming = IncomingCall(one.id, one.from_number, one.to_number, one.direction)
        try:
            call = open_call(self._service, carrier, incoming, Form([("agent", one.agent or "")]))
        except AgentError as error:
            logger.error("A call that nobody knew cannot be answered: {}", error)
            call = self._service.store.open(
                carrier=carrier.name, mode=carrier.mode, carrier_call_id=one.id, direction=one.direction
            )
            adopt = False
        call.move(CallState.IN_PROGRESS, cause=CAUSE)
        if not adopt or not await self._connect(carrier, call):
            if not call.is_over:
                await self._service.control(call).hang_up(EndedBy.ERROR, CAUSE)
        logger.warning(
            "Call {} was up, and nobody knew it: it is {}", call.id, "adopted" if adopt else "ended"
        )

    async def _connect(self, carrier: Carrier, call: Call) -> bool:
        """Connect a caller with the bot, which does not know what was said before."""
        control = self._service.control(call)
        self._service.room.take(call)
        call.expect_return(Resume(ResumeReason.LOST))
        try:
            if runs_documents(carrier):
                document = carrier.stream_document(await control.back("adopt the call").stream(call))
                await control.act(
                    lambda: carrier.update_document(call.carrier_call_id, document), "adopt the call"
                )
            else:
                await control.stream_again()
        except CallIsOver:
            call.move(CallState.COMPLETED, cause="its carrier says that it has ended")
        except NotDone as error:
            logger.error("Call {} could not be connected with the bot: {}", call.id, error)
            return False
        return True
