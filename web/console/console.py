"""What the console has of the service, beside its pages."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated
from weakref import WeakValueDictionary

from fastapi import Depends, Request

from calls.call import Call
from calls.searching import Filters
from carriers.checks import Addresses, Finding
from web.console.board import MOST_CALLS, Board
from web.console.call_watch import CallWatch
from web.web_service import WebService

COUNTED_SECS = 2.0
"""How long the number of live calls in the head of a page may be old."""


LINK_SECS = 600.0
"""How long the link for the first login is good."""


@dataclass(frozen=True)
class Sources:
    """What `server.py` gives the console, as pages know nothing of the deployment.

    Parameters:
        examine: Looks at everything as the doctor does. Gets whether to ask no service outside this machine.
        addresses: What is to be entered at the carriers, by their names.
        not_set: The subject of the finding that only lists settings whose defaults count.
    """

    examine: Callable[[bool], Awaitable[Sequence[Finding]]]
    addresses: Callable[[], Mapping[str, Addresses]]
    not_set: str


class Link:
    """A link that lets somebody log in without a key, once, for some minutes; it is printed at the start of the server.

    Parameters:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._secret = ""
        self._until = 0.0

    def make(self) -> str:
        """Another link; the one before is good no more."""
        self._secret, self._until = secrets.token_urlsafe(32), self._clock() + LINK_SECS
        return self._secret

    def is_good(self, given: str) -> bool:
        """Whether this is the link."""
        right = hmac.compare_digest(given.encode("utf-8", "replace"), self._secret.encode())
        return right and bool(self._secret) and self._clock() < self._until

    def take(self, given: str) -> bool:
        """Use it up; tells whether it was good."""
        good = self.is_good(given)
        if good:
            self._secret = ""
        return good


@dataclass
class Console:
    """The console of a service.

    Parameters:
        service: The service.
        sources: What it knows of the deployment.
        board: The calls that go on.
        link: Lets somebody on this machine log in while there is no key.
    """

    service: WebService
    sources: Sources
    board: Board = field(init=False)
    link: Link = field(init=False, default_factory=Link)
    _watched: WeakValueDictionary[str, CallWatch] = field(init=False, default_factory=WeakValueDictionary)
    _counted: tuple[float, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make the board."""
        self.board = Board(self.service)

    def lines(self) -> list[str]:
        """What is printed at the start."""
        settings = self.service.settings
        at = f"http://127.0.0.1:{settings.port}/console/"
        if self.service.api_keys.good():
            return [f"Console: {settings.public_url or at.removesuffix('/console/')}/console/"]
        minutes = round(LINK_SECS / 60)
        return [
            f"Console: {at}login?link={self.link.make()} (on this machine, once, within {minutes} minutes; without "
            "it, set API_KEY)"
        ]

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
