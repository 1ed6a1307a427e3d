"""Telnyx's commands that record a leg, and the event of a recording that is saved.

Sources: the published client library's types of the commands record_start/stop/pause/resume and of
call.recording.saved and call.recording.error (telnyx 4.189). Not documented and chosen here: a recording that is not
there is 10027; the event of a TeXML call that is recorded by a command goes nowhere (a recording by TeXML's own REST
is reported to its callback).
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from emulator.carriers.telnyx.control.command_errors import TOO_EARLY, CommandRefused
from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.legs.call import Call
from emulator.legs.recordings import ABSENT, COMPLETED, Recording, RecordingOrder, media_url

Body = Mapping[str, Any]


async def record_start(call: Call, body: Body) -> None:
    """The command `record_start`."""
    if call.leg.answered_at is None:
        raise CommandRefused("90034")
    if call.exchange.recordings.too_early(call):
        raise CommandRefused(TOO_EARLY)
    order = RecordingOrder(
        body["channels"] == "dual",
        body.get("recording_track", "both"),
        body.get("play_beep", False),
        body.get("max_length", 0),
        body.get("timeout_secs", 0),
    )
    call.exchange.recordings.start(str(uuid.uuid4()), call, order, saved)


async def saved(recording: Recording) -> None:
    """Send `call.recording.saved`; no event reports a pause."""
    call = recording.call
    if not isinstance(call, ToldCall):
        call.timeline.note("note", "where call.recording.saved of a TeXML call goes is not documented")
        return
    if recording.status == ABSENT:
        call.tell("call.recording.error", {"reason": "no audio"})
    elif recording.status == COMPLETED:
        url = f"{media_url(recording)}.wav"
        call.tell("call.recording.saved", saved_payload(recording, url))


def saved_payload(recording: Recording, url: str) -> dict[str, Any]:
    """What `call.recording.saved` has besides the ids of the leg."""
    ended = recording.ended_at or recording.started_at
    return {
        "channels": "dual" if recording.channels == 2 else "single",
        "format": "wav",
        "public_recording_urls": {},
        "recording_ended_at": ended.isoformat().replace("+00:00", "Z"),
        "recording_id": recording.recording_id,
        "recording_started_at": recording.started_at.isoformat().replace("+00:00", "Z"),
        "recording_urls": {"wav": url},
    }


def _on_current(act: Callable[[Recording], None]) -> Callable[[Call, Body], Awaitable[None]]:
    async def command(call: Call, body: Body) -> None:
        recordings = call.exchange.recordings
        wanted = body.get("recording_id")
        found = recordings.find(str(wanted)) if wanted else recordings.current(call)
        if found is None or found.call is not call or found.over:
            raise CommandRefused("10027")
        act(found)

    return command


COMMANDS: Mapping[str, Callable[[Call, Body], Awaitable[None]]] = {
    "record_start": record_start,
    "record_stop": _on_current(Recording.stop),
    "record_pause": _on_current(lambda recording: recording.pause(skip=True)),
    "record_resume": _on_current(Recording.resume),
}
"""Commands that a leg takes, whether it has documents or not."""
