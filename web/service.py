"""What the routers share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from fastapi import WebSocket
from pipecat.runner.types import WebSocketRunnerArguments
from starlette.requests import HTTPConnection

from calls.call import Call
from calls.control import CallControl
from calls.store import CallStore
from carriers import carrier_for, known_carriers
from carriers.carrier import Carrier, WebhookRequest
from settings import Settings
from web.health import Readiness
from web.tokens import StreamTokens
from web.trust import Peer

RunBot = Callable[[WebSocketRunnerArguments], Awaitable[None]]


class SeenIds:
    """Recognises what was delivered before.

    Parameters:
        limit: How many ids are remembered; repeated deliveries come within minutes.
    """

    def __init__(self, limit: int = 4096):
        self._limit = limit
        self._ids: dict[str, None] = {}

    def seen(self, event_id: str) -> bool:
        """Whether this id was asked about before."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]
        return False


@dataclass(eq=False)
class Service:
    """The running service.

    Parameters:
        settings: What the operator configured.
        public_url: The base that carriers call, without a slash at its end.
        store: The calls.
        tokens: Tickets for media sockets.
        run_bot: Talks on one media socket until it is over.
        readiness: Whether calls would be answered at once.
        sockets: The open media sockets by our call id.
        events_seen: Ids of webhooks that carriers number.
    """

    settings: Settings
    public_url: str
    store: CallStore
    tokens: StreamTokens
    run_bot: RunBot
    readiness: Readiness
    sockets: dict[str, set[WebSocket]] = field(default_factory=dict)
    events_seen: SeenIds = field(default_factory=SeenIds)
    _carriers: dict[str, Carrier | None] = field(default_factory=dict)

    def control(self, call: Call) -> CallControl:
        """What may be done to a call."""
        return CallControl(call, self._carrier(call.carrier), self.store)

    async def prepare(self) -> None:
        """Load what hanging up needs, for the carriers that have credentials."""
        for name in known_carriers():
            if carrier := self._carrier(name):
                await carrier.prepare()

    async def close_sockets(self, call: Call) -> int:
        """Close a call's media sockets, which makes the carrier go on with its next instruction.

        Returns:
            How many there were.
        """
        sockets = list(self.sockets.get(call.id, ()))
        for websocket in sockets:
            with suppress(RuntimeError):
                await websocket.close()
        return len(sockets)

    def stream_url(self, carrier: str, token: str) -> str:
        """The address of a call's media socket; `ws://` only when PUBLIC_URL is `http://`, as on a laptop."""
        scheme, _, rest = self.public_url.partition("://")
        return f"{'ws' if scheme == 'http' else 'wss'}://{rest}/ws/{carrier}/{quote(token, safe='')}"

    async def aclose(self) -> None:
        """Close the connections to the carriers."""
        for carrier in self._carriers.values():
            if carrier is not None:
                await carrier.aclose()

    def _carrier(self, name: str) -> Carrier | None:
        if name not in self._carriers:
            self._carriers[name] = carrier_for(name, self.settings)
        return self._carriers[name]


def service_of(connection: HTTPConnection) -> Service:
    """The service that a request or a socket came to."""
    service: Service = connection.app.state.service
    return service


def peer_of(connection: HTTPConnection) -> Peer:
    """Who is at the other end."""
    return Peer(connection.client.host if connection.client else None, connection.headers)


def url_as_called(connection: HTTPConnection, service: Service) -> str:
    """The address as the carrier was given it, still percent-encoded: signatures are over exactly that.

    Never made from the request's own Host header, which anybody can write.
    """
    path = connection.scope.get("raw_path") or quote(connection.scope["path"]).encode()
    query = connection.scope.get("query_string", b"")
    url = service.public_url + path.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
    if connection.scope["type"] == "websocket":
        url = "ws" + url.removeprefix("http")
    return url


def upgrade_of(websocket: WebSocket, service: Service) -> WebhookRequest:
    """A WebSocket upgrade, for checking its signature."""
    return WebhookRequest(url=url_as_called(websocket, service), headers=websocket.headers, method="GET")
