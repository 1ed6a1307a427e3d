"""What the console has of the service, beside its pages."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from calls.call import Call
from calls.searching import Filters
from carriers.checks import Addresses, Finding
from web.console.board import MOST_CALLS, Board
from web.console.call_watch import CallWatch
from web.web_service import WebService

COUNTED_SECS = 2.0
"""How long the number of live calls in the head of a page may be old."""


@dataclass(frozen=True)
class Sources:
    """What `server.py` gives the console, as pages know nothing of the deployment.

    Parameters:
        examine: Looks at everything as the doctor does. Gets whether to ask no service outside this machine.
        addresses: What is to be entered at the carriers, by their names.
    """

    examine: Callable[[bool], Awaitable[Sequence[Finding]]]
    addresses: Callable[[], Mapping[str, Addresses]]


@dataclass
class Console:
    """The console of a service.

    Parameters:
        service: The service.
        sources: What it knows of the deployment.
        board: The calls that go on.
    """

    service: WebService
    sources: Sources
    board: Board = field(init=False)
    _watched: dict[str, CallWatch] = field(init=False, default_factory=dict)
    _counted: tuple[float, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make the board."""
        self.board = Board(self.service)

    def watched(self, call: Call) -> CallWatch:
        """A call whose page somebody looks at."""
        found = self._watched.get(call.id)
        if found is None:
            found = self._watched[call.id] = CallWatch(
                self.service.store, call, lambda: self._watched.pop(call.id, None)
            )
        return found

    async def live_calls(self) -> int:
        """How many calls go on, in all processes; two seconds old at most."""
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] > COUNTED_SECS:
            found = await self.service.store.looking.find(Filters(live=True), MOST_CALLS)
            self._counted = now, len(found.records)
        return self._counted[1]


def console_of(request: Request) -> Console:
    """The console that a request came to."""
    console: Console = request.app.state.console
    return console


async def _the_console(request: Request) -> Console:
    return console_of(request)


TheConsole = Annotated[Console, Depends(_the_console)]
"""The console, as a parameter of a route."""
