"""What the REST interfaces to recordings have in common: which one is meant, what becomes of it, and its file."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from emulator.legs.call import Call
from emulator.legs.recordings import IN_PROGRESS, Recording, Recordings


def named(recordings: Recordings, call: Call, name: str, current: str) -> Recording | None:
    """A call's recording.

    Args:
        recordings: All of the network.
        call: The call.
        name: Its id, or `current`.
        current: The carrier's word for the newest one that is under way.
    """
    if name == current:
        return recordings.current(call)
    found = recordings.find(name)
    return found if found is not None and found.call is call else None


def file_of(recording: Recording | None, ending: str) -> web.Response:
    """The file of a recording that is over.

    Args:
        recording: The recording; None where there is none of that id.
        ending: Of the file that is asked for; empty for the carrier's choice.
    """
    if recording is None or not recording.over:
        return web.Response(status=404)
    if ending not in ("", "wav"):
        return web.Response(status=404, text="the emulator's recordings are WAV files: ask for .wav")
    return web.Response(body=recording.wav(), content_type="audio/x-wav")


def change(recording: Recording, status: str, *, skip: bool) -> None:
    """Pause, go on or stop."""
    if status == "paused":
        recording.pause(skip=skip)
    elif status == "in-progress":
        recording.resume()
    else:
        recording.stop()


def tell_begin(recording: Recording, form: Mapping[str, str]) -> None:
    """Report that a recording has begun, if its form's RecordingStatusCallbackEvent wants to know."""
    if IN_PROGRESS in (form.get("RecordingStatusCallbackEvent") or "").split():
        recording.call.in_background(recording.tell(recording))
