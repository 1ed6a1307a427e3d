"""Recording a live call by REST, on both carriers, and the files.

Sources: Twilio docs, voice/api/recording, errors 20404, 21220; the published client library's types of TeXML
recordings (telnyx 4.189). Telnyx's commands are in `emulator.carriers.telnyx.control.recording_commands`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from emulator.carriers.telnyx import rest as rest_telnyx
from emulator.carriers.telnyx.control.refusals import TOO_EARLY, CommandRefused
from emulator.carriers.twilio import rest as rest_twilio
from emulator.carriers.twilio.wire import API_VERSION, new_sid
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.legs.recordings import FILES, IN_PROGRESS, Recording, RecordingOrder, Tell, media_url

if TYPE_CHECKING:
    from emulator.carriers.telnyx.rest import TelnyxRest
    from emulator.carriers.twilio.rest import TwilioRest

CURRENT = "Twilio.CURRENT"


class RecordingRoutes:
    """The routes of both carriers, and of the files.

    Args:
        exchange: The network's inside.
        twilio: Lets Twilio's requests in.
        telnyx: Lets Telnyx's requests in.
    """

    def __init__(self, exchange: Exchange, twilio: TwilioRest, telnyx: TelnyxRest) -> None:
        """Serve nothing yet."""
        self._exchange = exchange
        self._twilio = twilio
        self._telnyx = telnyx

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        twilio = f"/{API_VERSION}/Accounts/{{account}}"
        texml = "/v2/texml/Accounts/{account}/Calls/{call}"
        return [
            web.post(f"{twilio}/Calls/{{call}}/Recordings.json", self._twilio_start),
            web.get(f"{twilio}/Calls/{{call}}/Recordings.json", self._twilio_list),
            web.post(f"{twilio}/Calls/{{call}}/Recordings/{{recording}}.json", self._twilio_update),
            web.get(f"{twilio}/Recordings/{{recording}}", self._file),
            web.post(f"{texml}/Recordings.json", self._texml_start),
            web.get(f"{texml}/Recordings.json", self._texml_list),
            web.post(f"{texml}/Recordings/{{recording}}.json", self._texml_update),
            web.get(f"{FILES}/{{recording}}", self._file),
        ]

    # Twilio

    async def _twilio_start(self, request: web.Request) -> web.Response:
        call = self._twilio.named_call(request)
        if isinstance(call, web.Response):
            return call
        form = await self._twilio.read(request, "start_recording", call)
        if isinstance(form, web.Response):
            return form
        if call.leg.ended or call.leg.answered_at is None:
            return rest_twilio.error(400, 21220, "Requested resource is not eligible for recording")
        order = RecordingOrder(form.get("RecordingChannels") == "dual", form.get("RecordingTrack", "both"))
        recording = self._exchange.recordings.start(new_sid("RE"), call, order, callback(form))
        _tell_begin(recording, form)
        return web.json_response(twilio_recording(recording), status=201)

    async def _twilio_list(self, request: web.Request) -> web.Response:
        call = self._twilio.named_call(request)
        if isinstance(call, web.Response):
            return call
        query = await self._twilio.read(request, "list_recordings", call)
        if isinstance(query, web.Response):
            return query
        listed = [twilio_recording(one) for one in self._exchange.recordings.of(call)]
        return web.json_response({"recordings": listed, "page": 0, "page_size": 50, "next_page_uri": None})

    async def _twilio_update(self, request: web.Request) -> web.Response:
        call = self._twilio.named_call(request)
        if isinstance(call, web.Response):
            return call
        form = await self._twilio.read(request, "update_recording", call)
        if isinstance(form, web.Response):
            return form
        recording = self._named(call, request.match_info["recording"])
        if recording is None:
            return rest_twilio.error(404, 20404, f"The requested resource {request.path} was not found")
        change(recording, form["Status"], skip=form.get("PauseBehavior") == "skip")
        return web.json_response(twilio_recording(recording))

    # TeXML

    async def _texml_start(self, request: web.Request) -> web.Response:
        call = self._telnyx.named_call(request)
        if isinstance(call, web.Response):
            return call
        form = await self._telnyx.read(request, "start_recording", call)
        if isinstance(form, web.Response):
            return form
        if call.leg.ended:
            return rest_telnyx.ended_already()
        if self._exchange.recordings.too_early(call):
            refused = CommandRefused(TOO_EARLY)
            return web.json_response(refused.body(), status=refused.status)
        order = RecordingOrder(
            form.get("RecordingChannels", "dual") == "dual",
            form.get("RecordingTrack", "both"),
            form.get("PlayBeep", "true") == "true" and "PlayBeep" in form,
        )
        recording = self._exchange.recordings.start(str(uuid.uuid4()), call, order, callback(form))
        _tell_begin(recording, form)
        return web.json_response(texml_recording(recording))

    async def _texml_list(self, request: web.Request) -> web.Response:
        call = self._telnyx.named_call(request)
        if isinstance(call, web.Response):
            return call
        query = await self._telnyx.read(request, "fetch", call)
        if isinstance(query, web.Response):
            return query
        listed = [texml_recording(one) for one in self._exchange.recordings.of(call)]
        return web.json_response({"recordings": listed, "page": 0, "page_size": 20, "end": len(listed)})

    async def _texml_update(self, request: web.Request) -> web.Response:
        call = self._telnyx.named_call(request)
        if isinstance(call, web.Response):
            return call
        form = await self._telnyx.read(request, "update_recording", call)
        if isinstance(form, web.Response):
            return form
        recording = self._named(call, request.match_info["recording"])
        if recording is None:
            return rest_telnyx.error(404, "10005", "Resource not found", "The recording does not exist")
        change(recording, form["Status"], skip=False)
        return web.json_response(texml_recording(recording))

    # Files

    async def _file(self, request: web.Request) -> web.Response:
        name, _, ending = request.match_info["recording"].partition(".")
        recording = self._exchange.recordings.find(name)
        if recording is not None and ending == "json":
            return web.json_response(twilio_recording(recording))
        if recording is None or not recording.over:
            return web.Response(status=404)
        if ending not in ("", "wav"):
            return web.Response(status=404, text="the emulator's recordings are WAV files: ask for .wav")
        return web.Response(body=recording.wav(), content_type="audio/x-wav")

    def _named(self, call: Call, name: str) -> Recording | None:
        if name == CURRENT:
            return self._exchange.recordings.current(call)
        found = self._exchange.recordings.find(name)
        return found if found is not None and found.call is call else None


def change(recording: Recording, status: str, *, skip: bool) -> None:
    """Pause, go on or stop."""
    if status == "paused":
        recording.pause(skip=skip)
    elif status == "in-progress":
        recording.resume()
    else:
        recording.stop()


def callback(form: Mapping[str, str], base: str | None = None) -> Tell:
    """Reports to the form's RecordingStatusCallback, if there is one and it wants to know."""
    events = (form.get("RecordingStatusCallbackEvent") or "completed").split()

    async def tell(recording: Recording) -> None:
        url = form.get("RecordingStatusCallback")
        if url and recording.status in events:
            call = recording.call
            parameters = status_parameters(recording)
            method = form.get("RecordingStatusCallbackMethod", "POST")
            await call.webhooks.notify(url, parameters, f"recording {recording.status} callback", method)

    return tell


def _tell_begin(recording: Recording, form: Mapping[str, str]) -> None:
    if IN_PROGRESS in (form.get("RecordingStatusCallbackEvent") or "").split():
        recording.call.in_background(recording.tell(recording))


def status_parameters(recording: Recording) -> dict[str, str]:
    """The form of a recording's status callback. Source: Twilio docs, call resource; Telnyx docs, TeXML callbacks."""
    leg = recording.call.leg
    found = {
        "AccountSid": leg.account_id,
        "CallSid": leg.call_id,
        "RecordingSid": recording.recording_id,
        "RecordingUrl": media_url(recording),
        "RecordingStatus": recording.status,
        "RecordingChannels": str(recording.channels),
        "RecordingSource": recording.order.source,
    }
    if recording.call.dialect.name == "twilio":
        found |= {
            "RecordingStartTime": format_datetime(recording.started_at),
            "RecordingTrack": recording.order.track,
            "ErrorCode": "0",
        }
    if recording.over:
        found["RecordingDuration"] = str(recording.duration_secs)
    return found


def twilio_recording(recording: Recording) -> dict[str, Any]:
    """A recording resource; the fields and types of the API's schema."""
    leg = recording.call.leg
    base = f"/{API_VERSION}/Accounts/{leg.account_id}"
    started = format_datetime(recording.started_at)
    return {
        "account_sid": leg.account_id,
        "api_version": API_VERSION,
        "call_sid": leg.call_id,
        "channels": recording.channels,
        "conference_sid": None,
        "date_created": started,
        "date_updated": started,
        "duration": str(recording.duration_secs) if recording.over else None,
        "encryption_details": None,
        "error_code": None,
        "media_url": media_url(recording),
        "price": None,
        "price_unit": "USD",
        "sid": recording.recording_id,
        "source": recording.order.source,
        "start_time": started,
        "status": recording.status,
        "track": recording.order.track,
        "uri": f"{base}/Calls/{leg.call_id}/Recordings/{recording.recording_id}.json",
    }


def texml_recording(recording: Recording) -> dict[str, Any]:
    """A TeXML recording; the fields of the client library's type."""
    leg = recording.call.leg
    return {
        "account_sid": leg.account_id,
        "call_sid": leg.call_id,
        "channels": recording.channels,
        "conference_sid": None,
        "date_created": recording.started_at.isoformat(),
        "date_updated": (recording.ended_at or recording.started_at).isoformat(),
        "duration": str(recording.duration_secs),
        "error_code": None,
        "price": None,
        "price_unit": "USD",
        "sid": recording.recording_id,
        "source": recording.order.source,
        "start_time": recording.started_at.isoformat(),
        "track": recording.order.track,
        "uri": f"/v2/texml/Accounts/{leg.account_id}/Calls/{leg.call_id}/Recordings/{recording.recording_id}.json",
    }
