"""What Twilio can be asked to do: each verb is one REST request, sent once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from carriers.callbacks import LINE_STATES
from carriers.carrier import CarrierCall, HangUp
from carriers.checks import Addresses
from carriers.dialling import DialledCall, DialOut, MachineDetection
from carriers.errors import (
    CallEnded,
    CarrierRejected,
    DialUncertain,
    NotRecording,
)
from carriers.forms import whole_number
from carriers.live_calls import LiveCall
from carriers.numbers import phone_number
from carriers.recording import RecordingFile, RecordingFormat
from carriers.rest import RestCalls
from carriers.twilio.api import TwilioApi
from carriers.twilio.live_calls import live_calls
from carriers.twilio.twiml import TwimlDocuments

if TYPE_CHECKING:
    from twilio.rest import Client

T = TypeVar("T")

ENDED = (400, 21220)
"""HTTP status and code of "not in progress". Source: Twilio docs, api/errors/21220."""

UNKNOWN = (404, 20404)
"""HTTP status and code of "no such call"; seen live also for calls that had ended."""

MAX_INLINE_CHARS = 4000
"""The longest document in a request. Source: Twilio docs, api/errors/32018."""

MACHINE_DETECTION = {
    MachineDetection.DETECT: "Enable",
    MachineDetection.END_OF_GREETING: "DetectMessageEnd",
}
"""Twilio's words for each. Source: Twilio docs, voice/answering-machine-detection."""

CURRENT_RECORDING = "Twilio.CURRENT"
"""Stands for the id of the recording under way. Source: Twilio docs, voice/api/recording."""

CLOCKS_DIFFER = timedelta(seconds=10)
RECENT_CALLS = 20

_SID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TwilioRest(TwimlDocuments, RestCalls["Client"]):
    """The REST half of `carriers.twilio.carrier.TwilioCarrier`."""

    _api: TwilioApi
    fallback_url: str | None = None
    """Where Twilio asks for a document of a call that we make when it gets none elsewhere. A call to one of our numbers
    has the number's for that."""

    sends_digits_by_rest = False
    # Four hours unless Twilio has raised the account's limit. Source: Twilio's OpenAPI file (TimeLimit: "constraints
    # depend on account and configuration"); Twilio docs, maximum call length.
    call_secs = range(1, 14401)

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call. Twilio has no idempotency key, so `command_id` is not sent.

        Source: Twilio docs, voice/api/call-resource. That `FallbackUrl` also counts for a call that begins with a
        document of ours and gets later ones from our addresses is not said there.

        Raises:
            CarrierRejected: Also, unsent, when the stream's document is longer than Twilio takes in a request.
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        options: dict[str, Any] = {"twiml": _inline(self.stream_document(dial_out.stream))}
        if dial_out.status_url:
            options |= {
                "status_callback": dial_out.status_url,
                "status_callback_event": ["initiated", "ringing", "answered", "completed"],
                "status_callback_method": "POST",
            }
        if dial_out.machine_detection:
            options |= {
                "machine_detection": MACHINE_DETECTION[dial_out.machine_detection],
                # A text, by the API's definition.
                "async_amd": "true",
                "async_amd_status_callback": dial_out.amd_url,
                "async_amd_status_callback_method": "POST",
            }
        if self.fallback_url:
            options |= {"fallback_url": self.fallback_url, "fallback_method": "POST"}
        if dial_out.time_limit_secs is not None:
            options["time_limit"] = dial_out.time_limit_secs
        call = await self._dial(
            lambda client: client.calls.create_async(
                to=dial_out.to,
                from_=dial_out.from_number,
                timeout=dial_out.ring_timeout_secs,
                **options,
            )
        )
        if not call.sid:
            raise DialUncertain(
                "Twilio took the call, but did not say under which id: look before dialling again"
            )
        return DialledCall(id=call.sid)

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        """The calls between two numbers that were made since a moment, the newest first, at most 20.

        Twilio's own filter is not used: it goes by the time of the first ringing, and the call that is looked for here
        may still be queued.

        Raises:
            CarrierError: Twilio did not say.
        """
        return await self._list(since, to=to, from_=from_number)

    async def dialled_from(self, call_id: str, destination: str, since: datetime) -> list[CarrierCall]:
        """The legs that a `<Dial>` of a call has made, the newest first, at most 20.

        Twilio knows whose they are, so they are not looked for by their destination.

        Raises:
            CarrierError: Twilio did not say.
        """
        return await self._list(since, parent_call_sid=_checked(call_id))

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call by setting its status to `completed`.

        Raises:
            CarrierError: It may still be up.
        """
        try:
            call = await self._update(call_id, status="completed")
        except CallEnded as error:
            if error.status == UNKNOWN[0]:
                logger.warning(
                    "Twilio does not know call {} (20404): taken as ended. If callers stay on the line, then "
                    "TWILIO_ACCOUNT_SID or TWILIO_REGION is not the one that the number belongs to",
                    call_id,
                )
            return HangUp(already_ended=True)
        return HangUp(already_ended=False, state=LINE_STATES.get(str(call.status)))

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call. Twilio's answer is "eventually consistent".

        Raises:
            CarrierError: Twilio did not say.
        """
        sid = _checked(call_id)
        call = await self._ask(lambda client: client.calls(sid).fetch_async())
        return _call(call, sid)

    async def update_document(self, call_id: str, document: str) -> None:
        """Make a live call follow this TwiML instead of what it does now.

        Raises:
            CarrierRejected: Also, unsent, when the document is longer than Twilio takes in a request.
            CallEnded: The call is over, nothing was done.
            CarrierError: See `Carrier.update_document`.
        """
        await self._update(call_id, twiml=_inline(document))

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live call from now on; Twilio offers the file in each format.

        Source: Twilio docs, voice/api/recording.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        sid = _checked(call_id)
        options: dict[str, Any] = {}
        if status_url:
            options = {
                "recording_status_callback": status_url,
                # One field, unlike the call resource's. Source: Twilio docs, voice/api/recording.
                "recording_status_callback_event": ["in-progress completed absent"],
                "recording_status_callback_method": "POST",
            }
        recording = await self._change(
            lambda client: client.calls(sid).recordings.create_async(recording_channels="dual", **options)
        )
        recording_id: str | None = recording.sid
        return recording_id

    async def pause_recording(
        self,
        call_id: str,
        *,
        recording_id: str | None = None,
        command_id: str | None = None,
    ) -> None:
        """Stop recording for a while; in the file that is silence.

        Raises:
            CarrierError: It may still be recorded.
        """
        await self._update_recording(call_id, recording_id, status="paused", pause_behavior="silence")

    async def resume_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """Go on with a paused recording.

        Raises:
            CarrierError: It may still be paused.
        """
        await self._update_recording(call_id, recording_id, status="in-progress")

    async def stop_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """End the recording; the call goes on.

        Raises:
            CarrierError: It may still be recorded.
        """
        await self._update_recording(call_id, recording_id, status="stopped")

    async def live_calls(self, ours: Addresses, caller_ids: Collection[str]) -> list[LiveCall]:
        """The calls that are up and ours, as `carriers.live_calls.ListsLiveCalls` says.

        Raises:
            CarrierError: Twilio did not say.
        """
        return await live_calls(self._look, ours, caller_ids)

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording with its file.

        Source: Twilio docs, voice/api/recording, "Delete a Recording resource".

        Raises:
            CallNotFound: There is no such recording (any more).
            CarrierError: It may still be there.
        """
        sid = _checked(recording_id, "recording")
        await self._ask(lambda client: client.recordings(sid).delete_async())

    async def recording_file(self, recording_id: str) -> RecordingFile:
        """Where the file of a recording is: with as many channels as were asked for when it began.

        Source: Twilio docs, voice/api/recording, "Fetch a Recording media file"; its changelog of 2022-05-25
        (`RequestedChannels`).

        Raises:
            CarrierError: The id is none, or Twilio is not configured.
        """
        return await self._api.recording_file(_checked(recording_id, "recording"))

    async def _list(self, since: datetime, **filters: str) -> list[CarrierCall]:
        page = await self._ask(lambda client: client.calls.page_async(page_size=RECENT_CALLS, **filters))
        earliest = since.astimezone(UTC) - CLOCKS_DIFFER
        never = datetime.min.replace(tzinfo=UTC)
        recent = [call for call in page if call.date_created is None or call.date_created >= earliest]
        recent.sort(key=lambda call: call.date_created or never, reverse=True)
        return [_call(call) for call in recent]

    async def _update(self, call_id: str, **changes: str) -> Any:
        sid = _checked(call_id)
        return await self._change(lambda client: client.calls(sid).update_async(**changes))

    async def _update_recording(self, call_id: str, recording_id: str | None, **changes: Any) -> None:
        sid = _checked(call_id)
        recording = CURRENT_RECORDING if recording_id is None else _checked(recording_id, "recording")

        def request(client: Client) -> Awaitable[object]:
            updated: Awaitable[object] = client.calls(sid).recordings(recording).update_async(**changes)
            return updated

        try:
            await self._ask(request)
        except CarrierRejected as error:
            if (error.status, whole_number(error.code)) != UNKNOWN:
                raise _as_ended(error) from None
            # The path names a recording within a call; the answer does not tell which of them is missing.
            raise NotRecording(
                "Twilio has no recording under way for this call", status=error.status, code=error.code
            ) from None

    async def _change(self, request: Callable[[Client], Awaitable[T]]) -> T:
        try:
            return await self._ask(request)
        except CarrierRejected as error:
            raise _as_ended(error) from None


def _inline(document: str) -> str:
    if len(document) > MAX_INLINE_CHARS:
        raise CarrierRejected(
            f"the document has {len(document)} characters, Twilio takes {MAX_INLINE_CHARS} in a request: "
            "shorten the stream's parameters"
        )
    return document


def _as_ended(error: CarrierRejected) -> CarrierRejected:
    if (error.status, whole_number(error.code)) in (ENDED, UNKNOWN):
        return CallEnded(
            f"the call is not live any more (Twilio answered {error.answer})",
            status=error.status,
            code=error.code,
        )
    return error


def _call(call: Any, sid: str = "") -> CarrierCall:
    return CarrierCall(
        id=call.sid or sid,
        state=LINE_STATES.get(str(call.status)),
        from_number=phone_number(call._from),
        to_number=phone_number(call.to),
        ended_at=call.end_time,
    )


def _checked(sid: str, of: str = "call") -> str:
    # The SDK puts the id into the path as it is.
    if not _SID.fullmatch(sid):
        raise CarrierRejected(f"the {of}'s id is not a Twilio SID: it was not sent to Twilio")
    return sid
