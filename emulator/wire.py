"""What goes over the wire between a carrier and a server, as it happens: for who watches a network.

Nothing is kept, and nothing is made where nobody watches: a call of two minutes has 12,000 media messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Channel = Literal["socket", "webhook", "rest"]


@dataclass(frozen=True)
class Sent:
    """A message, or a request before its answer.

    Attributes:
        number: Counts a network's messages; an `Answered` names its request by it.
        at: When, in seconds on the network's clock.
        channel: `socket` (a media socket), `webhook` (a request to the server: for a document, a callback, an event) or
            `rest` (a request of the server).
        to_server: Whether the carrier sends it.
        what: Method and path of a request; empty for a message on a socket.
        text: The body as it is on the wire; fields of a form a line each.
        call_id: The leg that it is about, or empty.
    """

    number: int
    at: float
    channel: Channel
    to_server: bool
    what: str
    text: str
    call_id: str = ""


@dataclass(frozen=True)
class Answered:
    """The answer to a request, or that there is none.

    Attributes:
        number: That of the request.
        at: When, in seconds on the network's clock.
        status: The HTTP status; 0 for no answer.
        text: The body, or why there is none.
        fault: What the network made go wrong with it, or empty.
    """

    number: int
    at: float
    status: int
    text: str
    fault: str = ""


Watcher = Callable[[Sent | Answered], None]
Tap = Callable[[bool, str | bytes], None]
"""Takes what goes over one socket, and whether the carrier sends it."""


class Wire:
    """Passes on what goes over the wire.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody watches."""
        self.watchers: list[Watcher] = []
        """Called with each message as it is sent."""
        self._clock = clock
        self._count = 0

    def sent(self, channel: Channel, to_server: bool, what: str, text: str, call_id: str = "") -> int:
        """Pass on a message or request; returns its number."""
        self._count += 1
        if self.watchers:
            self._tell(Sent(self._count, self._clock(), channel, to_server, what, text, call_id))
        return self._count

    def answered(self, number: int, status: int, text: str, fault: str = "") -> None:
        """Pass on what a request was answered."""
        if self.watchers:
            self._tell(Answered(number, self._clock(), status, text, fault))

    def tap(self, call_id: str) -> Tap:
        """What passes on the messages of one leg's media socket."""

        def passed(to_server: bool, raw: str | bytes) -> None:
            if self.watchers:
                text = f"({len(raw)} bytes)" if isinstance(raw, bytes) else raw
                self.sent("socket", to_server, "", text, call_id)

        return passed

    def _tell(self, one: Sent | Answered) -> None:
        for watcher in self.watchers:
            watcher(one)


def lines_of(fields: Mapping[str, str]) -> str:
    """The fields of a form, a line each."""
    return "\n".join(f"{name}={value}" for name, value in fields.items())
