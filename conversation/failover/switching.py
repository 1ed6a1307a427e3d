"""Pipecat's `ServiceSwitcher` with failover, for services that are built when they are needed.

Source: `pipecat/pipeline/service_switcher.py` (1.14). Pipecat's own failover moves on when a service is of no more use,
and leaves the turn that failed to the application. Here any failure of a service that has another one behind it is a
reason, a stall too, and the next one goes on with what the failed one was at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from loguru import logger
from pipecat.frames.frames import ErrorFrame, Frame, ServiceMetadataFrame
from pipecat.pipeline.service_switcher import ServiceSwitcher, ServiceSwitcherStrategyFailover
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.errors import ErrorCategory

from conversation.failover.health import HEALTH, Health
from conversation.failover.spare import Spare
from conversation.services.service import Kind, Service

REMEMBERED = 1024
"""How many frames the switcher remembers that have passed. Only few pass more than one of its branches."""


class Recent(set[int]):
    """The latest numbers only: a call has 50 frames a second."""

    def __init__(self, limit: int) -> None:
        """Begin empty.

        Args:
            limit: How many are kept.
        """
        super().__init__()
        self._order: deque[int] = deque()
        self._limit = limit

    def add(self, number: int) -> None:
        """Remember a number, and forget the oldest."""
        if number in self:
            return
        super().add(number)
        self._order.append(number)
        if len(self._order) > self._limit:
            self.discard(self._order.popleft())


class NextInLine(ServiceSwitcherStrategyFailover):
    """Has the switcher decide what an error means, and makes another place the active one."""

    failed: Callable[[ErrorFrame], Awaitable[FrameProcessor | None]] | None = None

    async def handle_error(self, error: ErrorFrame) -> FrameProcessor | None:
        """Take an error of the active place."""
        return await self.failed(error) if self.failed is not None else None

    def begin_with(self, spare: Spare) -> None:
        """Give the work to a place before the call begins."""
        self._active_service = spare

    async def make_active(self, spare: Spare) -> None:
        """Give the work to another place from now on."""
        await self._set_active_if_available(spare)


FailedOver = Callable[[Service, Service, ErrorFrame | None, str], None]
"""Told of the failed service, the one that goes on, the error if there was one, and why."""


class Switch(ServiceSwitcher[NextInLine]):
    """The places of one kind, one of which does the work.

    Subclasses know what the next one must get of what the failed one was at.
    """

    def __init__(
        self, kind: Kind, spares: Sequence[Spare], failed_over: FailedOver, health: Health | None = None
    ) -> None:
        """Initialize the switch, and wake the first place.

        Args:
            kind: The job.
            spares: The places, in the order in which they are tried.
            failed_over: Told when one goes on for another.
            health: What is known of services that have failed; that of this process when not given.
        """
        super().__init__(list(spares), NextInLine)
        self.kind = kind
        self._spares = list(spares)
        self._failed_over = failed_over
        self._health = health or HEALTH
        self._seen_ids = Recent(REMEMBERED)
        self._works: set[str] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        self.strategy.failed = self._take
        for spare in self._spares:
            spare.heard_from = self._heard_from
            spare.prepare = self.prepare
            spare.noted = self.noted
        self._wake_the_first()

    @property
    def active(self) -> Spare:
        """The place that does the work now."""
        return cast(Spare, self.strategy.active_service)

    def _wake_the_first(self) -> None:
        """Build the first service that can be built."""
        last = self._spares[-1]
        for spare in self._spares:
            try:
                spare.wake()
            except Exception as error:
                self._cannot_be_built(spare, error)
                if spare is last:
                    raise
                continue
            self.strategy.begin_with(spare)
            return

    def _cannot_be_built(self, spare: Spare, error: Exception) -> None:
        logger.error(f"{self.kind} {spare.service.name} cannot be built: {type(error).__name__}")
        spare.has_failed = True
        self._health.failed(self.kind, spare.service.name)

    async def _take(self, error: ErrorFrame) -> FrameProcessor | None:
        if error.category is ErrorCategory.APPLICATION:
            return None
        return await self.move_on("failed", error)

    async def move_on(self, why: str, error: ErrorFrame | None = None) -> Spare | None:
        """Have the next place go on with the work.

        Args:
            why: `failed`, or how it has stalled.
            error: What was reported, if something was.

        Returns:
            The next place; None where none is left, and the work stays where it is.
        """
        failed = self.active
        self._health.failed(self.kind, failed.service.name)
        failed.has_failed = True
        following = await self._woken_next()
        if following is None:
            return None
        self._failed_over(failed.service, following.service, error, why)
        await self._hand_over(failed, following)
        self.begin_later(following)
        return following

    def next_fit(self) -> Spare | None:
        """The next place that has not failed in this call, or has rested since.

        A service that is of no more use is left for any other that may be.
        """
        others = [spare for spare in self._spares if spare is not self.active]
        fit = [spare for spare in others if not spare.has_failed]
        fit += [
            one for one in others if one.has_failed and not self._health.rests(self.kind, one.service.name)
        ]
        if not self.active.is_usable:
            fit += [spare for spare in others if spare.is_usable]
        return next(iter(fit), None)

    def noted(self, frame: Frame) -> None:
        """Note what the service at work is given."""

    def prepare(self, service: Any) -> None:
        """Make a service that is woken like those before it."""

    async def _woken_next(self) -> Spare | None:
        while (spare := self.next_fit()) is not None:
            try:
                if not spare.is_awake:
                    spare.wake()
            except Exception as error:
                self._cannot_be_built(spare, error)
                await spare.set_usable(False)
                continue
            spare.has_failed = False
            await spare.set_usable(True)
            return spare
        return None

    def begin_later(self, spare: Spare) -> None:
        """Set a woken place up beside the call."""
        if spare._setup is None:
            return
        task = self.create_task(spare.begin(), f"{self}::begin {spare}")
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _hand_over(self, failed: Spare, following: Spare) -> None:
        """Give the work, and what was under way, to another place; let the failed service go."""
        failed.sleep()
        await self.strategy.make_active(following)

    async def _heard_from(self, spare: Spare, frame: Frame, direction: FrameDirection) -> None:
        """Take a frame that a service sends."""
        if isinstance(frame, ErrorFrame):
            if frame.processor is spare.inner or frame.processor is None:
                frame.processor = spare
                if not spare.inner.is_usable:
                    await spare.set_usable(False)
        elif isinstance(frame, ServiceMetadataFrame):
            if spare is not self.active:
                return
            frame.service_name = spare.name  # by which the switcher knows the active one
        elif not await self._may_pass(spare, frame, direction):
            return
        await spare.push_frame(frame, direction)

    async def _may_pass(self, spare: Spare, frame: Frame, direction: FrameDirection) -> bool:
        """Whether something that a service sends is for the rest of the pipeline."""
        return True

    def has_worked(self, spare: Spare) -> None:
        """A service has done some of its work."""
        if spare.service.name not in self._works:
            self._works.add(spare.service.name)
            self._health.works(self.kind, spare.service.name)

    async def cleanup(self) -> None:
        """Stop setting services up."""
        for task in list(self._beginning):
            await self.cancel_task(task)
        await super().cleanup()
