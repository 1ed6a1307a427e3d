"""One HTTP client for the tools of all calls, so that a call's request finds a connection that is open already."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakKeyDictionary

import httpx

TIMEOUT = httpx.Timeout(5.0, connect=3.0)
"""How long a request may take to connect, and then between two pieces of the answer: a caller is waiting."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


def shared_client() -> httpx.AsyncClient:
    """The client of this event loop. It follows no redirects, and is not to be closed."""
    loop = asyncio.get_running_loop()
    if loop not in _clients or _clients[loop].is_closed:
        # Its own lines have whole addresses in them, with what callers said and perhaps a key.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        _clients[loop] = httpx.AsyncClient(timeout=TIMEOUT)
    return _clients[loop]
