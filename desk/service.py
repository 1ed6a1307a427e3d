"""What all functions of the desk need: the calls, the carriers, and the addresses that we give to carriers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, Self

from loguru import logger

from calls.call import Call
from calls.call_backs import CallBacks
from calls.cloud_media import cloud_media_of
from calls.control import CallControl
from calls.database.call_database import DatabaseError
from calls.database.processes import Command
from calls.dialler import Dialler
from calls.reconcile import Reconciler
from calls.store import CallStore
from carriers import carrier_for, descriptor_of, descriptors
from carriers.carrier import MARKUP, Carrier
from carriers.streams import Meanwhile
from conversation.telling import sender_of
from desk.call_addresses import CloudWayBack, ServerWayBack
from desk.calling_back import call_back
from desk.capacity import capacity_of
from desk.deriving import derive_old_calls
from desk.dial_requests import policy_of
from desk.keys import AddressKeys
from desk.listening_port import ListeningPort
from desk.load import Load, cores
from desk.meanwhile import words_meanwhile
from desk.offering import offer_room
from desk.retention import forget_daily
from desk.room import Room
from desk.tokens import StreamTokens
from settings import Settings


class MediaSocket(Protocol):
    """A media socket, as far as it matters here."""

    async def close(self) -> None:
        """Close it.

        Raises:
            RuntimeError: It is closed already.
        """
        ...


class SeenIds:
    """Recognises what was delivered before.

    Parameters:
        limit: How many ids are remembered; repeated deliveries come within minutes.
    """

    def __init__(self, limit: int = 4096):
        self._limit = limit
        self._ids: dict[str, None] = {}

    def forget(self, event_id: str) -> None:
        """Take an id for new again, because what was delivered could not be dealt with."""
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
    """The running service, whatever face it has.

    Parameters:
        settings: What the operator configured.
        public_url: The base that carriers call, without a slash at its end.
        store: The calls.
        tokens: Tickets for media sockets.
        keys: The secret parts of addresses.
        sockets: The open media sockets by our call id.
        events_seen: Ids of events that carriers number.
        dialler: Makes calls.
        dial_policy: Which numbers may be called, and how often.
        do_not_call: The numbers whose owners asked not to be called.
        call_backs: Callers for whom there was no room and who are to be called back.
        cloud_media: Tickets for media sockets on Pipecat Cloud; None where the media comes to us.
        listening_port: Where other processes of this machine get what is said on calls, for people who listen in.
        load: How busy this process is.
        room: How many calls there are, and whether another one is taken.
    """

    settings: Settings
    public_url: str
    store: CallStore
    tokens: StreamTokens
    keys: AddressKeys
    sockets: dict[str, set[MediaSocket]] = field(default_factory=dict)
    events_seen: SeenIds = field(default_factory=SeenIds)
    _carriers: dict[tuple[str, str], Carrier | None] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Prepare what makes calls."""
        policy = policy_of(self.settings)
        self.dial_policy = policy
        self.do_not_call = policy.do_not_call
        self.call_backs = CallBacks(self.store)
        self.dialler = Dialler(self.store, policy)
        self.cloud_media = cloud_media_of(self.settings)
        self.listening_port = ListeningPort()
        self.load = Load(cores())
        self.room = Room(
            capacity_of(self.settings),
            lambda call_id: bool(self.sockets.get(call_id)),
            media_elsewhere=self.cloud_media is not None,
            load=self.load,
        )

    @property
    def is_loading(self) -> bool:
        """Whether what the bot needs is still being loaded, so that a call would wait for it."""
        return False

    @property
    def free(self) -> int:
        """How many calls of another process could be gone on with here."""
        return self.room.free

    def start(self, obey: Callable[[Self, Command], Awaitable[Any]]) -> None:
        """Begin to keep calls in the database, to ask carriers about calls without news, and to tell the owner.

        Args:
            obey: Does what another process on the same database asks for.
        """
        if self.store.shared is not None:
            self.later(self.store.shared.run(partial(obey, self)), "sharing calls with other processes")
            self.later(offer_room(self), "offering room to other processes")
        self.later(sender_of(self.store, self.settings).run(), "telling the owner of calls")
        self.later(self._look_after_calls(), "looking after calls")
        self.later(self.load.watch(), "watching the load")
        self.later(forget_daily(self), "forgetting what is old")
        self.later(call_back(self), "calling back")
        self.later(derive_old_calls(self), "making figures of calls of before")

    async def _look_after_calls(self) -> None:
        try:
            await self.store.start()
        except DatabaseError as error:
            # It was there when the service was started last: calls are answered, and wait for it.
            logger.error("Calls wait for the database until it can be used: {}", error)
        await Reconciler(self.store, self.carrier).run()

    def control(self, call: Call) -> CallControl:
        """What may be done to a call."""
        return CallControl(
            call, self.carrier(call), self.store, way_back=self.way_back, do_not_call=self.do_not_call
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
        for socket in sockets:
            with suppress(RuntimeError):
                await socket.close()
        return len(sockets)

    @property
    def way_back(self) -> ServerWayBack:
        """The addresses that we give to carriers; the media socket's may be on Pipecat Cloud."""
        if self.cloud_media is None:
            return ServerWayBack(self.public_url, self.tokens, self.keys, self._meanwhile)
        return CloudWayBack(
            self.public_url, self.tokens, self.keys, self.cloud_media, self.settings.shared_secret
        )

    def _meanwhile(self, call: Call) -> Meanwhile | None:
        """What the document of a call says while we are away; None where that is not for a document to say."""
        if call.mode != MARKUP or not descriptor_of(call.carrier).dials_again or self.carrier(call) is None:
            return None
        return words_meanwhile(self.settings, call)

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
        await self.listening_port.aclose()
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
