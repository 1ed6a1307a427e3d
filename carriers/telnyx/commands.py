"""Call Control's commands: what every call at Telnyx takes, whatever runs it. Each is one REST request, sent once.

A TeXML call's CallSid is its call control id, and hanging it up like this is what Pipecat's own Telnyx examples do.
That TeXML calls take the other commands too is likely, but stated nowhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from carriers.carrier import DIAL_TIMEOUT_SECS, REQUEST_TIMEOUT_SECS, CarrierCall, HangUp, LineState
from carriers.checks import Addresses
from carriers.documents import checked_digits
from carriers.errors import (
    CallEnded,
    CallNotFound,
    CarrierRejected,
    NotConfigured,
    TooEarly,
)
from carriers.forms import moment
from carriers.live_calls import LiveCall
from carriers.recording import RecordingFile, RecordingFormat
from carriers.rest import RestCalls
from carriers.telnyx.api import TelnyxApi
from carriers.telnyx.calls import CALL_CONTROL_ID
from carriers.telnyx.live_calls import live_calls

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx, BaseModel

T = TypeVar("T")

ALREADY_ENDED = (422, "90018")
"""HTTP status and code of "Call has already ended". Source: Telnyx docs, API error codes; seen live."""


NO_AUDIO = "90020"
"""Error code of "recording cannot be started until audio has commenced". Source: Telnyx docs, API error codes."""


class TelnyxCommands(RestCalls["AsyncTelnyx"]):
    """The part of `carriers.telnyx.carrier.TelnyxCarrier` that is the same for all of its calls."""

    _api: TelnyxApi
    mode: str
    sends_digits_by_rest = True
    # By the page of error 90029; the SDK and the pages of the requests go on to 14400, and begin at 30 for TeXML.
    call_secs = range(60, 14001)

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
        super().__init__(api, timeout_secs=timeout_secs, dial_timeout_secs=dial_timeout_secs)
        self._account_sid = account_sid
        self._connection_id = connection_id
        self._codec = codec

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call with Call Control's `hangup`.

        Raises:
            CarrierError: It may still be up.
        """
        # A fresh id for each request: Telnyx ignores a repeated one, and a second hang-up does no harm.
        try:
            await self._command(
                call_id, lambda client, id_: client.calls.actions.hangup(id_, command_id=new_id(None))
            )
        except CallEnded:
            return HangUp(already_ended=True)
        return HangUp(already_ended=False)

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call; Telnyx knows for ten minutes after its end, and not why it ended.

        Raises:
            CarrierError: Telnyx did not say.
        """
        control_id = checked(call_id)
        answer = await self._ask(lambda client: client.calls.retrieve_status(control_id))
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
            ended_at=moment(data.end_time),
        )

    async def send_digits(self, call_id: str, digits: str, *, command_id: str | None = None) -> None:
        """Press keys for the other side; the media stream goes on.

        Raises:
            CallEnded: The call is over.
            CarrierError: They were not sent; also, without asking Telnyx, when they are no digits.
        """
        try:
            checked_digits(digits)
        except ValueError as error:
            raise CarrierRejected(str(error)) from None
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.send_dtmf(
                id_, digits=digits, command_id=new_id(command_id)
            ),
        )

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live call from now on; events report on the recording, and have its id.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.start_recording(
                id_, channels="dual", format=file_format.value, command_id=new_id(command_id)
            ),
        )
        return None

    async def pause_recording(
        self,
        call_id: str,
        *,
        recording_id: str | None = None,
        command_id: str | None = None,
    ) -> None:
        """Stop recording for a while; Telnyx reports a pause nowhere.

        Raises:
            CarrierError: It may still be recorded.
        """
        options = _recording_options(recording_id, command_id)
        await self._command(call_id, lambda client, id_: client.calls.actions.pause_recording(id_, **options))

    async def resume_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """Go on with a paused recording.

        Raises:
            CarrierError: It may still be paused.
        """
        options = _recording_options(recording_id, command_id)
        await self._command(
            call_id, lambda client, id_: client.calls.actions.resume_recording(id_, **options)
        )

    async def stop_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """End the recording; the call goes on.

        Raises:
            CarrierError: It may still be recorded.
        """
        options = _recording_options(recording_id, command_id)
        await self._command(call_id, lambda client, id_: client.calls.actions.stop_recording(id_, **options))

    async def live_calls(self, ours: Addresses, caller_ids: Collection[str]) -> list[LiveCall]:
        """The calls of TELNYX_CONNECTION_ID that are up, as `carriers.live_calls.ListsLiveCalls` says.

        Raises:
            CarrierError: Telnyx did not say.
        """
        if not self._connection_id:
            return []
        return await live_calls(self._look, self._connection_id, self.mode, ours)

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording with its file.

        Source: telnyx SDK, `resources/recordings/recordings.py`.

        Raises:
            CallNotFound: There is no such recording (any more).
            CarrierError: It may still be there.
        """
        await self._delete(f"/recordings/{quote(checked(recording_id, 'recording'), safe='')}")

    async def recording_file(self, recording_id: str) -> RecordingFile:
        """Where the file of a recording is, for 10 minutes.

        Source: telnyx SDK, `types/recording_response_data.py`; Telnyx docs, call.recording.saved (10 minutes).

        Raises:
            CallNotFound: There is no such recording (any more), or it has no file.
            CarrierError: Telnyx did not say.
        """
        sid = checked(recording_id, "recording")
        answer = await self._ask(lambda client: client.recordings.retrieve(sid))
        urls = answer.data.download_urls if answer.data is not None else None
        return self._api.file_at((urls.wav or urls.mp3) if urls is not None else None)

    async def _delete(self, path: str) -> None:
        """Have something deleted. Whether the answer has a body does not matter, so not by the SDK's own methods."""

        async def deleted(client: AsyncTelnyx) -> BaseModel:
            from telnyx import BaseModel  # loaded by now, as there is a client

            await client.delete(path, cast_to=NoneType)
            return BaseModel()

        await self._ask(deleted)

    async def _command(self, call_id: str, request: Callable[[AsyncTelnyx, str], Awaitable[T]]) -> T:
        control_id = checked(call_id)
        try:
            return await self._ask(lambda client: request(client, control_id))
        except CarrierRejected as error:
            if error.code == NO_AUDIO:
                raise TooEarly("Telnyx records a call only once its audio has commenced (90020)") from None
            if (error.status, error.code) != ALREADY_ENDED:
                raise
            raise CallEnded(
                "the call is not live any more (Telnyx answered 422 with error 90018)",
                status=error.status,
                code=error.code,
            ) from None

    async def _account(self) -> str:
        """The account's ID in TeXML's addresses: the one that is configured, else the one that Telnyx reports."""
        return self._account_sid or await self._api.organization_id(timeout_secs=self._timeout_secs)

    def _connection(self, kind: str) -> str:
        if not self._connection_id:
            raise NotConfigured(f"TELNYX_CONNECTION_ID is not set: copy the ID of a {kind} from the portal")
        return self._connection_id


def new_id(command_id: str | None) -> str:
    """The id of a command: in a retry the given one, so that Telnyx ignores it if the first attempt had worked."""
    return command_id or str(uuid.uuid4())


def _recording_options(recording_id: str | None, command_id: str | None) -> dict[str, Any]:
    options = {"command_id": new_id(command_id)}
    return options if recording_id is None else {**options, "recording_id": recording_id}


def checked(id_: str, of: str = "call") -> str:
    """An id that may stand in a path.

    Raises:
        CarrierRejected: It may not.
    """
    if not CALL_CONTROL_ID.fullmatch(id_) or id_.strip(".") == "":
        kind = "call control id (v3:…)" if of == "call" else "id"
        raise CarrierRejected(f"the {of} id is not a Telnyx {kind}: it was not sent to Telnyx")
    return id_
