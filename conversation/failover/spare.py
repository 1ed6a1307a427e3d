"""A place in a list of services: its service is built and connected when it is needed, and let go when it failed.

Pipecat's `ServiceSwitcher` wants all its services from the beginning, and each of them would connect with the call.
Here a place costs nothing before its turn comes. It stands between the switcher's filters as a service does, and is
woken with a service of its own: what that one sends goes to the switcher's `heard_from`, which knows what may pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline, PipelineSink, PipelineSource
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from conversation.services.patience import connected
from conversation.services.service import Service

LET_GO_SECS = 2.0
"""How long a service that has failed may take to end."""

OF_TOOLS = (
    FunctionCallsStartedFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallCancelFrame,
)
"""What still counts of a model that has failed: tools that it had called are at work."""

HeardFrom = Callable[["Spare", Frame, FrameDirection], Awaitable[None]]


class Spare(FrameProcessor):
    """One place of a list.

    Attributes:
        service: Which service belongs here.
        has_failed: Whether it has failed in this call.
        inner: The service itself; None while it sleeps.
    """

    heard_from: HeardFrom
    prepare: Callable[[Any], None]
    noted: Callable[[Frame], None]

    def __init__(self, service: Service, build: Callable[[], Any], *, keeps_former: bool = False) -> None:
        """Initialize a place whose service sleeps.

        Args:
            service: Which service it is.
            build: Makes it.
            keeps_former: Whether one that has failed still ends what it is at, such as a model's tools.
        """
        super().__init__(name=f"{service.kind} {service.name}", enable_direct_mode=True)
        self.service = service
        self.has_failed = False
        self.inner: Any = None
        self._build = build
        self._keeps_former = keeps_former
        self._pipeline: Pipeline | None = None
        self._start: StartFrame | None = None
        self._is_late = False
        self._formers: list[tuple[Any, Pipeline]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    @property
    def is_awake(self) -> bool:
        """Whether its service is there."""
        return self.inner is not None

    def wake(self) -> None:
        """Build the service. Frames that it gets from now on wait until `begin` has set it up.

        Raises:
            Exception: Whatever a library raises that cannot be built.
        """
        inner = self._build()
        self.prepare(inner)

        async def out(frame: Frame, direction: FrameDirection) -> None:
            await self._hear(inner, frame, direction)

        self._pipeline = Pipeline([inner], source=PipelineSource(out), sink=PipelineSink(out))
        self.inner = inner

    async def begin(self) -> None:
        """Set the service up in a call that is under way, and start it once it is connected."""
        inner, pipeline = self.inner, self._pipeline
        if pipeline is None or self._setup is None:
            return  # `setup` comes, and does it
        await pipeline.setup(self._setup)
        await connected(inner)
        if self._start is not None and self.inner is inner:
            self._is_late = True
            await inner.queue_frame(self._start)

    async def give(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Hand the service something."""
        if self.inner is not None:
            await self.inner.queue_frame(frame, direction)

    def sleep(self) -> None:
        """Hear nothing from the service any more, and let it go."""
        inner, pipeline = self.inner, self._pipeline
        self.inner = self._pipeline = None
        if inner is None or pipeline is None:
            return
        if self._keeps_former:
            self._formers.append((inner, pipeline))
        elif self._setup is not None:
            task = self.create_task(self._let_go(inner, pipeline), f"{self}::let_go")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set up, with the service if it is awake."""
        await super().setup(setup)
        if self._pipeline is not None:
            await self._pipeline.setup(setup)

    async def cleanup(self) -> None:
        """Release the service, and those that were there before it."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LET_GO_SECS)
        await super().cleanup()
        pipelines = [pipeline for _, pipeline in self._formers]
        if self._pipeline is not None:
            pipelines.append(self._pipeline)
        await asyncio.gather(*(pipeline.cleanup() for pipeline in pipelines))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hand the service what comes; let pass what begins and ends a call while it sleeps."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._start = frame
        if isinstance(frame, InterruptionFrame):
            for former, _ in self._formers:
                await former.queue_frame(frame, direction)
        if self.inner is not None:
            self.noted(frame)  # in the same moment, so that nothing is given to two services, or to none
            await self.inner.queue_frame(frame, direction)
        elif isinstance(frame, StartFrame | EndFrame | CancelFrame):
            await self.push_frame(frame, direction)

    async def _hear(self, inner: Any, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, StartFrame) and self._is_late:
            return  # it has passed the pipeline long ago
        if isinstance(frame, StartFrame | EndFrame | CancelFrame):
            if inner is self.inner:
                await self.push_frame(frame, direction)
            elif isinstance(frame, CancelFrame):
                self._ended.set()
        elif inner is self.inner:
            await self.heard_from(self, frame, direction)
        elif isinstance(frame, OF_TOOLS) and any(inner is former for former, _ in self._formers):
            await self.push_frame(frame, direction)

    async def _let_go(self, inner: Any, pipeline: Pipeline) -> None:
        try:
            self._ended.clear()
            await inner.queue_frame(CancelFrame())
            with suppress(TimeoutError):
                async with asyncio.timeout(LET_GO_SECS):
                    await self._ended.wait()
            async with asyncio.timeout(LET_GO_SECS):
                await pipeline.cleanup()
        except Exception as error:  # whatever a library raises that is broken already
            logger.debug(f"{self}: a service that has failed did not end well: {type(error).__name__}")
