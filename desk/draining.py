"""Letting a service's calls end before it stops: no new ones, and those that are left at the deadline go to others.

Another process that shares the calls goes on with them (`desk.handing_over`). Where there is none, or it has no room,
callers are told goodbye.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from loguru import logger

from calls.colleague import Colleague
from calls.errors import NotPossible
from conversation.session import Session, sessions
from desk.handing_over import hand_over, may_be_handed_over, say_goodbye
from desk.offering import offer_now
from desk.service import Service

LOOK_SECS = 0.1
"""How often it is looked whether the last call has ended."""

GOODBYE_SECS = 20.0
"""How long all goodbyes together may take: a sentence, what was being said before it, and the carrier's hang-up."""

KNOWN_SECS = 6.0
"""How long it may take, from the signal to stop, until it is known who else is not to stop."""

TOLD_SECS = 0.2
"""How long after the signal the parent may take to say that all processes on the port are to stop."""

HANDED_OVER_SECS = 12.0
"""How long the attempt to hand calls over may take: a fitting moment, and another process that talks."""

STOP_SECS = 40.0
"""All that follows the deadline takes no longer than this: what stops the process must wait so long, too."""


class Drain:
    """Empties a service of calls.

    Parameters:
        service: The service.
        drain_secs: How long calls may go on once it is to stop.
        notice_secs: How long it is only announced that no calls are taken: balancers look now and then, and what they
            still send is taken meanwhile.
        announced: Whether it is.
        stopping: Whether it is to stop, which cannot be taken back.
        all_stop: Whether all processes that share the port are to stop.
        leaving: Whether others have the port. Who still comes over a connection that was kept open is taken, as the
            others would take them, and told to open another one.
        tell_all: Sends a signal to all processes that share the port; None where there is one alone.
        give_up_port: Has others that share the port have it alone; None where nobody does.
    """

    def __init__(self, service: Service, drain_secs: float, notice_secs: float = 0):
        self._service = service
        self._drain_secs = drain_secs
        self._notice_secs = min(notice_secs, drain_secs)
        self._notice: asyncio.TimerHandle | None = None
        self._notice_ends = 0.0
        self.announced = False
        self.stopping = False
        self.leaving = False
        self.all_stop = False
        self.tell_all: Callable[[int], None] | None = None
        self.give_up_port: Callable[[], None] | None = None
        self._beats: Mapping[str, int] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether no calls are taken any more, or soon none."""
        return self.announced or self.stopping or self.leaving

    def leave(self) -> None:
        """Note that others have the port."""
        self.leaving = True

    def note_all_stop(self) -> None:
        """Note that nobody who shares the port stays."""
        self.all_stop = True

    def begin_everywhere(self, by: str) -> None:
        """Begin, and have the other processes that share the port do so, too.

        Args:
            by: Who of the operator's people has asked for it, for the events of calls that are turned away.
        """
        if not self.announced:
            self._service.room.drained_by = by
        logger.info("Draining was asked for with the key {}", by)
        self.begin()
        if self.tell_all is not None:
            self.tell_all(signal.SIGUSR1)

    def undo_everywhere(self, by: str) -> None:
        """Take calls again, in the other processes that share the port, too.

        Args:
            by: Who of the operator's people has asked for it.

        Raises:
            NotPossible: See `undo`.
        """
        self.undo()
        logger.info("The end of draining was asked for with the key {}", by)
        if self.tell_all is not None:
            self.tell_all(signal.SIGUSR2)

    def begin(self) -> None:
        """Take no new calls once the notice is over; those that are running go on, however long they take."""
        if self.announced:
            return
        self.announced = True
        offer_now(self._service)
        if self._notice_secs:
            logger.info("Draining: new calls are taken for {:g} s more", self._notice_secs)
            loop = asyncio.get_running_loop()
            self._notice_ends = loop.time() + self._notice_secs
            self._notice = loop.call_at(self._notice_ends, self._turn_away)
        else:
            self._turn_away()

    def _turn_away(self) -> None:
        self._notice = None
        self._service.room.draining = True
        logger.info("Draining: no new calls are taken, {} go on", self._service.room.taken)

    def undo(self) -> None:
        """Take calls again.

        Raises:
            NotPossible: The service is being stopped.
        """
        if self.stopping:
            raise NotPossible("the service is being stopped, which cannot be taken back: start it again")
        if self.announced:
            self.announced = False
            if self._notice is not None:
                self._notice.cancel()
                self._notice, self._notice_ends = None, 0.0
            self._service.room.draining = False
            self._service.room.drained_by = None
            logger.info("Draining is taken back: new calls are taken")

    async def finish(self) -> None:
        """Take no new calls, and wait until the last one has ended. At the deadline others go on with the rest."""
        self.stopping = True
        offer_now(self._service)
        shared = self._service.store.shared
        self._beats = shared.beats if shared is not None else {}
        room = self._service.room
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain_secs
        if not self.leaving and not await self._leaves_the_port():
            self.begin()
        await asyncio.sleep(self._notice_ends - clock())
        if room.awaited and self._drain_secs:
            logger.info(
                "Stopping when {} calls have ended, in {:g} s at the latest; a second signal stops at once",
                room.awaited,
                self._drain_secs,
            )
        if await self._empty_within(deadline - clock()):
            return
        # Not those of colleagues who are asked whether they take a call: its session tells them. Nor people who talk to
        # each other: their call goes on without us.
        left = [one for one in sessions() if Colleague.of(one.call) is None and not one.aside]
        going = [one for one in left if may_be_handed_over(self._service, one.call)]
        going = going[: await self._room_elsewhere() if going else 0]
        logger.warning(
            "The time to stop has come: {} calls are handed over to other processes, {} are told goodbye",
            len(going),
            len(left) - len(going),
        )
        if going and self.give_up_port is not None and shared is not None and shared.has_neighbour:
            self.give_up_port()
        try:
            async with asyncio.timeout(GOODBYE_SECS + (HANDED_OVER_SECS if going else 0)):
                await asyncio.gather(*(self._end(one, hands_over=one in going) for one in left))
                await self._empty_within(1.0 if left else 0.0)
        except TimeoutError:
            logger.error("Some calls could not be told goodbye in time; their media streams are closed")

    async def _leaves_the_port(self) -> bool:
        """Give the port up to processes of this machine that stay, if there are any.

        New calls are taken until that is known: a caller who came to this process by chance is not to be told that all
        lines are busy while others have room.
        """
        shared = self._service.store.shared
        if self.give_up_port is None or shared is None or self.announced or self._drain_secs < KNOWN_SECS:
            return False
        await asyncio.sleep(TOLD_SECS)
        if self.all_stop or not await self._room_elsewhere() or not shared.has_neighbour:
            return False
        logger.info("Draining: others have the port, {} calls go on", self._service.room.taken)
        self.give_up_port()
        return True

    async def _room_elsewhere(self) -> int:
        """How many calls other processes go on with that are not about to stop, too."""
        shared = self._service.store.shared
        if shared is None or shared.alone:
            return 0
        clock = asyncio.get_running_loop().time
        until = clock() + KNOWN_SECS
        while True:
            room = shared.room_elsewhere(self._beats)
            if room is not None or clock() >= until:
                return room or 0
            await asyncio.sleep(LOOK_SECS)

    async def _end(self, session: Session, *, hands_over: bool) -> None:
        """End a session; one call's failure is that call's alone."""
        try:
            if not (hands_over and await hand_over(self._service, session)):
                await say_goodbye(self._service, session.call)
        except Exception as error:
            logger.opt(exception=error).error(
                "Call {} could not be told goodbye: {}", session.call.id, type(error).__name__
            )

    async def _empty_within(self, secs: float) -> bool:
        clock = asyncio.get_running_loop().time
        deadline = clock() + secs
        while self._service.room.awaited:
            if clock() >= deadline:
                return False
            await asyncio.sleep(LOOK_SECS)
        return True
