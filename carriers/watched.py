"""Tells whoever wants to know of each request to a carrier's REST interface: how long it took, and what came of it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from loguru import logger

from carriers.errors import CarrierError


@dataclass(frozen=True)
class Asked:
    """A request that was sent.

    Parameters:
        carrier: Name of the carrier.
        what: What was asked for, as `what_is_asked` says: no address, and nothing of the request's.
        status: `ok`, or the kind of error such as `rejected` or `unavailable`; `cancelled` when nobody waited for it.
        secs: How long it took, in seconds.
    """

    carrier: str
    what: str
    status: str
    secs: float


Watcher = Callable[[Asked], None]

_watchers: list[Watcher] = []


def watch_requests(watcher: Watcher) -> Callable[[], None]:
    """Have a function told of each request of this process.

    Returns:
        A function that stops it.
    """
    _watchers.append(watcher)
    return lambda: _watchers.remove(watcher)


@contextmanager
def watched(carrier: str, what: str) -> Iterator[None]:
    """Around one request that is sent.

    Args:
        carrier: Name of the carrier.
        what: What is asked for.
    """
    status, began = "cancelled", time.monotonic()
    try:
        yield
        status = "ok"
    except CarrierError as error:
        status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removeprefix("Carrier")).lower()
        raise
    finally:
        asked = Asked(carrier, what, status, time.monotonic() - began)
        for watcher in list(_watchers):
            try:
                watcher(asked)
            except Exception as error:
                logger.error("A request could not be counted: {}", type(error).__name__)


def what_is_asked() -> str:
    """Which method of a carrier's this is in, by the name that the program outside of `carriers` has called it by.

    Several of them send their requests by the same function, which is where times are taken. Who awaits whom is on the
    stack while a coroutine runs.
    """
    what = "other"
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("carriers."):
        name = frame.f_code.co_name
        if not name.startswith(("_", "<")):
            what = name
        frame = frame.f_back
    return what
