"""Begins and ends what a service's metrics and traces need. Neither ever stops a service from answering calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.settled import Settled
from settings import Settings
from web.observing.counting import Counting
from web.observing.instruments import Instruments
from web.web_service import WebService

if TYPE_CHECKING:
    from web.observing.traces import Traces

MAKE_SECS = 3.0
"""How long a service that stops waits for the last traces to be made, in seconds."""

SERVICE_NAME = "phonebot"
"""What traces are called unless OTEL_SERVICE_NAME says otherwise."""


class Observing:
    """What watches a service.

    Parameters:
        service: The service.
        folder: As for `Instruments`.
        traces: Takes the traces of calls; made of the settings when not given.
    """

    def __init__(self, service: WebService, folder: str | None = None, traces: Traces | None = None):
        self._service = service
        self._traces = traces
        self._settled: Settled | None = None
        self._exports: set[asyncio.Task[None]] = set()
        self.instruments = Instruments(folder)
        self._counting: Counting | None = None

    async def start(self) -> None:
        """Begin to count, and to make traces if an exporter is configured."""
        self._counting = Counting(self._service, self.instruments)
        self._service.later(self._counting.watch(), "watching what no event tells of")
        if self._traces is None and traces_wanted(self._service.settings):
            try:
                # In a thread: what it needs takes long to import
                self._traces = await asyncio.to_thread(_made, self._service.settings)
            except Exception as error:
                logger.error("No traces are made, as the exporter cannot be set up: {}", error)
        if self._traces is not None:
            self._settled = Settled(self._service.store.feed, self._export)

    def _export(self, call: Call) -> None:
        task = asyncio.create_task(self._make_trace(call), name=f"The trace of {call.id}")
        self._exports.add(task)
        task.add_done_callback(self._exported)

    async def _make_trace(self, call: Call) -> None:
        assert self._traces is not None
        await asyncio.to_thread(self._traces.export, await self._whole(call))

    async def _whole(self, call: Call) -> Call:
        """The call with what other processes have recorded of it: its session may have been in one of them."""
        store = self._service.store
        if store.shared is None or store.shared.alone:
            return call
        try:
            return await store.as_written(call.id) or call
        except DatabaseError:
            return call

    def _exported(self, task: asyncio.Task[None]) -> None:
        self._exports.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.opt(exception=error).error(
                "{} could not be made: {}", task.get_name(), type(error).__name__
            )

    async def aclose(self) -> None:
        """Count what is over, and hand over the last traces."""
        if self._counting is not None:
            self._counting.close()
        if self._settled is not None:
            self._settled.close()
        if self._traces is None:
            return
        if self._exports:
            await asyncio.wait(self._exports, timeout=MAKE_SECS)
        if not await asyncio.to_thread(self._traces.close):
            logger.error("The last traces could not be handed over: the exporter takes too long")


def traces_wanted(settings: Settings) -> bool:
    """Whether an exporter of traces is configured."""
    return bool(settings.otel_exporter_otlp_endpoint or settings.otel_exporter_otlp_traces_endpoint)


def _made(settings: Settings) -> Traces:
    from web.observing.traces import Traces, exporter_of

    return Traces(
        exporter_of(settings), settings.otel_service_name or SERVICE_NAME, words=settings.otel_words
    )
