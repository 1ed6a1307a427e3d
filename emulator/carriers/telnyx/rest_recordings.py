"""Recording a live TeXML call by Telnyx's REST interface, and the files of all recordings.

Source: the published client library's types of recordings (telnyx 4.189). The commands that record are in
`control.recording_commands`. Where the files are is not documented.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from emulator.carriers.telnyx.control.command_errors import TOO_EARLY, CommandRefused
from emulator.carriers.telnyx.dialect import FILES
from emulator.carriers.telnyx.rest import TelnyxRest
from emulator.carriers.telnyx.rest_texml import TexmlRest
from emulator.legs.recordings import Recording, RecordingOrder, Recordings, callback, media_url
from emulator.rest.recording_requests import change, file_of, named, tell_begin

CURRENT = "Twilio.CURRENT"
"""A call's newest recording that is under way: the same word in TeXML."""


class TelnyxRecordings:
    """The routes.

    Args:
        recordings: Where they are kept.
        rest: Checks the credentials of requests.
        texml: Checks those to TeXML's interface.
    """

    def __init__(self, recordings: Recordings, rest: TelnyxRest, texml: TexmlRest) -> None:
        """Serve nothing yet."""
        self._recordings = recordings
        self._rest = rest
        self._texml = texml

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        call = "/v2/texml/Accounts/{account}/Calls/{call}"
        return [
            web.post(f"{call}/Recordings.json", self._start),
            web.get(f"{call}/Recordings.json", self._list),
            web.post(f"{call}/Recordings/{{recording}}.json", self._update),
            web.get("/v2/texml/Accounts/{account}/Recordings/{recording}.json", self._fetch),
            web.get("/v2/recordings/{recording}", self._retrieve),
            web.get(f"{FILES}/{{recording}}", self._file),
        ]

    async def _start(self, request: web.Request) -> web.Response:
        call = self._texml.named_call(request)
        form = await self._texml.read(request, "start_recording", call)
        if call.leg.ended:
            raise CommandRefused("90018")
        if self._recordings.too_early(call):
            raise CommandRefused(TOO_EARLY)
        order = RecordingOrder(
            form.get("RecordingChannels", "dual") == "dual",
            form.get("RecordingTrack", "both"),
            form.get("PlayBeep", "true") == "true" and "PlayBeep" in form,
        )
        recording = self._recordings.start(call.dialect.new_recording_id(), call, order, callback(form))
        tell_begin(recording, form)
        return web.json_response(_resource(recording))

    async def _list(self, request: web.Request) -> web.Response:
        call = self._texml.named_call(request)
        await self._texml.read(request, "fetch", call)
        listed = [_resource(one) for one in self._recordings.of(call)]
        return web.json_response({"recordings": listed, "page": 0, "page_size": 20, "end": len(listed)})

    async def _update(self, request: web.Request) -> web.Response:
        call = self._texml.named_call(request)
        form = await self._texml.read(request, "update_recording", call)
        recording = named(self._recordings, call, request.match_info["recording"], CURRENT)
        if recording is None:
            raise CommandRefused("10005", "The recording does not exist")
        change(recording, form["Status"], skip=False)
        return web.json_response(_resource(recording))

    async def _fetch(self, request: web.Request) -> web.Response:
        """A recording of a TeXML call, with where its file is."""
        self._texml.let_in(request)
        recording = self._found(request)
        return web.json_response(_resource(recording) | {"media_url": f"{media_url(recording)}.wav"})

    async def _retrieve(self, request: web.Request) -> web.Response:
        """A recording by the commands' own interface."""
        self._rest.let_in(request)
        recording = self._found(request)
        leg, ended = recording.call.leg, recording.ended_at or recording.started_at
        found = {
            "id": recording.recording_id,
            "call_control_id": leg.call_id,
            "channels": "dual" if recording.channels == 2 else "single",
            "download_urls": {"wav": f"{media_url(recording)}.wav"},
            "duration_millis": 1000 * recording.duration_secs,
            "record_type": "recording",
            "recording_started_at": recording.started_at.isoformat().replace("+00:00", "Z"),
            "recording_ended_at": ended.isoformat().replace("+00:00", "Z"),
            "source": "call",
            "status": "completed",
        }
        return web.json_response({"data": found})

    def _found(self, request: web.Request) -> Recording:
        recording = self._recordings.find(request.match_info["recording"])
        if recording is None or not recording.over:
            raise CommandRefused("10005", "The recording does not exist")
        return recording

    async def _file(self, request: web.Request) -> web.Response:
        name, _, ending = request.match_info["recording"].partition(".")
        return file_of(self._recordings.find(name), ending)


def _resource(recording: Recording) -> dict[str, Any]:
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
