"""What the carriers do differently: what they report of a leg, and what a bot may send on its media socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from emulator.documents.parsing import Verb
from emulator.legs.delivery import Delivery
from emulator.legs.leg import INBOUND, Leg
from emulator.line.codecs import Pcm
from emulator.line.colleague import Ending
from emulator.line.detected import Words


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
        call_id: The second leg's id; of several, the id of the one that the carrier reports.
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
class RecordRules:
    """What carriers do differently with `<Record>`.

    Attributes:
        timeout_secs: After so much silence it ends, unless the document says otherwise; 0 for never.
        waits_for_speech: Whether silence counts only once something was said.
        asks_when_empty: Whether `action` is asked though nothing was recorded; if not, the next verb is carried out.
        asks_when_hung_up: Whether `action` is asked when the person at the phone has hung up.
        asks_itself: Whether the document's own URL is asked where there is no `action`; if not, the next verb follows.
        tells_action: Whether the names of what `action` is told of the recording are documented.
        dual: Whether there are two channels, unless the document says otherwise.
        reports_after_call: Whether the file is reported only once the call has ended.
    """

    timeout_secs: float
    waits_for_speech: bool
    asks_when_empty: bool
    asks_when_hung_up: bool
    asks_itself: bool
    tells_action: bool
    dual: bool
    reports_after_call: bool


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
        status: `in-progress` while the phone follows it; `failed`, `busy`, `no-answer`, `canceled`; None if the phone
            reports nothing.
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
        once: Whether the carrier reports it only once on a stream.
        answer: A frame to send back to the bot, or None.
    """

    code: str
    text: str
    once: bool = True
    answer: dict[str, Any] | None = None


BotMessage = BotAudio | BotMark | BotClear | Refused

Frame = dict[str, Any] | bytes
"""What is sent to a bot: a message that becomes JSON text, or binary data."""


class StreamDialect(Protocol):
    """One carrier's frames on one media socket: builds ours, reads the bot's. No I/O."""

    stream_id: str

    def opening(self) -> Sequence[Frame]:
        """The frames before the first audio: `connected` and `start`."""

    def media(self, frame: Pcm) -> Frame:
        """20 ms of the caller."""

    def lost(self) -> None:
        """20 ms of the caller that never came to the carrier."""

    def dtmf(self, digit: str) -> Frame:
        """A key of the caller."""

    def mark(self, name: str) -> Frame:
        """A mark for the bot: the audio before it was played."""

    def stop(self) -> Frame:
        """The stream is over."""

    def read(self, raw: str | bytes) -> BotMessage:
        """Read a frame of the bot: what it asks for, or why the carrier refuses it."""


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
    record_rules: RecordRules
    play_keys: str
    numbers_have_addresses: bool
    """Whether a number has addresses of its own, or only an application that it belongs to."""
    fallback_has_method: bool
    """Whether the HTTP method for a fallback address is configured apart from that for the first address."""
    reconnects: bool
    """Whether a document's media socket that breaks is dialled again, unless the document says otherwise."""
    not_ours: str
    """The error code for a caller id that is neither the account's own nor verified, nor the caller's."""
    too_early: str
    """The code with which a recording is refused until a leg's audio has commenced; empty where none is."""
    detection_words: Words
    """The carrier's words for what answering machine detection finds."""
    keeps_order: bool
    """Whether the messages of a media stream come in their order."""
    document_delivery: Delivery
    callback_delivery: Delivery
    connection_overrides: bool
    """Whether the fragment of an address changes the rules of its delivery."""
    falls_back_always: bool
    """Whether the carrier asks a fallback address after every error that would end a call, and sends it the error; if
    not, only when an address that a number, an application or a request names does not answer."""

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

    def new_recording_id(self) -> str:
        """The id of a fresh recording."""

    def recordings_path(self, leg: Leg) -> str:
        """Where a leg's recordings are found on the carrier's REST server."""

    def recording_parameters(self, started_at: datetime, track: str) -> dict[str, str]:
        """The fields that a recording's status callback has only at this carrier."""

    def webhook_parameters(self, leg: Leg) -> dict[str, str]:
        """The form of the voice webhook and of every later document request."""

    def webhook_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """Signature headers and user agent of a form POST."""

    def instruction_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """The headers of a request for a document, which not every carrier is known to sign."""

    def progress_parameters(self, leg: Leg, event: str, sequence: int) -> dict[str, str]:
        """The form of a status callback; `event` is `initiated`, `ringing`, `answered` or `completed`."""

    def amd_parameters(self, leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
        """The form of the callback with the result of answering machine detection."""

    def dial_parameters(self, leg: Leg, dialled: Dialled) -> dict[str, str]:
        """The fields that the request to a `<Dial action>` has besides the standard parameters."""

    def conference_dial_parameters(self, leg: Leg) -> dict[str, str]:
        """The fields of that request after a `<Conference>`."""

    def conference_parameters(self, event: ConferenceEvent) -> dict[str, str]:
        """The form of a conference's status callback."""

    def refer_parameters(self, leg: Leg, referred: Referred) -> dict[str, str]:
        """The fields that the request to a `<Refer action>` has besides the standard parameters."""

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
