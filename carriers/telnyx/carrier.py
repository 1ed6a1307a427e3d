"""Telnyx, for calls that run TeXML: its callbacks, and what REST can be asked to do. Each is one request, sent once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote, urlencode

from loguru import logger

from carriers.callbacks import FormCallbacks
from carriers.carrier import (
    CarrierCall,
    Form,
    IncomingCall,
    StatusUpdate,
    WebhookError,
    call_direction,
    phone_number,
)
from carriers.dialling import DialledCall, DialOut
from carriers.errors import CarrierError, CarrierUnavailable
from carriers.forms import FORM_TYPE
from carriers.markup import MarkupCalls
from carriers.recording import RecordingFile, RecordingFormat
from carriers.telnyx.account import TelnyxAccount
from carriers.telnyx.addresses import telnyx_address
from carriers.telnyx.calls import TEXML_STATES, recent_calls, texml_dial_body, undocumented_id
from carriers.telnyx.commands import checked
from carriers.telnyx.detection import TEXML
from carriers.telnyx.texml import TexmlDocuments

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx, BaseModel

RECENT_CALLS = 20


CALLBACK_FIELDS = frozenset({"CallbackSource", "HangupCause", "RecordingStatus", "StreamEvent"})
"""Fields that only callbacks have, and no request for instructions. Source: Telnyx docs, API reference, TeXML
callbacks."""


class TelnyxCarrier(TexmlDocuments, FormCallbacks, MarkupCalls, TelnyxAccount):
    """Calls at Telnyx that run TeXML.

    Parameters:
        name: `telnyx`.
        mode: `MARKUP`.
    """

    answered_words = TEXML
    interface = "TeXML"

    def parse_incoming(self, form: Form) -> IncomingCall:
        """Read a TeXML instruction fetch.

        Raises:
            WebhookError: There is no CallSid, or it is a callback, which may have been signed for another address.
        """
        if not CALLBACK_FIELDS.isdisjoint(form):
            raise WebhookError("this is a callback, and not a request for instructions")
        return IncomingCall(
            call_id=form.required("CallSid"),
            from_number=phone_number(form.get("From") or form.get("FromSipUri")),
            to_number=phone_number(form.get("To") or form.get("ToSipUri")),
            direction=call_direction(form),
        )

    def parse_status(self, form: Form) -> StatusUpdate:
        """Read a TeXML status callback.

        Raises:
            WebhookError: There is no CallSid.
        """
        sip_code = form.get("SipHangupCause")
        reason = (form.get("HangupCause", ""), f"SIP {sip_code}" if sip_code else "")
        return StatusUpdate(
            call_id=form.required("CallSid"),
            state=TEXML_STATES.get(form.get("CallStatus", "")),
            reason=", ".join(filter(None, reason)),
        )

    async def prepare(self) -> None:
        """Load the SDK, and ask for the account's ID while nobody is on the line, as most of TeXML's REST needs it."""
        await super().prepare()
        try:
            await self._account()
        except CarrierError as error:
            logger.warning(
                "TELNYX_ACCOUNT_SID is not set, and Telnyx does not tell it; transfers, recordings and calls of the "
                "bot fail until it does: {}",
                error,
            )

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call that runs TeXML. TeXML REST has no idempotency key, so `command_id` is not sent.

        Source: telnyx SDK, `types/texml/accounts/call_calls_params.py`. Which id the call gets is not
        documented for the answer; it is taken if it is there.

        Raises:
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        body = texml_dial_body(
            dial_out, self._connection("TeXML application"), self.stream_document(dial_out.stream)
        )
        account = await self._account()
        answer = await self._dial(
            lambda client: client.texml.accounts.calls.calls(account, body=cast(Any, body))
        )
        return DialledCall(id=undocumented_id(answer.model_extra or {}))

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        """The TeXML calls between two numbers that were made since a moment, at most 20.

        Telnyx's own filter goes by whole days, so only ours is used.

        Raises:
            CarrierError: Telnyx did not say.
        """
        return await self._list(since, to=to, from_=from_number)

    async def dialled_from(self, call_id: str, destination: str, since: datetime) -> list[CarrierCall]:
        """The TeXML calls to a destination that were made since a moment, the newest first, at most 20.

        Telnyx's list does not say which call has dialled: when two callers were transferred to the same destination at
        the same time, the legs of both are in it.

        Raises:
            CarrierError: Telnyx did not say.
        """
        return await self._list(since, to=destination)

    async def update_document(self, call_id: str, document: str) -> None:
        """Make a live TeXML call follow this TeXML instead of what it does now.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierError: See `Carrier.update_document`; also when the call runs no TeXML.
        """
        await self._send_form(call_id, "", {"Texml": document})

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live TeXML call from now on; the format cannot be chosen.

        Not by Call Control's command: where its events would go, for a call without them, is not documented.

        Source: telnyx SDK, `recordings_json_recordings_json_params.py`.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        fields = {"RecordingChannels": "dual"}
        if status_url:
            fields |= {
                "RecordingStatusCallback": telnyx_address(status_url),
                "RecordingStatusCallbackEvent": "in-progress completed absent",
                "RecordingStatusCallbackMethod": "POST",
            }
        answer = await self._send_form(call_id, "/Recordings.json", fields)
        sid = answer.get("sid")
        return sid if isinstance(sid, str) else None

    async def pause_recording(
        self,
        call_id: str,
        *,
        recording_id: str | None = None,
        command_id: str | None = None,
    ) -> None:
        """Stop recording for a while; without the recording's id by Call Control's command, which needs none.

        Raises:
            CarrierError: It may still be recorded.
        """
        if recording_id is None:
            await super().pause_recording(call_id, command_id=command_id)
        else:
            await self._update_recording(call_id, recording_id, "paused")

    async def resume_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """Go on with a paused recording; without its id as with `pause_recording`.

        Raises:
            CarrierError: It may still be paused.
        """
        if recording_id is None:
            await super().resume_recording(call_id, command_id=command_id)
        else:
            await self._update_recording(call_id, recording_id, "in-progress")

    async def stop_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """End the recording; without its id as with `pause_recording`.

        Raises:
            CarrierError: It may still be recorded.
        """
        if recording_id is None:
            await super().stop_recording(call_id, command_id=command_id)
        else:
            await self._update_recording(call_id, recording_id, "stopped")

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording of a TeXML call with its file.

        Source: telnyx SDK, `resources/texml/accounts/recordings/json.py`.

        Raises:
            CallNotFound: There is no such recording (any more).
            CarrierError: It may still be there.
        """
        account, sid = await self._account(), checked(recording_id, "recording")
        await self._delete(f"/texml/Accounts/{quote(account, safe='')}/Recordings/{quote(sid, safe='')}.json")

    async def recording_file(self, recording_id: str) -> RecordingFile:
        """Where the file of a recording of a TeXML call is, for 10 minutes.

        Source: telnyx SDK, `resources/texml/accounts/recordings/json.py`.

        Raises:
            CallNotFound: There is no such recording (any more), or it has no file.
            CarrierError: Telnyx did not say.
        """
        account, sid = await self._account(), checked(recording_id, "recording")
        answer = await self._ask(
            lambda client: client.texml.accounts.recordings.json.retrieve_recording_sid_json(
                sid, account_sid=account
            )
        )
        return self._api.file_at(answer.media_url)

    async def _update_recording(
        self, call_id: str, recording_id: str, status: Literal["in-progress", "paused", "stopped"]
    ) -> None:
        recording_id = checked(recording_id, "recording")
        await self._send_form(call_id, f"/Recordings/{recording_id}.json", {"Status": status})

    async def _send_form(self, call_id: str, below: str, fields: dict[str, str]) -> dict[str, Any]:
        """Post a form to a call's address, or below it, and return what the answer has.

        What changes a live TeXML call is documented as a form, and error 10034 as the answer to anything else; the SDK
        sends JSON, as it does rightly for new calls. Source: Telnyx docs, TeXML REST, API error codes.
        """
        account = quote(await self._account(), safe="")
        content, headers = urlencode(fields).encode(), {"Content-Type": FORM_TYPE}

        async def post(client: AsyncTelnyx, id_: str) -> BaseModel:
            from telnyx import BaseModel  # loaded by now, as there is a client

            path = f"/texml/Accounts/{account}/Calls/{quote(id_, safe=':')}{below}"
            return await client.post(path, content=content, options={"headers": headers}, cast_to=BaseModel)

        return (await self._command(call_id, post)).model_extra or {}

    async def _list(self, since: datetime, **filters: Any) -> list[CarrierCall]:
        account = await self._account()
        answer = await self._ask(
            lambda client: client.texml.accounts.calls.retrieve_calls(
                account, page_size=RECENT_CALLS, **filters
            )
        )
        if answer.calls is None:
            raise CarrierUnavailable("Telnyx answered without a list of calls: that is not an empty list")
        return recent_calls(answer.calls, since)
