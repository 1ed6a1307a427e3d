"""What Telnyx can be asked to do: each verb is one REST request, sent once.

Telnyx has two interfaces. A call that runs TeXML takes new TeXML over the "TeXML REST" paths; Call Control's
commands act on both kinds of calls, since a TeXML call's CallSid is its call control id.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from carriers.carrier import DIAL_TIMEOUT_SECS, REQUEST_TIMEOUT_SECS, CarrierCall, HangUp, LineState
from carriers.dialling import DialledCall, DialOut, check_destination, check_ring_timeout
from carriers.documents import StreamDocument, checked_digits
from carriers.errors import (
    CallEnded,
    CallNotFound,
    CarrierRejected,
    CarrierUnavailable,
    DialUncertain,
    NotConfigured,
)
from carriers.recording import RecordingFormat
from carriers.telnyx_api import TelnyxApi
from carriers.telnyx_calls import (
    CALL_CONTROL_ID,
    call_control_dial_options,
    moment,
    recent_calls,
    texml_dial_body,
    undocumented_id,
)

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx

T = TypeVar("T")

ALREADY_ENDED = (422, "90018")
"""HTTP status and code of "Call has already ended". Source: Telnyx docs, API error codes; seen live."""

RECENT_CALLS = 20


class TelnyxRest:
    """The REST half of `carriers.telnyx.TelnyxCarrier`."""

    sends_digits_by_rest = True

    def __init__(
        self,
        api: TelnyxApi,
        *,
        account_sid: str | None = None,
        connection_id: str | None = None,
        codec: str = "PCMU",
        timeout_secs: float = REQUEST_TIMEOUT_SECS,
        dial_timeout_secs: float = DIAL_TIMEOUT_SECS,
    ):
        """Keep the connection.

        Args:
            api: Where the requests go.
            account_sid: The account, part of the TeXML paths.
            connection_id: The TeXML or Voice API application that calls are made with.
            codec: What we send in media streams: PCMU, PCMA or L16.
            timeout_secs: Limit of one request.
            dial_timeout_secs: Limit of a request to dial.
        """
        self._api = api
        self._account_sid = account_sid
        self._connection_id = connection_id
        self._codec = codec
        self._timeout_secs = timeout_secs
        self._dial_timeout_secs = dial_timeout_secs

    @property
    def configured(self) -> bool:
        """Whether there are credentials for REST."""
        return self._api.configured

    async def prepare(self) -> None:
        """Load the SDK in a thread: with its thousands of modules it takes seconds."""
        await self._api.prepare()

    async def aclose(self) -> None:
        """Close the connections to the REST API."""
        await self._api.aclose()

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call that runs TeXML. TeXML REST has no idempotency key, so `command_id` is not sent.

        Source: telnyx SDK, `types/texml/accounts/call_calls_params.py`. Which id the call gets is not
        documented for the answer; it is taken if it is there.

        Raises:
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        account, body = self._account(), texml_dial_body(dial_out, self._connection())
        answer = await self._dial(
            lambda client: client.texml.accounts.calls.calls(account, body=cast(Any, body))
        )
        return DialledCall(id=undocumented_id(answer.model_extra or {}))

    async def dial_call_control(self, dial_out: DialOut, stream: StreamDocument) -> DialledCall:
        """Make a Call Control call whose media stream begins with the answer; `answer_url` is not asked.

        Telnyx ignores a repeated `command_id` for 60 s, but does not say that this holds for dialling: so an
        uncertain dial is uncertain here too.

        Args:
            dial_out: The call. Events, also those about an answering machine, go to its `status_url`.
            stream: Where to stream to. `parameters` of both come back in the stream's `client_state`.

        Raises:
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        options = call_control_dial_options(dial_out, self._connection(), stream, self._codec)
        answer = await self._dial(lambda client: client.calls.dial(**options))
        if answer.data is None or not answer.data.call_control_id:
            raise DialUncertain(
                "Telnyx took the call, but did not say under which id: look before dialling again"
            )
        return DialledCall(id=answer.data.call_control_id)

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        """The TeXML calls between two numbers that were made since a moment, at most 20.

        Telnyx's own filter goes by whole days, so only ours is used.

        Raises:
            CarrierError: There was no answer to that.
        """
        account = self._account()
        answer = await self._api.ask(
            lambda client: client.texml.accounts.calls.retrieve_calls(
                account, to=to, from_=from_number, page_size=RECENT_CALLS
            ),
            timeout_secs=self._timeout_secs,
        )
        if answer.calls is None:
            raise CarrierUnavailable("Telnyx answered without a list of calls: that is not an empty list")
        return recent_calls(answer.calls, since)

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call with Call Control's `hangup`.

        Raises:
            CarrierError: It may still be up.
        """
        # A fresh id for each request: Telnyx ignores a repeated one, and a second hang-up does no harm.
        command_id = str(uuid.uuid4())
        try:
            await self._command(
                call_id, lambda client, id_: client.calls.actions.hangup(id_, command_id=command_id)
            )
        except CallEnded:
            return HangUp(already_ended=True)
        return HangUp(already_ended=False)

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call; Telnyx knows for ten minutes after its end, and not why it ended.

        Raises:
            CarrierError: There was no answer to that.
        """
        control_id = _checked(call_id)
        answer = await self._api.ask(
            lambda client: client.calls.retrieve_status(control_id), timeout_secs=self._timeout_secs
        )
        data = answer.data
        if data is None:
            raise CallNotFound("Telnyx has no data on this call", status=200)
        if data.is_alive:
            state = LineState.IN_PROGRESS
        else:
            # Not alive and without an end: dialled, but not answered yet.
            state = LineState.COMPLETED if data.end_time else LineState.RINGING
        return CarrierCall(
            id=data.call_control_id or control_id,
            state=state,
            started_at=moment(data.start_time),
            ended_at=moment(data.end_time),
            duration_secs=data.call_duration,
        )

    async def update_document(self, call_id: str, document: str) -> None:
        """Make a live TeXML call follow this TeXML instead of what it does now.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierError: See `Carrier.update_document`; also when the call runs no TeXML.
        """
        account = self._account()
        await self._command(
            call_id,
            lambda client, id_: client.texml.accounts.calls.update(id_, account_sid=account, texml=document),
        )

    async def update_url(self, call_id: str, url: str) -> None:
        """Make a live TeXML call follow the TeXML at a URL instead of what it does now.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierError: See `Carrier.update_url`; also when the call runs no TeXML.
        """
        account = self._account()
        await self._command(
            call_id,
            lambda client, id_: client.texml.accounts.calls.update(
                id_, account_sid=account, url=url, method="POST"
            ),
        )

    async def transfer(
        self,
        call_id: str,
        destination: str,
        *,
        caller_id: str | None = None,
        ring_timeout_secs: int = 25,
        command_id: str | None = None,
    ) -> None:
        """Connect the caller of a Call Control call with somebody else; a TeXML call takes `update_document`.

        How it went is told by events. If the destination is not reached, the call stays up and its media stream
        goes on.

        Args:
            call_id: The call's call control id.
            destination: E.164 or a SIP address.
            caller_id: The number that the destination sees; None for Telnyx's choice.
            ring_timeout_secs: How long to let it ring, 5 to 120.
            command_id: The same in a retry, so that Telnyx ignores it if the first one had worked.

        Raises:
            ValueError: Nobody can be called like that.
            CallEnded: The call is over, nothing was done.
            CarrierUnavailable: The destination's phone may be ringing.
            CarrierError: The call goes on as it was.
        """
        check_destination("destination", destination)
        check_ring_timeout(ring_timeout_secs)
        options: dict[str, Any] = {"command_id": command_id or str(uuid.uuid4())}
        if caller_id is not None:
            check_destination("caller_id", caller_id)
            options["from_"] = caller_id
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.transfer(
                id_, to=destination, timeout_secs=ring_timeout_secs, **options
            ),
        )

    async def send_digits(self, call_id: str, digits: str, *, command_id: str | None = None) -> None:
        """Press keys for the other side; the media stream goes on.

        Raises:
            CallEnded: The call is over.
            CarrierError: They were not sent; also, unasked, when they are no digits.
        """
        try:
            checked_digits(digits)
        except ValueError as error:
            raise CarrierRejected(str(error)) from None
        command_id = command_id or str(uuid.uuid4())
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.send_dtmf(id_, digits=digits, command_id=command_id),
        )

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live call from now on; the webhook address of the application is told about it.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        command_id = command_id or str(uuid.uuid4())
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.start_recording(
                id_, channels="dual", format=file_format.value, command_id=command_id
            ),
        )
        return None

    async def pause_recording(
        self, call_id: str, *, keep_length: bool = True, command_id: str | None = None
    ) -> None:
        """Stop recording for a while; Telnyx offers no choice of `keep_length`, and tells of a pause nowhere.

        Raises:
            CarrierError: It may still be recorded.
        """
        command_id = command_id or str(uuid.uuid4())
        await self._command(
            call_id, lambda client, id_: client.calls.actions.pause_recording(id_, command_id=command_id)
        )

    async def resume_recording(self, call_id: str, *, command_id: str | None = None) -> None:
        """Go on with a paused recording.

        Raises:
            CarrierError: It may still be paused.
        """
        command_id = command_id or str(uuid.uuid4())
        await self._command(
            call_id, lambda client, id_: client.calls.actions.resume_recording(id_, command_id=command_id)
        )

    async def stop_recording(self, call_id: str, *, command_id: str | None = None) -> None:
        """End the recording; the call goes on.

        Raises:
            CarrierError: It may still be recorded.
        """
        command_id = command_id or str(uuid.uuid4())
        await self._command(
            call_id, lambda client, id_: client.calls.actions.stop_recording(id_, command_id=command_id)
        )

    async def _dial(self, request: Callable[[AsyncTelnyx], Awaitable[T]]) -> T:
        try:
            return await self._api.ask(request, timeout_secs=self._dial_timeout_secs)
        except CarrierUnavailable as error:
            if error.nothing_done:
                raise
            raise DialUncertain(f"{error}. The call may have been made: look before dialling again") from None

    async def _command(self, call_id: str, request: Callable[[AsyncTelnyx, str], Awaitable[T]]) -> T:
        control_id = _checked(call_id)
        try:
            return await self._api.ask(
                lambda client: request(client, control_id), timeout_secs=self._timeout_secs
            )
        except CarrierRejected as error:
            if (error.status, error.code) != ALREADY_ENDED:
                raise
            raise CallEnded(
                "the call is not live any more (Telnyx answered 422 with error 90018)",
                status=error.status,
                code=error.code,
            ) from None

    def _account(self) -> str:
        if not self._account_sid:
            raise NotConfigured("TELNYX_ACCOUNT_SID is not set: copy the account's id from the portal")
        return self._account_sid

    def _connection(self) -> str:
        if not self._connection_id:
            raise NotConfigured(
                "TELNYX_CONNECTION_ID is not set: copy the id of the TeXML application from the portal"
            )
        return self._connection_id


def _checked(call_id: str) -> str:
    if not CALL_CONTROL_ID.fullmatch(call_id) or call_id.strip(".") == "":
        raise CarrierRejected("the call id is not a Telnyx call control id (v3:…): it was not sent to Telnyx")
    return call_id
