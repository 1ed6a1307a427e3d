"""The service behind the routes: what HTTP and media sockets add to it, and what a route gets from a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, WebSocket
from pipecat.runner.types import WebSocketRunnerArguments
from starlette.requests import HTTPConnection

from carriers.carrier import WebhookRequest
from conversation.leftovers import Leftovers
from desk.api_keys import ApiKeys
from desk.call_addresses import ServerWayBack
from desk.draining import Drain
from desk.keys import deployment_secrets
from desk.service import Service
from web.deliveries import Deliveries
from web.health import Readiness
from web.rates import Guesses, Rates
from web.refusals import Refusals
from web.sessions import Sessions
from web.trust import Peer

RunBot = Callable[[WebSocketRunnerArguments], Awaitable[None]]


@dataclass
class ServerRunnerArguments(WebSocketRunnerArguments):
    """A media socket for the bot, on a server that takes the carrier's webhooks.

    Parameters:
        way_back: How the call comes back to the bot.
    """

    way_back: ServerWayBack | None = None


@dataclass(eq=False, kw_only=True)
class WebService(Service):
    """The running service, reached by HTTP and media sockets.

    Parameters:
        run_bot: Talks on one media socket until it is over.
        readiness: Whether calls would be answered at once.
        without_token: How many sockets are open of each call that came by a media socket alone, by the names of the
            carrier and of its call.
        deliveries: Signed webhooks that came in lately.
        refusals: What was turned down.
        live_sessions: How many media sockets the bot talks on.
        leftovers: Frees what ended sessions leave in memory.
        drain: Empties the service of calls before it stops.
        api_keys: The keys of the operator's people and programs.
        sessions: Those of them who are logged in with a browser.
        rates: How often each key was used lately.
        guesses: Who has given wrong keys at the login lately.
    """

    run_bot: RunBot
    readiness: Readiness
    without_token: dict[tuple[str, str], int] = field(default_factory=dict)
    deliveries: Deliveries = field(default_factory=Deliveries)
    refusals: Refusals = field(default_factory=Refusals)
    live_sessions: int = 0
    rates: Rates = field(default_factory=Rates)
    guesses: Guesses = field(default_factory=Guesses)

    def __post_init__(self) -> None:
        """Prepare what makes calls, and what frees memory."""
        super().__post_init__()
        self.leftovers = Leftovers(lambda: self.live_sessions > 0)
        self.drain = Drain(self, self.settings.drain_secs, self.settings.drain_notice_secs)
        self.api_keys = ApiKeys(self.settings)
        self.sessions = Sessions(self.api_keys, deployment_secrets(self.settings), self.public_url)

    @property
    def is_loading(self) -> bool:
        """Whether the warm-up goes on."""
        return self.readiness.is_warming_up

    @property
    def free(self) -> int:
        """How many calls of another process could be gone on with here; none unless this one is ready, and stays."""
        stays = self.readiness.reason is None and not self.drain.is_under_way
        return self.room.free if stays else 0

    async def aclose(self) -> None:
        """Stop, save the calls, and close the connections to the carriers."""
        self.leftovers.close()
        await super().aclose()


def service_of(connection: HTTPConnection) -> WebService:
    """The running service, for a request or a socket that came to it."""
    service: WebService = connection.app.state.service
    return service


async def the_service(connection: HTTPConnection) -> WebService:
    """`service_of` as a dependency of a route; `async`, as FastAPI would call a plain function in a thread."""
    return service_of(connection)


TheService = Annotated[WebService, Depends(the_service)]
"""The service, as a parameter of a route."""


def peer_of(connection: HTTPConnection) -> Peer:
    """The client at the other end of a connection, for `web.trust`."""
    server = connection.scope.get("server")
    return Peer(
        connection.client.host if connection.client else None,
        connection.headers,
        server[1] if server else None,
        connection.scope.get("http_version", "1.1"),
    )


def url_as_called(connection: HTTPConnection, service: WebService) -> str:
    """The address as the carrier was given it, still percent-encoded: signatures are over exactly that.

    Never made from the request's own Host header, which the sender can choose.
    """
    path = connection.scope.get("raw_path") or quote(connection.scope["path"]).encode()
    query = connection.scope.get("query_string", b"")
    url = service.public_url + path.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
    if connection.scope["type"] == "websocket":
        url = "ws" + url.removeprefix("http")
    return url


def upgrade_of(websocket: WebSocket, service: WebService) -> WebhookRequest:
    """A WebSocket upgrade, for checking its signature."""
    return WebhookRequest(url=url_as_called(websocket, service), headers=websocket.headers, method="GET")
