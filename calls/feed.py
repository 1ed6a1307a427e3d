"""Tells listeners in this process of each event of each call, as it happens: metrics, traces and pages hang on it."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakSet

from loguru import logger

from calls.call import Call
from calls.events.event import CallEvent

Listener = Callable[[Call, CallEvent], None]
"""Gets a call and what has happened on it, in the thread of the calls. It must not take long, and not wait.

An event that another process has recorded has `stored`; one of this process has none. Who counts over several processes
counts those of their own alone.
"""


class Feed:
    """Tells of the events of all calls that a store remembers."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._watched: WeakSet[Call] = WeakSet()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a function told of each event from now on.

        An error in it is logged, and harms neither the call nor other listeners.

        Returns:
            A function that stops it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def begun(self, call: Call) -> None:
        """Tell of the first events of a call that has just begun."""
        for event in list(call.arrived):
            self._tell(call, event)

    def watch(self, call: Call) -> None:
        """Tell of the further events of a call."""
        if call in self._watched:
            return
        self._watched.add(call)
        seen = len(call.arrived)

        def look() -> None:
            nonlocal seen
            news, seen = call.arrived[seen:], len(call.arrived)
            for event in news:
                self._tell(call, event)

        call.watch(look)

    def _tell(self, call: Call, event: CallEvent) -> None:
        for listener in list(self._listeners):
            try:
                listener(call, event)
            except Exception as error:
                logger.opt(exception=error).error("A listener to events failed: {}", type(error).__name__)
