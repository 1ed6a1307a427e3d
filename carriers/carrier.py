"""What every phone company must be able to do for us, in one vocabulary.

A carrier is REST (to act on a call), markup (to tell it what to do next), webhooks (what it reports) and
signatures (whether it was really the carrier). Each carrier's folder implements `Carrier`; nothing outside of it needs
to know which of them it talks to.
"""

from __future__ import annotations

from typing import Protocol, TypeGuard

from carriers.actions import CallActions, CommandActions, DocumentActions, KeyActions
from carriers.dialling import DialledCall, DialOrder, DialOut, DialResult, DialStatus, MachineDetection
from carriers.documents import Meeting, MessageDocument, TransferDocument
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
    OtherCallEnded,
)
from carriers.forms import Form, WebhookError, WebhookRequest
from carriers.numbers import phone_number
from carriers.recording import RecordedMessage, RecordingFormat, RecordingState, RecordingUpdate
from carriers.reports import (
    AnsweredBy,
    CarrierCall,
    CarrierEvent,
    Direction,
    HangUp,
    IncomingCall,
    LegEnd,
    LineState,
    MachineResult,
    ReferResult,
    Signature,
    StatusUpdate,
    call_direction,
)
from carriers.streams import StreamDocument

__all__ = [
    "CALL_CONTROL",
    "MARKUP",
    "AnsweredBy",
    "CallEnded",
    "CallNotFound",
    "Carrier",
    "CarrierCall",
    "CarrierError",
    "CarrierEvent",
    "CarrierRejected",
    "CarrierUnauthorized",
    "CarrierUnavailable",
    "CommandCarrier",
    "DialOrder",
    "DialOut",
    "DialResult",
    "DialStatus",
    "DialUncertain",
    "DialledCall",
    "Direction",
    "DocumentCarrier",
    "Form",
    "HangUp",
    "IncomingCall",
    "LegEnd",
    "LineState",
    "MachineDetection",
    "MachineResult",
    "Meeting",
    "MessageDocument",
    "NotConfigured",
    "NotRecording",
    "OtherCallEnded",
    "RecordedMessage",
    "RecordingFormat",
    "RecordingState",
    "RecordingUpdate",
    "ReferResult",
    "Signature",
    "StatusUpdate",
    "StreamDocument",
    "TransferDocument",
    "WebhookError",
    "WebhookRequest",
    "call_direction",
    "phone_number",
    "runs_commands",
    "runs_documents",
    "sends_digits",
]

MARKUP = ""
"""The mode of a call that the carrier runs by documents of ours."""

CALL_CONTROL = "call_control"
"""The mode of a call that we run by commands, and that the carrier reports on by events."""

REQUEST_TIMEOUT_SECS = 2.5
"""How long one REST request may take. Short, because a caller is on the line; the code that asked decides about a
retry."""

DIAL_TIMEOUT_SECS = 10.0
"""How long a request to dial may take. Longer, because nobody is on the line yet, and giving up too early would leave
us not knowing whether the callee's phone rings."""

SIGNED_TIME_SECS = 300
"""By how many seconds the time that a carrier has signed with a request may lie in the past or in the future. Source:
telnyx SDK, `resources/webhooks.py`."""


class Carrier(CallActions, Protocol):
    """One phone company.

    Reading webhooks and writing documents works without credentials; what is `async` needs them.

    A carrier has up to two ways to run a call, its modes, and a call keeps its own from beginning to end. So a
    `Carrier` is for calls of one mode: a `DocumentCarrier`, or a `CommandCarrier`.

    Parameters:
        name: The carrier's name in `known_carriers()`.
        mode: `MARKUP` or `CALL_CONTROL`.
        keeps_stream_while_transferring: Whether the media stream goes on until the destination of a `transfer` has
            answered. If not, it ends at once, and another one begins if the caller comes back.
        ignores_repeated_commands: Whether a command that is sent again with the same id is carried out once only, so
            that one without an answer can be repeated.
        call_secs: To how many seconds the length of a call may be limited (`DialOut.time_limit_secs`).
        sends_digits_by_rest: Whether it has `KeyActions`. If not, `digits_document` does the same, but the media
            stream ends for it and another one begins.
    """

    name: str
    mode: str
    keeps_stream_while_transferring: bool
    ignores_repeated_commands: bool
    sends_digits_by_rest: bool
    call_secs: range

    def verify_webhook(self, request: WebhookRequest) -> Signature:
        """Tell whether a webhook or a WebSocket upgrade really comes from the carrier."""
        ...

    def has_signature(self, request: WebhookRequest) -> bool:
        """Whether a webhook has a signature that can be checked, be it right or wrong; its body is not looked at."""
        ...

    def signed_content(self, request: WebhookRequest) -> bytes | None:
        """The bytes that a webhook's valid signature covers; None when it covers the address, too."""
        ...

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        ...


class DocumentCarrier(Carrier, DocumentActions, Protocol):
    """One phone company, for calls that it runs by documents of ours, which it asks for by webhooks."""

    def stream_document(self, document: StreamDocument) -> str:
        """Markup that connects the call with the bot's media socket."""
        ...

    def end_document(self, say: str | None = None, language: str | None = None) -> str:
        """Markup that ends the call, after a sentence in the carrier's own voice if `say` is given.

        The sentence is English unless `language` names another, as in BCP 47.
        """
        ...

    def message_document(self, message: MessageDocument) -> str:
        """Markup that has the carrier take a message from the caller."""
        ...

    def reject_document(self) -> str:
        """Markup that lets a new call's caller hear a busy tone; the call is not answered."""
        ...

    def redirect_document(self, url: str) -> str:
        """Markup that has the carrier ask another absolute address what to do."""
        ...

    def transfer_document(self, document: TransferDocument) -> str:
        """Markup that connects the caller with the document's destination."""
        ...

    def conference_document(self, meeting: Meeting) -> str:
        """Markup that lets a call wait for another one and talk with it; the call ends when one of them leaves."""
        ...

    def digits_document(self, digits: str, then: StreamDocument) -> str:
        """Markup that presses keys for the other side, then connects the call with the bot again.

        Raises:
            ValueError: The carrier's markup cannot send these digits.
        """
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
        """Read the carrier's request to the `action_url` of a transfer: how the transfer went.

        Raises:
            WebhookError: It names no call, or no result.
        """
        ...

    def parse_refer_result(self, form: Form) -> ReferResult:
        """Read the carrier's request to the `action_url` of a transfer by REFER: how the transfer went.

        Raises:
            WebhookError: It names no call, or no result.
        """
        ...

    def parse_machine_detection(self, form: Form) -> MachineResult:
        """Read the carrier's request to the `amd_url` of a call that we made: who, or what, answered.

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

    def parse_message(self, form: Form) -> RecordedMessage:
        """Read the carrier's request to the `action_url` of a message.

        Raises:
            WebhookError: It names no call.
        """
        ...


class CommandCarrier(Carrier, CommandActions, Protocol):
    """One phone company, for calls that we run by commands, and that it reports on by events."""

    def parse_event(self, body: bytes) -> CarrierEvent:
        """Read an event of a call that is run by commands.

        Raises:
            WebhookError: The body is no event.
        """
        ...


def runs_documents(carrier: Carrier) -> TypeGuard[DocumentCarrier]:
    """Whether the calls of a carrier run by documents."""
    return carrier.mode == MARKUP


def runs_commands(carrier: Carrier) -> TypeGuard[CommandCarrier]:
    """Whether the calls of a carrier run by commands."""
    return carrier.mode == CALL_CONTROL


def sends_digits(carrier: Carrier) -> TypeGuard[KeyActions]:
    """Whether a carrier can press keys without a document."""
    return carrier.sends_digits_by_rest
