"""Connections that are open before a call needs them.

Two things cost a call a handshake, a tenth of a second and more: a voice's WebSocket, and the first request of a model.

* Requests of one process share one HTTP client (`shared_http_client`), so the next call finds the connection of the one
  before it. It also takes 16 ms of the event loop to make a client, for the certificates that it reads.
* With `PRECONNECT`, that many WebSockets of a voice wait for the next calls (`Spares`). Only voices are kept so whose
  providers let a connection wait and bill nothing for it; recognisers close one that hears nothing, or bill its time.
  A connection is replaced well before its provider would close it.

What an address is, and what belongs to a handshake, is learned from the first call.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from pipecat.services.tts_service import WebsocketTTSService
from pipecat.services.websocket_service import WebsocketService
from pipecat.utils.http import connection_limits
from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

IDLE_SECS = {"CartesiaTTSService": 120.0, "ElevenLabsTTSService": 20.0}
"""How long a connection may wait, by Pipecat's class for a voice: no longer than the provider lets it. Sources:
docs.cartesia.ai, "Concurrency and WebSocket limits"; help.elevenlabs.io, "How can I keep the WebSocket open?"."""

RENEWED_AT = 0.75
"""After this part of that time a connection is replaced."""

FORGOTTEN_SECS = 3600.0
"""Nothing waits any more for an agent that nobody has called for this long."""

KEEP_ALIVE_SECS = 55.0
"""How long a connection of the HTTP client waits for another request; proxies close theirs after a minute."""

OPENING_SECS = 5.0
AGAIN_SECS = 30.0
"""How long after a connection could not be opened it is tried again. A call opens its own meanwhile."""

Open = Callable[[], Awaitable[ClientConnection]]


class Spares:
    """Open connections to one address."""

    def __init__(self, open_one: Open, count: int, idle_secs: float):
        """Keep none yet.

        Args:
            open_one: Opens one.
            count: How many wait.
            idle_secs: How long the provider lets one wait.
        """
        self._open = open_one
        self._count = count
        self._renew_secs = idle_secs * RENEWED_AT
        self._waiting: deque[tuple[float, ClientConnection]] = deque()
        self._wanted_at = 0.0
        self._taken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    def take(self) -> ClientConnection | None:
        """Return one that can be used, and see to the next; None where a call must open its own."""
        now = asyncio.get_running_loop().time()
        self._wanted_at = now
        self._taken.set()
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(), name="spare connections")
        while self._waiting:
            opened_at, connection = self._waiting.popleft()
            if connection.state is State.OPEN and now - opened_at < self._renew_secs + 1:
                return connection
            _close_later(connection)
        return None

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while clock() - self._wanted_at < FORGOTTEN_SECS:
                self._taken.clear()
                failed = not await self._fill(clock)
                next_secs = AGAIN_SECS if failed else self._renew_secs
                if self._waiting and not failed:
                    next_secs = max(0.1, self._waiting[0][0] + self._renew_secs - clock())
                with suppress(TimeoutError):
                    async with asyncio.timeout(next_secs):
                        await self._taken.wait()
                if failed:
                    await asyncio.sleep(1)  # calls that come one after the other do not ask in a loop
        finally:
            while self._waiting:
                self._waiting.pop()[1].transport.abort()

    async def _fill(self, clock: Callable[[], float]) -> bool:
        while True:
            for old in [one for one in self._waiting if one[1].state is not State.OPEN]:
                self._waiting.remove(old)
            fresh = [one for one in self._waiting if clock() - one[0] < self._renew_secs]
            if len(fresh) >= self._count:
                while len(self._waiting) > self._count:
                    _close_later(self._waiting.popleft()[1])
                return True
            try:
                async with asyncio.timeout(OPENING_SECS):
                    connection = await self._open()
            except Exception:  # whatever the network or a provider does; the call that needs one reports it
                return False
            self._waiting.append((clock(), connection))


_closing: set[asyncio.Task[None]] = set()


def _close_later(connection: ClientConnection) -> None:
    task = asyncio.create_task(connection.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


class _Opener(WebsocketService):
    """Opens connections as Pipecat's services do, with their bounds, and belongs to no call."""

    async def open(self, uri: str, **arguments: Any) -> ClientConnection:
        connection: ClientConnection = await self._websocket_connect(uri, **arguments)
        return connection

    async def _connect_websocket(self) -> None: ...

    async def _disconnect_websocket(self) -> None: ...

    async def _receive_messages(self) -> None: ...


_spares: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Spares]] = WeakKeyDictionary()


class TakesSpares(WebsocketTTSService):
    """Takes a connection that is open already, where there is one."""

    preconnect = 0
    idle_secs = 0.0

    async def _websocket_connect(self, uri: str, **arguments: Any) -> Any:
        spares = _spares.setdefault(asyncio.get_running_loop(), {})
        address = repr((uri, sorted(arguments.items())))
        if address not in spares:
            opener = _Opener()
            spares[address] = Spares(lambda: opener.open(uri, **arguments), self.preconnect, self.idle_secs)
        return spares[address].take() or await super()._websocket_connect(uri, **arguments)


def that_takes_spares(cls: Any, preconnect: int) -> Any:
    """A voice's class that takes connections which wait for it; the class as it is where the provider lets none wait.

    Args:
        cls: A hosted voice.
        preconnect: How many connections wait.
    """
    idle_secs = IDLE_SECS.get(cls.__name__)
    if not preconnect or idle_secs is None:
        return cls
    return type(cls.__name__, (TakesSpares, cls), {"preconnect": preconnect, "idle_secs": idle_secs})


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = WeakKeyDictionary()


def shared_http_client(library: str = "openai") -> Any:
    """The HTTP client that services of this process share; what a request may take is each service's own matter.

    Args:
        library: The vendor's library that makes it: `openai`, or one that was generated alike.

    Returns:
        The client of the running loop; None where none runs, and the library makes its own.
    """
    try:
        clients = _clients.setdefault(asyncio.get_running_loop(), {})
    except RuntimeError:
        return None
    if library not in clients:
        limits = connection_limits(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE_SECS
        )
        clients[library] = importlib.import_module(library).DefaultAsyncHttpxClient(limits=limits)
    return clients[library]
