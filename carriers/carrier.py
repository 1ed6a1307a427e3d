"""What every phone company must be able to do for us, in one vocabulary.

A carrier is REST (to act on a call), markup (to tell it what to do next), webhooks (what it reports) and
signatures (whether it was really the carrier). `carriers/twilio.py` and `carriers/telnyx.py` implement
`Carrier`; nothing outside `carriers/` and `web/` needs to know which of them it talks to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from urllib.parse import parse_qsl

from loguru import logger

REQUEST_TIMEOUT_SECS = 2.5
"""How long one REST request may take. Short, because somebody is on the line; whoever asks decides about a
retry."""

MAX_PARAMETER_CHARS = 500
"""Name and value of one stream parameter must be shorter than this together. Source: Twilio docs, TwiML
Stream."""


class CarrierError(Exception):
    """A carrier did not do what it was asked. The message names the cause and the fix.

    The tree::

        CarrierError
        ├── NotConfigured            no credentials for this carrier
        ├── CarrierUnavailable       no answer, no sensible answer, 429 or 5xx: the same request may work
        later └── CarrierRejected          the carrier understood and said no (4xx): the same request will
        fail again
            ├── CarrierUnauthorized  401 or 403: the credentials are wrong
            └── CallNotFound         404: no such call for these credentials

    "The call has already ended" is not in the tree: for somebody who hangs up, it is success.
    """


class NotConfigured(CarrierError):
    """There are no credentials for this carrier."""


class CarrierUnavailable(CarrierError):
    """The carrier gave no usable answer; trying again may help."""


class CarrierRejected(CarrierError):
    """The carrier refused the request; trying the same again will not help.

    Parameters:
        status: The HTTP status, or None when the request was refused before it was sent.
        code: The carrier's own error code, when it gave one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None):
        """Remember the numbers a log reader needs beside the message."""
        super().__init__(message)
        self.status = status
        self.code = code


class CarrierUnauthorized(CarrierRejected):
    """The carrier does not accept the credentials."""


class CallNotFound(CarrierRejected):
    """The carrier knows no such call, at least not for these credentials."""


class LineState(StrEnum):
    """The state of a call as carriers report it. The values are those of `calls.call.CallState`."""

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


class Direction(StrEnum):
    """Who dialled."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Signature(StrEnum):
    """What verifying a webhook's signature found."""

    VALID = "valid"
    INVALID = "invalid"
    """Signed, but not by the carrier, or not for this URL, or too long ago."""
    ABSENT = "absent"
    """Not signed at all."""
    UNCHECKED = "unchecked"
    """The key to check it with is not configured."""


@dataclass(frozen=True)
class HangUp:
    """The call is over.

    Parameters:
        already_ended: It had ended before we asked.
    """

    already_ended: bool


@dataclass(frozen=True)
class CarrierCall:
    """A call as the carrier's REST API describes it.

    Parameters:
        id: The carrier's id of the call.
        state: Its state, or None when the carrier uses a word that we do not know.
        from_number: Who dialled (E.164 or SIP), when the carrier says.
        to_number: Who was dialled, when the carrier says.
        started_at: When it was answered.
        ended_at: When it ended; None while it lives.
        duration_secs: How long it lasted.
    """

    id: str
    state: LineState | None
    from_number: str | None = None
    to_number: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_secs: int | None = None


@dataclass(frozen=True)
class IncomingCall:
    """A carrier's question "what shall I do with this call?".

    Parameters:
        call_id: The carrier's id of the call.
        from_number: Who dialled; None when the caller withheld the number.
        to_number: Who was dialled.
        direction: `outbound` when we had asked for the call ourselves.
        account_id: The carrier's account that the call belongs to.
    """

    call_id: str
    from_number: str | None
    to_number: str | None
    direction: Direction
    account_id: str | None = None


@dataclass(frozen=True)
class StatusUpdate:
    """A carrier's report of where a call stands. Reports come late, twice and out of order.

    Parameters:
        call_id: The carrier's id of the call.
        state: The state reported, or None when the carrier uses a word that we do not know.
        reason: What the carrier says about the cause, in its own words; empty when it says nothing.
        duration_secs: Length of the call, once it is over.
        event_id: An id that is the same for repeated deliveries, when the carrier has one.
    """

    call_id: str
    state: LineState | None
    reason: str = ""
    duration_secs: int | None = None
    event_id: str | None = None


@dataclass(frozen=True)
class StreamDocument:
    """What a document that connects a call with the bot needs to know.

    Parameters:
        stream_url: `wss://` address of the media socket. No query string: not every carrier keeps one.
        parameters: Handed to the bot in the stream's first messages.
        ended_url: Absolute URL the carrier asks for the next document when the stream is over.
    """

    stream_url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    ended_url: str | None = None


@dataclass(frozen=True)
class WebhookRequest:
    """One HTTP request, or WebSocket upgrade, as it came over the wire.

    Parameters:
        url: What the carrier was told to call: the public base with path and query, still percent-encoded.
        headers: Case-insensitive mapping, as starlette's `Headers`.
        method: HTTP method, upper case.
        body: The raw body, not re-encoded: signatures are over bytes.
        form: The fields of a form body; empty for GET and for an upgrade.
    """

    url: str
    headers: Mapping[str, str]
    method: str = "POST"
    body: bytes = b""
    form: Form = field(default_factory=lambda: Form(()))


class WebhookError(ValueError):
    """A webhook lacks what it must have; the message says what."""


class Form(Mapping[str, str]):
    """Form fields with blank values and repeated names kept, since both are part of a signature."""

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        """Keep the pairs in the order in which they came."""
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value)

    @classmethod
    def parse(cls, encoded: bytes | str) -> Form:
        """Read `application/x-www-form-urlencoded` text (a body, or a query string).

        Raises:
            WebhookError: It is not such text.
        """
        try:
            text = encoded.decode() if isinstance(encoded, bytes) else encoded
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=500))
        except ValueError:
            raise WebhookError("the body is not a form (application/x-www-form-urlencoded, UTF-8)") from None

    def getlist(self, name: str) -> list[str]:
        """All values of a field. The name is the one that Twilio's validator looks for."""
        return self._fields.get(name, [])

    def __getitem__(self, name: str) -> str:
        """The first value of a field."""
        return self._fields[name][0]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._fields)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._fields)

    def required(self, name: str) -> str:
        """The first value of a field that must be there.

        Raises:
            WebhookError: It is missing or blank.
        """
        value = self.get(name, "").strip()
        if not value:
            raise WebhookError(f"{name} is missing: this is not a webhook of a call")
        return value


class Carrier(Protocol):
    """One phone company.

    Reading webhooks and writing documents works without credentials; `hang_up` and `fetch_call` need them.
    """

    name: str

    async def prepare(self) -> None:
        """Load the carrier's SDK, in a thread: it takes seconds, and other calls are talking.

        Every request does so by itself; doing it at start-up spares the first call the wait.
        """
        ...

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call.

        Raises:
            CarrierError: It may still be up.
        """
        ...

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call.

        Raises:
            CarrierError: There was no answer to that.
        """
        ...

    def stream_document(self, document: StreamDocument) -> str:
        """Markup that connects the call with the bot's media socket."""
        ...

    def end_document(self, say: str | None = None) -> str:
        """Markup that ends the call, after a sentence in the carrier's own voice if `say` is given."""
        ...

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Tell whether a webhook or a WebSocket upgrade really comes from the carrier."""
        ...

    def parse_incoming(self, form: Form) -> IncomingCall:
        """Read a voice webhook.

        Raises:
            WebhookError: It names no call.
        """
        ...

    def parse_status(self, form: Form) -> StatusUpdate:
        """Read a status callback.

        Raises:
            WebhookError: It names no call.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        ...


def usable_parameters(parameters: Mapping[str, str], forbidden: tuple[str, ...] = ()) -> dict[str, str]:
    """The stream parameters that a carrier will accept; the others are left out and logged by name.

    Losing a parameter is better than losing the call: an invalid document makes the carrier hang up.

    Args:
        parameters: What the bot should be told.
        forbidden: Character sequences that must not appear in a name or a value.
    """
    usable = {}
    for name, value in parameters.items():
        text = name + value
        if len(text) >= MAX_PARAMETER_CHARS:
            reason = f"name and value have {len(text)} characters, {MAX_PARAMETER_CHARS - 1} are allowed"
        elif not name or not xml_safe(text):
            reason = "it has no name, or characters that XML cannot carry"
        elif any(sequence in text for sequence in forbidden):
            reason = f"it contains one of {', '.join(forbidden)}, which the carrier would expand"
        else:
            usable[name] = value
            continue
        logger.warning("Stream parameter {!r} is left out: {}", name[:40], reason)
    return usable


def xml_safe(text: str) -> bool:
    """Whether XML 1.0 can carry the text (it has no way to write most control characters)."""
    return all(
        char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in text
    )


def speakable(text: str, limit: int = 4096) -> str:
    """A sentence as a `<Say>` may carry it: only characters of XML, and not too many."""
    return "".join(char for char in text if xml_safe(char))[:limit]


def phone_number(value: str | None) -> str | None:
    """A number or SIP address as given by a carrier; None when the caller withheld it.

    Source: Twilio docs, TwiML request parameters (a withheld number arrives as a word, or as that word typed
    on a keypad).
    """
    text = (value or "").strip()
    withheld = {"", "anonymous", "unknown", "restricted", "private", "blocked", "unavailable"}
    typed = {"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"}
    if text.casefold() in withheld or text in typed:
        return None
    return text


def call_direction(form: Form) -> Direction:
    """Who dialled, from a webhook's `Direction` field (`inbound`, `outbound-api`, `outbound-dial`)."""
    return Direction.OUTBOUND if form.get("Direction", "").startswith("outbound") else Direction.INBOUND


def whole_number(value: object) -> int | None:
    """A count that a carrier sends as text; None when it is not one."""
    try:
        return int(str(value))
    except ValueError:
        return None
