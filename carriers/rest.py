"""A carrier's REST API by its SDK: the connection, and what every class shares that asks something of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import ClassVar, Generic, TypeVar

from carriers.breaker import Breaker
from carriers.carrier import DIAL_TIMEOUT_SECS, REQUEST_TIMEOUT_SECS
from carriers.checks import CHECK_TIMEOUT_SECS
from carriers.errors import CarrierUnavailable, DialUncertain, NotConfigured
from carriers.watched import watched, what_is_asked

T = TypeVar("T")
Client = TypeVar("Client")


class RestApi(ABC, Generic[Client]):
    """A connection to the REST API, made on first use: an SDK takes seconds to import, and needs a running loop.

    Parameters:
        sdk_modules: The modules of the SDK that it imports late, or that take long.
    """

    sdk_modules: ClassVar[tuple[str, ...]]

    def __init__(self, breaker: Breaker) -> None:
        """Connect nothing yet.

        Args:
            breaker: Of the account.
        """
        self._breaker = breaker
        self._loaded = False
        self._client: Client | None = None

    @abstractmethod
    def _missing(self) -> str | None:
        """The credentials that are not set, as the message for the operator; None when nothing is missing."""

    @abstractmethod
    def _new_client(self) -> Client:
        """The SDK's client, which is loaded by now."""

    @abstractmethod
    async def _close(self, client: Client) -> None:
        """Close the client's connections."""

    @abstractmethod
    async def _send(
        self, client: Client, request: Callable[[Client], Awaitable[T]], *, timeout_secs: float
    ) -> T:
        """Send one request, once, with our time-out and our errors.

        Raises:
            CarrierError: The answer was not the one hoped for, or there was none.
        """

    async def ask(self, request: Callable[[Client], Awaitable[T]], *, timeout_secs: float) -> T:
        """Send one request, once, unless the carrier has not answered lately (`carriers.breaker`).

        Raises:
            CarrierError: The answer was not the one hoped for, or there was none, or nothing was sent.
        """
        what = what_is_asked()
        client = await self._connected()
        with self._breaker.request(), watched(self._breaker.carrier.lower(), what):
            return await self._send(client, request, timeout_secs=timeout_secs)

    @classmethod
    def import_sdk(cls) -> None:
        """Import the SDK, which takes seconds."""
        for name in cls.sdk_modules:
            import_module(name)

    async def load(self) -> None:
        """Import the SDK in a thread."""
        if not self._loaded:
            await asyncio.to_thread(self.import_sdk)
            self._loaded = True

    async def _connected(self) -> Client:
        if missing := self._missing():
            raise NotConfigured(missing)
        if self._client is None:
            # Before the time-out of a request begins.
            await self.load()
        if self._client is None:  # no other request made it meanwhile
            self._client = self._new_client()
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await self._close(client)


class RestCalls(Generic[Client]):
    """The part of a `Carrier` that is the same for every REST API: loading, time-outs, and an uncertain dial."""

    def __init__(
        self,
        api: RestApi[Client],
        *,
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
        dial_timeout_secs: float = DIAL_TIMEOUT_SECS,
    ):
        """Keep the connection.

        Args:
            api: Where the requests go.
            timeout_secs: Limit of one request.
            dial_timeout_secs: Limit of a request to dial.
        """
        self._api = api
        self._timeout_secs = timeout_secs
        self._dial_timeout_secs = dial_timeout_secs

    async def load(self) -> None:
        """Import the SDK in a thread."""
        await self._api.load()

    async def prepare(self) -> None:
        """Do what `load` does: nothing has to be asked."""
        await self.load()

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        await self._api.aclose()

    async def _ask(self, request: Callable[[Client], Awaitable[T]]) -> T:
        return await self._api.ask(request, timeout_secs=self._timeout_secs)

    async def _look(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Ask for something long, for which nobody on the line is waiting."""
        return await self._api.ask(request, timeout_secs=CHECK_TIMEOUT_SECS)

    async def _dial(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Send a request to dial.

        Raises:
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        try:
            return await self._api.ask(request, timeout_secs=self._dial_timeout_secs)
        except CarrierUnavailable as error:
            if error.nothing_done:
                raise
            raise DialUncertain(f"{error}. The call may have been made: look before dialling again") from None
