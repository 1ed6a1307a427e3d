"""What the routers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import WebSocket
from loguru import logger
from pipecat.runner.types import WebSocketRunnerArguments
from starlette.requests import HTTPConnection

from calls.call import Call
from calls.cloud_media import cloud_media_of
from calls.control import CallControl
from calls.database.calls import DatabaseError
from calls.dialling import Dialler
from calls.reconcile import Reconciler
from calls.store import CallStore
from carriers import carrier_for, descriptors
from carriers.carrier import Carrier, WebhookRequest
from desk.addresses import CloudWayBack, ServerWayBack
from desk.dial_requests import policy_of
from desk.keys import AddressKeys
from desk.tokens import StreamTokens
from settings import Settings
from web.deliveries import Deliveries
from web.health import Readiness
from web.leftovers import Leftovers
from web.refusals import Refusals
from web.trust import Peer

RunBot = Callable[[WebSocketRunnerArguments], Awaitable[None]]


@dataclass
class ServerRunnerArguments(WebSocketRunnerArguments):
    """A media socket for the bot, on a server that takes the carrier's webhooks.

    Parameters:
        way_back: How the call comes back to the bot.
    """

    way_back: ServerWayBack | None = None


class SeenIds:
    """Recognises what was delivered before.

    Parameters:
        limit: How many ids are remembered; repeated deliveries come within minutes.
    """

    def __init__(self, limit: int = 4096):
        self._limit = limit
        self._ids: dict[str, None] = {}

    def forget(self, event_id: str) -> None:
        """Take an id for new again: what it stood for could not be dealt with."""
        self._ids.pop(event_id, None)

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
        keys: The secret parts of addresses.
        run_bot: Talks on one media socket until it is over.
        readiness: Whether calls would be answered at once.
        sockets: The open media sockets by our call id.
        without_token: How many sockets are open of each call that came by a media socket alone, by the names of the
            carrier and of its call.
        events_seen: Ids of webhooks that carriers number.
        deliveries: Signed webhooks that came in lately.
        refusals: What was turned down.
        live_sessions: How many media sockets the bot talks on.
        dialler: Makes calls.
        do_not_call: Who asked not to be called.
        cloud_media: Tickets for media sockets on Pipecat Cloud; None where the media comes to us.
    """

    settings: Settings
    public_url: str
    store: CallStore
    tokens: StreamTokens
    keys: AddressKeys
    run_bot: RunBot
    readiness: Readiness
    sockets: dict[str, set[WebSocket]] = field(default_factory=dict)
    without_token: dict[tuple[str, str], int] = field(default_factory=dict)
    events_seen: SeenIds = field(default_factory=SeenIds)
    deliveries: Deliveries = field(default_factory=Deliveries)
    refusals: Refusals = field(default_factory=Refusals)
    live_sessions: int = 0
    _carriers: dict[tuple[str, str], Carrier | None] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Prepare what makes calls."""
        policy = policy_of(self.settings)
        self.do_not_call = policy.do_not_call
        self.dialler = Dialler(self.store, policy)
        self.cloud_media = cloud_media_of(self.settings)
        self.leftovers = Leftovers(lambda: self.live_sessions > 0)

    def start(self) -> None:
        """Begin to keep calls in the database, and to ask about those that nobody hears of."""
        self.later(self._look_after_calls(), "looking after calls")

    async def _look_after_calls(self) -> None:
        try:
            await self.store.start()
        except DatabaseError as error:
            # Calls are answered nevertheless.
            logger.error("Calls are kept in memory only, until the database can be used: {}", error)
        await Reconciler(self.store, self.carrier).run()

    def control(self, call: Call, way_back: ServerWayBack | None = None) -> CallControl:
        """What may be done to a call; with `way_to_bot()`, also what connects it with the bot."""
        return CallControl(
            call,
            self.carrier(call),
            self.store,
            way_back=way_back or self.way_back,
            do_not_call=self.do_not_call,
        )

    async def prepare(self) -> None:
        """Load what hanging up needs, for the carriers that have credentials."""
        for one in descriptors():
            if carrier := self.carrier_named(one.name, one.dialling_mode(self.settings)):
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

    @property
    def way_back(self) -> ServerWayBack:
        """The addresses that carriers are given; the media's may be on Pipecat Cloud."""
        if self.cloud_media is None:
            return ServerWayBack(self.public_url, self.tokens, self.keys)
        return CloudWayBack(
            self.public_url, self.tokens, self.keys, self.cloud_media, self.settings.shared_secret
        )

    def later(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something after the request that asked for it was answered: carriers wait for 2 s only."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.opt(exception=error).error("{} failed: {}", task.get_name(), type(error).__name__)

    async def aclose(self) -> None:
        """Stop what goes on in the background, save the calls, and close the connections to the carriers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.leftovers.close()
        await self.dialler.aclose()
        if not await self.store.aclose():
            logger.error("The last events of some calls could not be saved: the database takes too long")
        for carrier in self._carriers.values():
            if carrier is not None:
                await carrier.aclose()

    def carrier(self, call: Call) -> Carrier | None:
        """The carrier of a call, or None when there are no credentials for it."""
        return self.carrier_named(call.carrier, call.mode)

    def carrier_named(self, name: str, mode: str) -> Carrier | None:
        """A carrier for calls of one of its modes, or None when there are no credentials for it."""
        if (name, mode) not in self._carriers:
            self._carriers[name, mode] = carrier_for(name, self.settings, mode)
        return self._carriers[name, mode]


def service_of(connection: HTTPConnection) -> Service:
    """The service that a request or a socket came to."""
    service: Service = connection.app.state.service
    return service


async def the_service(connection: HTTPConnection) -> Service:
    """The same as a dependency of a route: for a plain function FastAPI would go to a thread and back."""
    return service_of(connection)


def peer_of(connection: HTTPConnection) -> Peer:
    """Who is at the other end."""
    server = connection.scope.get("server")
    return Peer(
        connection.client.host if connection.client else None,
        connection.headers,
        server[1] if server else None,
        connection.scope.get("http_version", "1.1"),
    )


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
