"""Tells whoever wants to know of each request to a carrier's REST interface: how long it took, and what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loguru import logger

from carriers.errors import CarrierError


@dataclass(frozen=True)
class Asked:
    """A request that was sent.

    Parameters:
        carrier: Name of the carrier.
        what: What was asked for, by the name of the method that did: no address, and nothing of the request's.
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
def watched(carrier: str, request: Callable[..., Any]) -> Iterator[None]:
    """Around one request that is sent.

    Args:
        carrier: Name of the carrier.
        request: What sends it, whose own name says where it was written.
    """
    status, began = "cancelled", time.monotonic()
    try:
        yield
        status = "ok"
    except CarrierError as error:
        status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removeprefix("Carrier")).lower()
        raise
    finally:
        asked = Asked(carrier, _what(request), status, time.monotonic() - began)
        for watcher in list(_watchers):
            try:
                watcher(asked)
            except Exception as error:
                logger.error("A request could not be counted: {}", type(error).__name__)


def _what(request: Callable[..., Any]) -> str:
    """The method that a function was written in: `hang_up` of `Calls.hang_up.<locals>.<lambda>`."""
    name = getattr(request, "__qualname__", "").partition(".<locals>")[0].rpartition(".")[2]
    return name.strip("_") or "other"
