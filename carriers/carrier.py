"""What every phone company must be able to do for us, in one vocabulary.

A carrier is REST (to act on a call), markup (to tell it what to do next), webhooks (what it reports) and
signatures (whether it was really the carrier). `carriers/twilio.py` and `carriers/telnyx.py` implement
`Carrier`; nothing outside `carriers/` and `web/` needs to know which of them it talks to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from carriers.dialling import DialledCall, DialOut, DialResult, DialStatus, MachineDetection
from carriers.documents import StreamDocument, TransferDocument
from carriers.errors import (
    CallEnded,
    CallNotFound,
    CarrierError,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    DialUncertain,
    NotConfigured,
    NotRecording,
)
from carriers.forms import Form, WebhookError, WebhookRequest, phone_number
from carriers.recording import RecordingFormat, RecordingState, RecordingUpdate

__all__ = [
    "CallEnded",
    "CallNotFound",
    "Carrier",
    "CarrierCall",
    "CarrierError",
    "CarrierRejected",
    "CarrierUnauthorized",
    "CarrierUnavailable",
    "DialOut",
    "DialResult",
    "DialStatus",
    "DialUncertain",
    "DialledCall",
    "Direction",
    "Form",
    "HangUp",
    "IncomingCall",
    "LineState",
    "MachineDetection",
    "NotConfigured",
    "NotRecording",
    "RecordingFormat",
    "RecordingState",
    "RecordingUpdate",
    "Signature",
    "StatusUpdate",
    "StreamDocument",
    "TransferDocument",
    "WebhookError",
    "WebhookRequest",
    "call_direction",
    "phone_number",
]

REQUEST_TIMEOUT_SECS = 2.5
"""How long one REST request may take. Short, because somebody is on the line; whoever asks decides about a
retry."""

DIAL_TIMEOUT_SECS = 10.0
"""How long a request to dial may take. Longer, because nobody is on the line yet, and giving up too early leaves
us not knowing whether a phone rings."""


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


class Carrier(Protocol):
    """One phone company.

    Reading webhooks and writing documents works without credentials; what is `async` needs them. Nothing is
    sent twice: whoever asks decides about a retry. Where `command_id` is taken, a retry with the same one has
    no second effect at a carrier that knows such ids.

    Parameters:
        name: The carrier's name in `known_carriers()`.
        sends_digits_by_rest: Whether `send_digits` works. If not, `digits_document` does the same, but the
            media stream ends for it and another one begins.
    """

    name: str
    sends_digits_by_rest: bool

    async def prepare(self) -> None:
        """Load the carrier's SDK, in a thread: it takes seconds, and other calls are talking.

        Every request does so by itself; doing it at start-up spares the first call the wait.
        """
        ...

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call.

        Raises:
            DialUncertain: The call may have been made, or not: look with `find_recent_call` before trying
                again.
            CarrierError: The call was not made.
        """
        ...

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        """The calls between two numbers that were made since a moment, the newest first, at most 20.

        For somebody whose `dial` was uncertain. Carriers list a new call with some delay, so an empty answer
        within seconds proves nothing.

        Args:
            to: Who was dialled.
            from_number: Who dialled.
            since: An aware moment. Calls that began up to 10 s before count too, as clocks differ.

        Raises:
            CarrierError: There was no answer to that.
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

    async def update_document(self, call_id: str, document: str) -> None:
        """Make a live call do something else: the document replaces what runs, a media stream included.

        Raises:
            CallEnded: The call is over, nothing was done. An exception because a transfer of somebody who has
                hung up is no success.
            CarrierUnavailable: The document may run or not.
            CarrierError: The call goes on as it was.
        """
        ...

    async def update_url(self, call_id: str, url: str) -> None:
        """Make a live call do what the document at a URL says, which is asked for by POST.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierUnavailable: The document may run or not.
            CarrierError: The call goes on as it was.
        """
        ...

    async def send_digits(self, call_id: str, digits: str, *, command_id: str | None = None) -> None:
        """Press keys for the other side: 0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).

        Raises:
            CallEnded: The call is over.
            CarrierError: They were not sent; always so if `sends_digits_by_rest` is false.
        """
        ...

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live call from now on, each side in its own channel.

        Args:
            call_id: The carrier's id of the call.
            status_url: Absolute URL that is told about the recording, where that can be chosen by recording.
            file_format: What file to make, where that must be chosen beforehand.
            command_id: See above.

        Returns:
            The carrier's id of the recording, when it gives one.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        ...

    async def pause_recording(
        self, call_id: str, *, keep_length: bool = True, command_id: str | None = None
    ) -> None:
        """Stop recording for a while, for example while a card number is said.

        Args:
            call_id: The carrier's id of the call.
            keep_length: Put silence into the pause's place instead of leaving it out, where that can be chosen.
            command_id: See above.

        Raises:
            CallEnded: The call is over.
            NotRecording: It is not recorded.
            CarrierError: It may still be recorded.
        """
        ...

    async def resume_recording(self, call_id: str, *, command_id: str | None = None) -> None:
        """Go on with a paused recording.

        Raises:
            CallEnded: The call is over.
            NotRecording: It is not recorded.
            CarrierError: It may still be paused.
        """
        ...

    async def stop_recording(self, call_id: str, *, command_id: str | None = None) -> None:
        """End the recording; the call goes on.

        Raises:
            CallEnded: The call is over, and the recording with it.
            NotRecording: It is not recorded.
            CarrierError: It may still be recorded.
        """
        ...

    def stream_document(self, document: StreamDocument) -> str:
        """Markup that connects the call with the bot's media socket."""
        ...

    def end_document(self, say: str | None = None) -> str:
        """Markup that ends the call, after a sentence in the carrier's own voice if `say` is given."""
        ...

    def transfer_document(self, document: TransferDocument) -> str:
        """Markup that connects the caller with somebody else."""
        ...

    def digits_document(self, digits: str, then: StreamDocument) -> str:
        """Markup that presses keys for the other side, then connects the call with the bot again.

        Raises:
            ValueError: The carrier's markup cannot send these digits.
        """
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

    def parse_dial_result(self, form: Form) -> DialResult:
        """Read what the `action_url` of a transfer is told.

        Raises:
            WebhookError: It names no call, or no result.
        """
        ...

    def parse_recording(self, form: Form) -> RecordingUpdate:
        """Read a recording callback.

        Raises:
            WebhookError: It names no call.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        ...


def call_direction(form: Form) -> Direction:
    """Who dialled, from a webhook's `Direction` field (`inbound`, `outbound-api`, `outbound-dial`)."""
    return Direction.OUTBOUND if form.get("Direction", "").startswith("outbound") else Direction.INBOUND
