"""How many calls this process has, and whether it takes another one. Running calls come first.

A call that is let in has a place from its first webhook to its end. A place is free again when the carrier says that
the call is over, and also when nothing is heard of it: no media socket for a while, or a hang-up that nobody confirms.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calls.call import Call
from calls.errors import NotDone
from calls.message_box import LONGEST_SECS
from calls.states import CallState
from carriers.carrier import Direction
from carriers.dialling import RING_SECS
from desk.load import Load

DRAINING = "draining"
FULL = "full"
BUSY = "busy"
"""Why no call is taken; see `Room.reason`."""

ANY_NUMBER = 1000
"""How many calls a process has room for that takes any number."""

WITHOUT_SOCKET_SECS = 15.0
"""How long a call without a media socket keeps its place: carriers open the first one within 2 s, and another one for a
caller who lost theirs as soon as they have asked."""

ENDING_SECS = 3.0
"""The same for a call that we have ended: the carrier may ask for a last document, and reports the end."""

RINGS_SECS = RING_SECS[-1] + 30.0
"""How long a call of ours may ring."""

SEEN_OUT_SECS = LONGEST_SECS + 60.0
"""How long a caller who leaves a message may be on the line: they hear a sentence before, and one behind it."""

WITH_PEOPLE = (CallState.TRANSFERRING, CallState.TRANSFERRED)
"""States without a socket, in which the carrier asks us what comes next."""


class NoRoom(NotDone):
    """No further call is taken now.

    Parameters:
        reason: `DRAINING`, `FULL` or `BUSY`.
        retry_secs: When to ask again.
    """

    def __init__(self, reason: str):
        """Say why, and what to do."""
        texts = {
            DRAINING: "the service is being stopped: ask another one, or the next one in a minute",
            FULL: "as many calls as MAX_CALLS allows are running: try again when one has ended",
            BUSY: "the machine is too busy for another call: try again in a moment",
        }
        super().__init__(texts[reason])
        self.reason = reason
        self.retry_secs = 60 if reason == DRAINING else 10


@dataclass
class _Place:
    call: Call
    seen: float


class Room:
    """The places of a process.

    Parameters:
        max_calls: How many calls may run; 0 for any number, and then nobody is turned away for a busy machine either.
        has_socket: Whether a call, by our id, has an open media socket here.
        media_elsewhere: Whether media sockets open elsewhere, so that their absence says nothing.
        load: How busy the process is.
        clock: Monotonic time in seconds.
        draining: Whether new calls are sent away because the service is to stop.
        drained_by: Who of the operator's people has asked for that; None when nobody has, or another process was asked.
        turned_away: How many calls were, by reason.
    """

    def __init__(
        self,
        max_calls: int,
        has_socket: Callable[[str], bool],
        *,
        media_elsewhere: bool = False,
        load: Load | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.max_calls = max_calls
        self.draining = False
        self.drained_by: str | None = None
        self.turned_away: Counter[str] = Counter()
        self._has_socket = has_socket
        self._media_elsewhere = media_elsewhere
        self._load = load
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._leaving: dict[str, _Place] = {}
        self._guests = 0

    @property
    def reason(self) -> str | None:
        """Why no further call is taken: `DRAINING`, `FULL` or `BUSY`; None when one is."""
        if self.draining:
            return DRAINING
        if not self.max_calls:
            return None
        taken = self.taken
        if taken >= self.max_calls:
            return FULL
        # Where no call suffers from it, a slow answer is better than none.
        return BUSY if taken and self._load is not None and self._load.is_high else None

    @property
    def free(self) -> int:
        """How many further calls are taken."""
        if self.reason is not None:
            return 0
        return self.max_calls - self.taken if self.max_calls else ANY_NUMBER

    @property
    def taken(self) -> int:
        """How many calls run."""
        return len(self.running) + self._guests

    @property
    def awaited(self) -> int:
        """How many calls a service waits for that is to stop: those that run, and those that `see_out` was told of."""
        earliest = self._clock() - SEEN_OUT_SECS
        for call_id, place in list(self._leaving.items()):
            if place.call.is_over or place.seen < earliest:
                del self._leaving[call_id]
        return self.taken + len(self._leaving)

    @property
    def running(self) -> list[Call]:
        """The calls that have a place."""
        self._clear()
        return [place.call for place in self._places.values()]

    def check(self) -> None:
        """Do nothing if a further call may begin.

        Raises:
            NoRoom: None may.
        """
        if (reason := self.reason) is not None:
            self.turned_away[reason] += 1
            raise NoRoom(reason)

    def take(self, call: Call) -> None:
        """Give a call a place, or note that something was heard of it; a running call gets one in any case."""
        self._clear()  # also where calls are never counted, as there is room for any number
        self._places[call.id] = _Place(call, self._clock())

    def see_out(self, call: Call) -> None:
        """Note a caller who is not taken, but leaves a message: they have no place, and are waited for all the same."""
        self._leaving[call.id] = _Place(call, self._clock())

    @contextmanager
    def guest(self) -> Iterator[None]:
        """A place for something that is no known call yet: one that is being dialled, or a socket."""
        self._guests += 1
        try:
            yield
        finally:
            self._guests -= 1

    @contextmanager
    def session(self, find: Callable[[], Call | None]) -> Iterator[None]:
        """A place for the call of a media socket, as long as the socket is open and for a while after it.

        Args:
            find: Looks for the call; it may not be known before the socket's first messages.
        """
        call = find()
        if call is not None and call.id in self._places:
            yield
        else:
            with self.guest():
                yield
        if (call := find()) is not None:
            self.take(call)

    def _clear(self) -> None:
        now = self._clock()
        for call_id, place in list(self._places.items()):
            if not self._holds(place, now):
                del self._places[call_id]

    def _holds(self, place: _Place, now: float) -> bool:
        call = place.call
        if self._has_socket(call.id):
            return True
        if call.is_over:
            return False
        if call.state in WITH_PEOPLE or self._media_elsewhere:
            return True
        if call.ending is not None:
            return now - place.seen < ENDING_SECS
        rings = call.direction is Direction.OUTBOUND and call.answered_at is None
        return now - place.seen < (RINGS_SECS if rings else WITHOUT_SOCKET_SECS)
