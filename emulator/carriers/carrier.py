"""What a carrier's folder exports: one `Carrier`, from which the network, its REST server and the stories are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from aiohttp import web

from emulator.account import Account, Application
from emulator.carriers.credentials import Credentials
from emulator.legs.addressing import Target
from emulator.legs.call import Call
from emulator.legs.delivery import EventHabits
from emulator.legs.dialect import Dialect
from emulator.legs.exchange import Exchange
from emulator.legs.leg import Leg
from emulator.legs.plan import CallPlan
from emulator.line.detected import Words


@dataclass(frozen=True)
class Readings:
    """How to read what a carrier's documentation leaves open; for a carrier without the question it has no effect.

    Attributes:
        texml_call_ids: Whether the answer to a new TeXML call names it.
        signs_instructions: Whether requests for documents are signed.
        detection_words: The one of the carrier's `word_sets` in which its callbacks report who has answered.
    """

    texml_call_ids: bool = False
    signs_instructions: bool = False
    detection_words: str = "guide"


class Control(Protocol):
    """Calls that do what an application commands, instead of documents."""

    def dial_in(self, leg: Leg, plan: CallPlan, target: Target, gives_up_secs: float) -> Call:
        """A caller dials the application's number; `run` of the call lets it ring."""

    def shut_down(self) -> None:
        """The network is about to stop: events to servers that are gone already need not be sent again."""

    async def aclose(self) -> None:
        """Stop delivering events."""


class Carrier(ABC):
    """One carrier. It is also what a `RequestLog` needs of its REST interface."""

    name: str
    """As in `--carrier`, in stories and in a server's routes; without a hyphen."""
    title: str
    """For people."""
    paths: tuple[str, ...]
    """What the paths of its REST interface begin with."""
    takes_commands = False
    """Whether a number can belong to an application that takes events and sends commands."""
    command_settings: ClassVar[Mapping[str, str]] = {}
    """What a server needs to know that is such an application."""
    stream_attributes = ""
    """What a document's `<Stream>` needs so that its bot sends raw audio."""
    word_sets: ClassVar[Mapping[str, Words]] = {}
    """Sets of words for who, or what, has answered, by name, where the carrier documents several of them."""

    @abstractmethod
    def dialect(self, credentials: Credentials, readings: Readings) -> Dialect:
        """The carrier's side of webhooks and sockets."""

    @abstractmethod
    def routes(
        self,
        exchange: Exchange,
        credentials: Credentials,
        account: Account,
        readings: Readings,
        control: Control | None,
    ) -> list[web.RouteDef]:
        """The REST interface.

        Args:
            exchange: The network's inside, which may be another carrier's: requests then find no calls.
            credentials: Whose requests are taken.
            account: What the account owns.
            readings: How to read what is not documented.
            control: What `control` has given for this network, or None.
        """

    def control(
        self, exchange: Exchange, credentials: Credentials, habits: EventHabits | None
    ) -> Control | None:
        """Calls by commands; None where there are none."""
        return None

    def application(self, credentials: Credentials, *, commanded: bool) -> Application | None:
        """The application that the bot's number belongs to; None where a number has addresses of its own."""
        return None

    def claims(self, path: str) -> bool:
        """Whether a path is of this carrier's REST interface."""
        return path.startswith(self.paths)

    @abstractmethod
    def verb_of(self, method: str, path: str, fields: Mapping[str, str]) -> str:
        """Name what a request asks for, if possible by one of `emulator.requests.VERBS`."""

    @abstractmethod
    def made_up_error(self, status: int) -> web.Response:
        """The answer to a request that is made to fail with this HTTP status."""
