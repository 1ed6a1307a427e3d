"""Feeds the metrics: by what happens on calls, and once a second by how the process is. Nothing here sees a frame."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Counts
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from calls.call import Call
from calls.events.event import CallEvent
from calls.events.lifecycle import (
    Answered,
    ConnectFailed,
    ErrorHappened,
    HangUpFailed,
    StateChanged,
    TransferEnded,
    TurnedAway,
)
from calls.events.talk import Attached, DeadAirNoticed, ServiceFailedOver, TurnMeasured
from calls.outcome import Outcome, achieved
from calls.settled import Settled
from calls.states import CallState
from calls.transfer import TransferOutcome
from carriers.carrier import Direction
from carriers.watched import Asked, watch_requests
from conversation.agents.files import agent_names
from conversation.overhearing import how_many
from conversation.playout import LOST_MARKS
from desk.room import BUSY, DRAINING, FULL
from serializers.base import IGNORED
from web.observing.instruments import Instruments, memory_bytes
from web.observing.labels import NONE, OTHER, Bounded

if TYPE_CHECKING:
    from web.web_service import WebService

LOOK_SECS = 1.0
"""How often is looked at what no event tells of."""

SERVICE = "service"
"""The kind of a part of a turn that a service has taken, and not a setting or Pipecat itself."""


class Counting:
    """Counts what happens in a service, from now on.

    Parameters:
        service: The service.
        instruments: Where to.
    """

    def __init__(self, service: WebService, instruments: Instruments):
        self._service = service
        self._to = instruments
        self._live: dict[str, str] = {}
        self._agent = Bounded(50, lambda: agent_names(service.settings.agents_dir))
        self._owner = Bounded(60)
        self._name = Bounded(200)
        self._do: Mapping[type[CallEvent], Callable[[Call, Any], None]] = {
            StateChanged: self._is_in_state,
            Attached: self._is_here,
            Answered: self._answered,
            TurnMeasured: self._turn,
            TransferEnded: lambda _, event: self._to.transfers.labels(str(event.outcome)).inc(),
            TurnedAway: lambda _, event: self._to.turned_away.labels(self._name(event.reason)).inc(),
            ErrorHappened: lambda _, event: self._error(event.category or OTHER),
            HangUpFailed: lambda _, event: self._error(event.KIND),
            ConnectFailed: lambda _, event: self._error(event.KIND),
            ServiceFailedOver: self._failed_over,
            DeadAirNoticed: self._dead_air,
        }
        self._cpu = time.process_time()
        self._totals: list[tuple[Counts[str], Counter, Counts[str]]] = [
            (counts, counter, Counts(counts))
            for counts, counter in (
                (service.refusals.counts, instruments.refused),
                (IGNORED, instruments.media_ignored),
                (LOST_MARKS, instruments.marks_lost),
            )
        ]
        self._begin_at_nought()
        self._settled = Settled(service.store.feed, self._call_is_over)
        self._stops = [
            service.store.feed.listen(self._happened),
            watch_requests(self._asked),
            service.load.tell(instruments.lag.observe),
        ]

    def _begin_at_nought(self) -> None:
        """Have what an alert looks at be there before it happens first: Prometheus sees no rise from nothing."""
        for outcome in TransferOutcome:
            self._to.transfers.labels(str(outcome))
        for reason in (DRAINING, FULL, BUSY):
            self._to.turned_away.labels(reason)
        for state in CallState:
            if not state.is_end:
                self._to.live.labels(str(state))
        self._to.processes.set(1)
        self.look()

    async def watch(self) -> None:
        """Look at what no event tells of, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECS)
            self.look()

    def look(self) -> None:
        """Note how the process is now."""
        to, service = self._to, self._service
        to.capacity.set(service.room.max_calls)
        to.places.set(service.room.taken)
        to.listeners.set(how_many())
        unsaved, behind_secs = service.store.unsaved()
        to.unsaved.set(unsaved)
        to.behind.set(behind_secs)
        to.memory.set(memory_bytes())
        took, self._cpu = time.process_time() - self._cpu, time.process_time()
        to.cpu.inc(max(0.0, took))
        for counts, counter, seen in self._totals:
            for reason, count in list(counts.items()):
                if more := count - seen[reason]:
                    (counter.labels(self._name(reason)) if counter is not to.marks_lost else counter).inc(
                        more
                    )
                    seen[reason] = count

    def close(self) -> None:
        """Count no more. Calls that are over are counted."""
        self._settled.close()
        for stop in self._stops:
            stop()
        self.look()

    def _happened(self, call: Call, event: CallEvent) -> None:
        if event.stored is not None:
            # Another process has recorded it, and counts it. It may have the call from now on.
            if isinstance(event, StateChanged | Attached):
                self._is_not_here(call)
            return
        do = self._do.get(type(event))
        if do is not None:
            do(call, event)

    def _is_in_state(self, call: Call, event: StateChanged) -> None:
        self._is_not_here(call)
        if not event.state.is_end:
            self._live[call.id] = str(event.state)
            self._to.live.labels(str(event.state)).inc()

    def _is_here(self, call: Call, _: Attached) -> None:
        if call.id not in self._live and not call.is_over:
            self._live[call.id] = str(call.state)
            self._to.live.labels(str(call.state)).inc()

    def _is_not_here(self, call: Call) -> None:
        state = self._live.pop(call.id, None)
        if state is not None:
            self._to.live.labels(state).dec()

    def _answered(self, call: Call, event: Answered) -> None:
        if call.direction is Direction.INBOUND:
            secs = (event.at - call.created_at).total_seconds()
            self._to.answer.labels(call.carrier).observe(max(0.0, secs))

    def _turn(self, call: Call, event: TurnMeasured) -> None:
        if event.n == 0 and event.after_answer_ms is not None:
            self._to.first_words.observe(max(0, event.after_answer_ms) / 1000)
        if event.interrupted:
            self._to.interruptions.inc()
        if event.to != "caller":
            return
        self._to.response.labels(self._agent(call.agent)).observe(event.response_ms / 1000)
        took: Counts[tuple[str, str]] = Counts()
        for part in event.parts:
            owner = self._owner(part["owner"]) if part["kind"] == SERVICE else NONE
            took[self._name(part["stage"]), owner] += part["ms"]
        for labels, ms in took.items():
            self._to.stage.labels(*labels).observe(ms / 1000)

    def _error(self, kind: str) -> None:
        self._to.errors.labels(self._name(kind)).inc()

    def _failed_over(self, _: Call, event: ServiceFailedOver) -> None:
        self._to.failovers.labels(self._name(event.job), self._name(event.cause)).inc()

    def _dead_air(self, _: Call, event: DeadAirNoticed) -> None:
        self._to.dead_air.labels(self._name(event.stage), self._name(event.cause)).inc()

    def _call_is_over(self, call: Call) -> None:
        self._to.calls.labels(
            call.carrier, str(call.direction), self._agent(call.agent), str(outcome_of(call))
        ).inc()
        if call.answered_at is not None and call.ended_at is not None:
            self._to.call.observe(max(0.0, (call.ended_at - call.answered_at).total_seconds()))

    def _asked(self, asked: Asked) -> None:
        labels = asked.carrier, self._name(asked.what), self._name(asked.status)
        self._to.carrier_request.labels(*labels).observe(asked.secs)


def outcome_of(call: Call) -> Outcome | None:
    """What a call that has ended has achieved."""
    return achieved(
        call.events,
        state=call.state,
        direction=call.direction,
        ended_by=call.ended_by,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
    )
