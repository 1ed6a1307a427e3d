"""Recording a live call by Twilio's REST interface, and the files.

Sources: Twilio docs, voice/api/recording, errors 20404, 21220.
"""

from __future__ import annotations

from email.utils import format_datetime
from typing import Any

from aiohttp import web

from emulator.carriers.twilio.dialect import API_VERSION
from emulator.carriers.twilio.rest import TwilioRefused, TwilioRest, not_found
from emulator.legs.recordings import Recording, RecordingOrder, Recordings, callback, media_url
from emulator.rest.recording_requests import change, file_of, named, tell_begin

CURRENT = "Twilio.CURRENT"
"""A call's newest recording that is under way."""


class TwilioRecordings:
    """The routes.

    Args:
        recordings: Where they are kept.
        rest: Checks the credentials of requests.
    """

    def __init__(self, recordings: Recordings, rest: TwilioRest) -> None:
        """Serve nothing yet."""
        self._recordings = recordings
        self._rest = rest

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        account = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            web.post(f"{account}/Calls/{{call}}/Recordings.json", self._start),
            web.get(f"{account}/Calls/{{call}}/Recordings.json", self._list),
            web.post(f"{account}/Calls/{{call}}/Recordings/{{recording}}.json", self._update),
            web.get(f"{account}/Recordings/{{recording}}", self._file),
        ]

    async def _start(self, request: web.Request) -> web.Response:
        call = self._rest.named_call(request)
        form = await self._rest.read(request, "start_recording", call)
        if call.leg.ended or call.leg.answered_at is None:
            raise TwilioRefused(400, 21220, "Requested resource is not eligible for recording")
        order = RecordingOrder(form.get("RecordingChannels") == "dual", form.get("RecordingTrack", "both"))
        recording = self._recordings.start(call.dialect.new_recording_id(), call, order, callback(form))
        tell_begin(recording, form)
        return web.json_response(_resource(recording), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        call = self._rest.named_call(request)
        await self._rest.read(request, "list_recordings", call)
        listed = [_resource(one) for one in self._recordings.of(call)]
        return web.json_response({"recordings": listed, "page": 0, "page_size": 50, "next_page_uri": None})

    async def _update(self, request: web.Request) -> web.Response:
        call = self._rest.named_call(request)
        form = await self._rest.read(request, "update_recording", call)
        recording = named(self._recordings, call, request.match_info["recording"], CURRENT)
        if recording is None:
            raise not_found(request)
        change(recording, form["Status"], skip=form.get("PauseBehavior") == "skip")
        return web.json_response(_resource(recording))

    async def _file(self, request: web.Request) -> web.Response:
        name, _, ending = request.match_info["recording"].partition(".")
        recording = self._recordings.find(name)
        if recording is not None and ending == "json":
            return web.json_response(_resource(recording))
        return file_of(recording, ending)


def _resource(recording: Recording) -> dict[str, Any]:
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
