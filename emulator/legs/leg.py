"""One leg of a call as a carrier knows it, what it tells of it, and what a bot may say on its media socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from emulator.documents.parsing import Verb
from emulator.legs.delivery import Delivery
from emulator.line.codecs import Pcm
from emulator.line.colleague import Ending
from emulator.line.detected import Words

INBOUND = "inbound"
BY_REST = "outbound-api"
BY_DIAL = "outbound-dial"

STATUSES: Mapping[Ending, str] = {
    "completed": "completed",
    "busy": "busy",
    "declined": "busy",
    "no_answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
}
"""The word of both carriers for each; that a rejected call is `busy` is documented by neither."""


@dataclass
class Leg:
    """One leg: dialled in, created by REST, or the second one of a `<Dial>`.

    Attributes:
        call_id: Twilio's CallSid or Telnyx's call_control_id.
        session_id: Telnyx's call_session_id, shared by the legs of one call; empty on Twilio.
        leg_id: Telnyx's call_leg_id; empty on Twilio.
        codec: The leg's own encoding, `PCMU` or `PCMA`.
        direction: `inbound`, `outbound-api` or `outbound-dial` (Twilio's words).
        parent_id: The leg whose `<Dial>` called this one, or None.
        status: The carrier's word: queued, initiated, ringing, in-progress, completed, busy, no-answer, failed,
            canceled.
        ending: How the attempt to reach somebody ended; None for a dialled-in call, and while it lasts.
        nobody_there: Whether the number does not exist.
        answered_by: What answering machine detection found, in the carrier's words; None without.
        client_state: Telnyx's, as the server gave it.
    """

    call_id: str
    account_id: str
    from_number: str
    to_number: str
    session_id: str = ""
    leg_id: str = ""
    connection_id: str = ""
    codec: str = "PCMU"
    direction: str = INBOUND
    parent_id: str | None = None
    status: str = "ringing"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    hangup_source: str = "caller"
    ending: Ending | None = None
    nobody_there: bool = False
    answered_by: str | None = None
    client_state: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the leg is gone."""
        return self.ended_at is not None

    @property
    def duration_secs(self) -> int:
        """Seconds between answer and end (or now), at least 0."""
        if self.answered_at is None:
            return 0
        return round(((self.ended_at or datetime.now(UTC)) - self.answered_at).total_seconds())


@dataclass(frozen=True)
class DialRules:
    """A carrier's limits of `<Dial>`, in seconds.

    Attributes:
        timeouts: Least and greatest `timeout`.
        limits: Least and greatest `timeLimit`.
        timeout_secs: The `timeout` if none is given.
        limit_secs: The `timeLimit` if none is given.
        buffer_secs: What the carrier always adds to the `timeout`.
        amd_timeout_unit: Seconds in a unit of `machineDetectionTimeout`.
    """

    timeouts: tuple[float, float]
    limits: tuple[float, float]
    timeout_secs: float = 30.0
    limit_secs: float = 14400.0
    buffer_secs: float = 0.0
    amd_timeout_unit: float = 1.0


@dataclass(frozen=True)
class Dialled:
    """How a `<Dial>` ended.

    Attributes:
        ending: `completed`, `busy`, `declined`, `no_answer`, `failed` or `canceled`.
        call_id: The second leg's id; with several, of the one that is told of.
        bridged: Whether the two heard each other.
        duration_secs: From the second leg's answer to its end; 0 without an answer.
        nobody_there: Whether the number does not exist.
        redirected: Whether the second leg was given something else to do and goes on without the first.
    """

    ending: Ending
    call_id: str
    bridged: bool
    duration_secs: int
    nobody_there: bool = False
    redirected: bool = False


@dataclass(frozen=True)
class ConferenceEvent:
    """Something happened in a conference.

    Attributes:
        kind: `conference-start`, `conference-end`, `participant-join` or `participant-leave`.
        conference_id: The carrier's id of the room.
        name: Its name in the documents.
        sequence: Counts the callbacks of a room from 0.
        leg: Whose coming or going it is.
        label: The participant's label, or None.
        flags: `Muted`, `Hold`, `Coaching`, `StartConferenceOnEnter`, `EndConferenceOnExit`.
        reason: Why a participant left or the conference ended, in the carrier's words, or None.
    """

    kind: str
    conference_id: str
    name: str
    sequence: int
    leg: Leg
    label: str | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Referred:
    """How a SIP REFER went.

    Attributes:
        status: `in-progress` while the phone follows it; `failed`, `busy`, `no-answer`, `canceled`; None without
            any word of the phone.
        refer_code: The SIP answer to the REFER.
        notify_code: The SIP code in the phone's NOTIFY, or None.
    """

    status: str | None
    refer_code: int
    notify_code: int | None = None


@dataclass(frozen=True)
class BotAudio:
    """The bot speaks: decoded audio to queue."""

    samples: Pcm


@dataclass(frozen=True)
class BotMark:
    """The bot wants to know when the audio before this was played."""

    name: str


@dataclass(frozen=True)
class BotClear:
    """The bot takes back what was not played yet."""


@dataclass(frozen=True)
class Refused:
    """The carrier could not use a message (or only in part).

    Attributes:
        code: The carrier's code of the warning.
        text: What was wrong, for people.
        once: Reported once a stream, as the carrier does.
        answer: A frame to send back to the bot, or None.
    """

    code: str
    text: str
    once: bool = True
    answer: dict[str, Any] | None = None


BotMessage = BotAudio | BotMark | BotClear | Refused


class StreamDialect(Protocol):
    """One carrier's frames on one media socket: builds ours, reads the bot's. No I/O."""

    stream_id: str

    def opening(self) -> list[dict[str, Any]]:
        """The frames before the first audio: `connected` and `start`."""

    def media(self, frame: Pcm) -> dict[str, Any]:
        """20 ms of the caller."""

    def lost(self) -> None:
        """20 ms of the caller that never came to the carrier."""

    def dtmf(self, digit: str) -> dict[str, Any]:
        """A key of the caller."""

    def mark(self, name: str) -> dict[str, Any]:
        """A mark goes back."""

    def stop(self) -> dict[str, Any]:
        """The stream is over."""

    def read(self, raw: str | bytes) -> BotMessage:
        """Judge a frame of the bot."""


class Dialect(Protocol):
    """All that one carrier does differently in webhooks and on sockets. No I/O."""

    name: str
    language: str
    """Of its documents: `twiml` or `texml`."""
    known_verbs: frozenset[str]
    content_types: frozenset[str] | None
    answers_before_webhook: bool
    connect_action: bool
    mustache: bool
    dial_rules: DialRules
    play_keys: str
    detection_words: Words
    """For what answering machine detection finds."""
    keeps_order: bool
    """Whether the messages of a media stream come in their order."""
    document_delivery: Delivery
    callback_delivery: Delivery
    connection_overrides: bool
    """Whether the fragment of an address changes the rules of its delivery."""
    falls_back_always: bool
    """Whether a fallback address is asked after anything that ends a call, or only where an address that a number, an
    application or a request names does not answer. If so, it is told of the error."""

    def new_leg(
        self,
        from_number: str,
        to_number: str,
        codec: str,
        *,
        direction: str = INBOUND,
        parent: Leg | None = None,
    ) -> Leg:
        """A fresh call, or the second leg of one."""

    def new_conference_id(self) -> str:
        """The id of a fresh conference."""

    def webhook_parameters(self, leg: Leg) -> dict[str, str]:
        """The form of the voice webhook and of every later document request."""

    def webhook_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """Signature headers and user agent of a form POST."""

    def instruction_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """The same of a request for a document, which not every carrier is known to sign."""

    def progress_parameters(self, leg: Leg, event: str, sequence: int) -> dict[str, str]:
        """The form of a status callback; `event` is `initiated`, `ringing`, `answered` or `completed`."""

    def amd_parameters(self, leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
        """The form of the callback with the result of answering machine detection."""

    def dial_parameters(self, leg: Leg, dialled: Dialled) -> dict[str, str]:
        """What the request for `<Dial action>` has besides the standard parameters."""

    def conference_dial_parameters(self, leg: Leg) -> dict[str, str]:
        """The same after a `<Conference>`."""

    def conference_parameters(self, event: ConferenceEvent) -> dict[str, str]:
        """The form of a conference's status callback."""

    def refer_parameters(self, leg: Leg, referred: Referred) -> dict[str, str]:
        """What the request for `<Refer action>` has besides the standard parameters."""

    def stream_event(
        self, leg: Leg, stream_id: str, name: str | None, event: str, error: str | None
    ) -> dict[str, str]:
        """The form of the stream's status callback; `event` is `started`, `stopped` or `error`."""

    def stream_url(self, url: str) -> tuple[str, list[str]]:
        """The URL as the carrier dials it, and what it warns about."""

    def socket_headers(self, signed_url: str) -> dict[str, str]:
        """Headers of the WebSocket upgrade; `signed_url` is the wss form of the URL."""

    def user_agent(self) -> str:
        """The user agent of the WebSocket upgrade."""

    def open_stream(
        self, leg: Leg, stream: Verb, parameters: dict[str, str]
    ) -> tuple[StreamDialect, list[str]]:
        """A new stream by a document's `<Stream>`, and what the carrier warns about."""
