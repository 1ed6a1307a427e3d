"""Signed requests that were seen before: what can be done twice with one, and what not.

Some carriers sign a time and the body. The signature says neither for which address a request is, nor that it is new:
an attacker who got hold of one could send it to another route, or again, for as long as its time is taken for the
present (300 s). So what was signed is remembered for that long:

* At another address it is refused.
* At the same address it is taken for the carrier asking again, which never is an error: a callback is answered, and
  changes nothing; events are recognised by their ids besides; a request for instructions gets the document that it got
  before, with the same token in it, which opens one media socket.

A request whose address has a secret part needs none of this: a sender who knows the address could as well send
anything.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from carriers.carrier import SIGNED_TIME_SECS

KEPT_SECS = 2 * SIGNED_TIME_SECS
"""A time may lie that far ahead, and is believed for as long again."""

LIMIT = 20_000
"""How many are remembered; each is some hundred bytes."""


@dataclass
class Delivery:
    """Something signed that came in.

    Parameters:
        content_id: Stands for what was signed.
        where: Stands for the address that it came to first.
        until: How long it is remembered, on the clock of `Deliveries`.
        document: The answer to it, once there is one.
    """

    content_id: str
    where: str
    until: float
    document: str | None = None


class Deliveries:
    """Remembers what was signed, in this process.

    Parameters:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._seen: dict[str, Delivery] = {}

    def take(self, content: bytes, address: str) -> Delivery:
        """The first delivery of what was signed, which is this one if it is new.

        Args:
            content: What the signature is over.
            address: Path and query that it came to.
        """
        now = self._clock()
        # The oldest come first.
        while self._seen and (len(self._seen) >= LIMIT or next(iter(self._seen.values())).until < now):
            del self._seen[next(iter(self._seen))]
        content_id = digest(content)
        return self._seen.setdefault(
            content_id, Delivery(content_id, digest(address.encode()), now + KEPT_SECS)
        )


def digest(content: bytes) -> str:
    """What stands for something that is not to be kept itself."""
    return hashlib.sha256(content).hexdigest()
