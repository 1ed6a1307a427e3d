"""The calls that this process knows, in memory.

`default_store()` is shared by the bot and the web service; when both run in one process they see the same
calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from calls.call import Call, CallEvent
from carriers.carrier import Direction

DEFAULT_LIMIT = 1000


class CallStore:
    """The last calls, live ones always included.

    Parameters:
        limit: How many calls are kept. When there are more, those that ended are forgotten first, oldest
            first; a live call is never forgotten.
        clock: Where the times of events come from.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT, clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._limit = limit
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self._by_carrier: dict[tuple[str, str], Call] = {}

    def open(
        self,
        *,
        carrier: str,
        carrier_call_id: str,
        direction: Direction | str = Direction.INBOUND,
        from_number: str | None = None,
        to_number: str | None = None,
        agent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Call:
        """Get the call, or begin to remember it.

        A call that is known already learns what it did not know; what it knew stays.
        """
        call = self._by_carrier.get((carrier, carrier_call_id))
        if call is None:
            call = Call(
                carrier=carrier,
                carrier_call_id=carrier_call_id,
                direction=Direction(direction),
                from_number=from_number,
                to_number=to_number,
                agent=agent,
                parameters=dict(parameters or {}),
                clock=self._clock,
            )
            self._calls[call.id] = call
            self._by_carrier[carrier, carrier_call_id] = call
            self._forget_old()
            return call
        call.from_number = call.from_number or from_number
        call.to_number = call.to_number or to_number
        call.agent = call.agent or agent
        call.parameters = {**(parameters or {}), **call.parameters}
        return call

    def find(self, carrier: str, carrier_call_id: str) -> Call | None:
        """The call with a carrier's id; None when it is not known (any more)."""
        return self._by_carrier.get((carrier, carrier_call_id))

    def get(self, call_id: str) -> Call | None:
        """The call with our id or its carrier's; None when it is not known (any more)."""
        if call := self._calls.get(call_id):
            return call
        return next((call for (_, theirs), call in self._by_carrier.items() if theirs == call_id), None)

    def list(self, limit: int = 100) -> Sequence[Call]:
        """The last calls, newest first."""
        return list(reversed(self._calls.values()))[:limit]

    def record(self, call: Call, kind: str, **data: Any) -> CallEvent:
        """Append an event to a call and wake its subscribers."""
        return call.record(kind, **data)

    async def subscribe(self, call: Call) -> AsyncIterator[CallEvent]:
        """All events of a call, past ones first, then each as it happens, until the call has ended."""
        changed = asyncio.Event()
        stop = call.watch(changed.set)
        seen = 0
        try:
            while True:
                changed.clear()
                while seen < len(call.events):
                    seen += 1
                    yield call.events[seen - 1]
                # Not at the `ended` event itself: a call may have events after its end, such as `detached`.
                if call.is_over:
                    return
                await changed.wait()
        finally:
            stop()

    def _forget_old(self) -> None:
        too_many = len(self._calls) - self._limit
        if too_many <= 0:
            return
        for call in [call for call in self._calls.values() if call.is_over][:too_many]:
            del self._calls[call.id]
            del self._by_carrier[call.carrier, call.carrier_call_id]


@cache
def default_store() -> CallStore:
    """The store of this process."""
    return CallStore()
