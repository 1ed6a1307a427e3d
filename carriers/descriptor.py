"""What a carrier's folder exports: all that the rest of the product knows of one phone company.

`carriers/NAME/descriptor.py` has a `CARRIER`, which `carriers.descriptors` finds. Importing a descriptor loads no SDK.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from carriers.carrier import CALL_CONTROL, MARKUP, Carrier
from carriers.checks import AccountChecks, Addresses, Finding
from carriers.forms import FORM_TYPE
from carriers.streams import Meanwhile
from carriers.variables import CarrierVariables

if TYPE_CHECKING:
    from pydantic import SecretStr

V = TypeVar("V", bound=CarrierVariables)

SERVICE_HOST_PARAMETER = "_pipecatCloudServiceHost"
"""The stream parameter that names the agent on Pipecat Cloud. Source: Pipecat docs, guides/telephony."""


@dataclass(frozen=True)
class StreamEncoding:
    """How the bot's voice is encoded in a carrier's media streams.

    Parameters:
        outbound: `PCMU`, `PCMA` or `L16`.
        l16_byte_order: Byte order of L16 on the wire, both ways.
    """

    outbound: str = "PCMU"
    l16_byte_order: Literal["little", "big"] = "little"


class CarrierDescriptor(ABC, Generic[V]):
    """One phone company, as the operator and the service see it.

    Parameters:
        name: In addresses, in the database, and in `serializers/`: lower-case letters and digits.
        title: As people write it.
        variables: What the operator configures of it. Settings with these are what `settings` is below.
        rank: Where it stands in lists of carriers, the lowest first.
        modes: The modes in which its calls can run.
        signature_header: The header with the signature of a webhook, in lower case.
        signs_addresses: Whether that signature covers the address that is called, so that nothing in it can be changed.
            If not, or if the carrier may send a request without a signature, our addresses get secret parts.
        signs_upgrades: Whether WebSocket upgrades are signed as well.
        callback_type: The media type of the callbacks and requests for instructions that it posts: `FORM_TYPE` or
            `JSON_TYPE` (`Form.parse_json` says how that becomes fields). Events are not meant.
        callback_status: The HTTP status of the answer to a webhook that asks for no document.
        document_type: The media type of its documents.
        verified_by: The variable that signatures are checked with.
        credentials: The variables that suffice to act on calls, as the rest of a sentence that begins with "set".
        cloud_bin: Where the document for Pipecat Cloud goes, as the rest of a sentence that begins with "Paste into".
        api_host: The host of its REST API, unless the operator has chosen another one.
        beside_credentials: Variables among its credentials without which the account can still be looked at.
        connection_overrides: What is put behind the addresses at which it asks for a call's next document, so that it
            asks again when nobody answers there; empty where it knows no such thing.
        dials_again: Whether its documents open a media socket again that was lost (`StreamDocument.meanwhile`), at the
            same address.
        waiting_bin: Where `waiting_document` goes, as the rest of a sentence that begins with "paste into".
    """

    name: str
    title: str
    variables: type[V]
    rank: int
    modes: tuple[str, ...] = (MARKUP,)
    signature_header: str
    signs_addresses: bool = False
    signs_upgrades: bool = False
    callback_type: str = FORM_TYPE
    callback_status: int = 200
    document_type: str = "application/xml"
    verified_by: str
    credentials: str
    cloud_bin: str
    api_host: str
    beside_credentials: frozenset[str] = frozenset()
    connection_overrides: str = ""
    dials_again: bool = False
    waiting_bin: str = ""

    @property
    def sends_events(self) -> bool:
        """Whether it has calls that are run by commands, and reports on them by events."""
        return CALL_CONTROL in self.modes

    @abstractmethod
    def carrier(self, settings: V, mode: str = MARKUP) -> Carrier:
        """What reads its webhooks, writes its documents and, with credentials, acts on its calls.

        Args:
            settings: Where the credentials are; there may be none.
            mode: One of `modes`.
        """

    @abstractmethod
    def can_act(self, settings: V) -> bool:
        """Whether there are credentials with which `carrier` can act on calls."""

    @abstractmethod
    def has_account(self, settings: V) -> bool:
        """Whether the variable is set that says whose account it is."""

    @abstractmethod
    def is_mentioned(self, settings: V) -> bool:
        """Whether any credential of it is set, so that calls may cost money."""

    @abstractmethod
    def secrets(self, settings: V) -> list[SecretStr]:
        """The credentials that only the operator and the carrier know, the oldest kind first."""

    def dialling_mode(self, settings: V) -> str:
        """The mode of the calls that we make, and of those that its numbers should bring."""
        return MARKUP

    def checks(self, settings: V) -> AccountChecks | None:
        """Questions about the account; None when there are none, or no credentials."""
        return None

    def stream_encoding(self, settings: V) -> StreamEncoding:
        """How the bot's voice is to be encoded."""
        return StreamEncoding()

    def problems(self, settings: V) -> list[str]:
        """Credentials that cannot work: one line each, the variable's name first, with cause and fix."""
        return []

    def notes(self, settings: V) -> list[str]:
        """What works only in part with these credentials: one line each, as `problems`."""
        return []

    def findings(self, settings: V) -> list[Finding]:
        """Settings of this carrier that contradict each other, or that leave something out."""
        return []

    def unused(self, name: str, settings: V) -> str | None:
        """Why a variable that is set changes nothing; None when it does, or when it is not this carrier's.

        Args:
            name: A field of the settings.
            settings: All of them.
        """
        return None

    @abstractmethod
    def console_lines(self, ours: Addresses) -> list[str]:
        """What the operator has to enter in the carrier's console, and where, for the output at the start.

        Args:
            ours: The addresses.
        """

    def waiting_document(self, url: str, meanwhile: Meanwhile, *, is_kept: bool = False) -> str | None:
        """A document for callers whom no bot can talk with yet: it waits, and asks us again.

        Args:
            url: What it asks.
            meanwhile: What the caller hears before.
            is_kept: Whether the carrier keeps it, for when our server cannot be reached.

        Returns:
            None where there is no such document.
        """
        return None

    @abstractmethod
    def cloud_document(self, host: str, agent: str) -> str:
        """The document that connects a number with an agent on Pipecat Cloud, for `cloud_bin`.

        Args:
            host: The cloud's host name for the agent's region.
            agent: `AGENT.ORGANISATION`.
        """

    def cloud_stream(self, host: str, agent: str) -> tuple[str, dict[str, str]]:
        """The address of its media sockets on Pipecat Cloud, and the parameters that find the agent.

        Args:
            host: The cloud's host name for the agent's region.
            agent: `AGENT.ORGANISATION`.
        """
        return f"wss://{host}/ws/{self.name}", {SERVICE_HOST_PARAMETER: agent}
