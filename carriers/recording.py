"""Recordings of calls: what to ask for, and what carriers report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RecordingFormat(StrEnum):
    """The file that a recording becomes. Twilio keeps both, by the URL's ending."""

    WAV = "wav"
    MP3 = "mp3"


class RecordingState(StrEnum):
    """Where a recording stands."""

    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    """It is over; its file may not be there yet."""
    COMPLETED = "completed"
    ABSENT = "absent"
    """There was nothing to record."""
    FAILED = "failed"


@dataclass(frozen=True)
class RecordingUpdate:
    """A carrier's report about a recording.

    Parameters:
        call_id: The carrier's id of the call; None when it names only the leg.
        state: Where the recording stands, or None when the carrier uses a word that we do not know.
        recording_id: The carrier's id of the recording, when it gives one.
        url: Where the file is. Twilio's has no ending and may want the account's password; Telnyx's is valid
            for 10 minutes.
        duration_secs: Length, once it is over and when the carrier says.
        channels: 1, or 2 with the caller in the first.
        reason: What the carrier says about a failure, in its own words.
        started_at: When it began, where the carrier says so to a fraction of a second. Whole seconds, as in Twilio's
            `RecordingStartTime`, are worse than the time at which we were told that it has begun.
    """

    call_id: str | None
    state: RecordingState | None
    recording_id: str | None = None
    url: str | None = None
    duration_secs: int | None = None
    channels: int | None = None
    reason: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True)
class RecordedMessage:
    """A carrier's request for what comes after a message that it has recorded.

    Parameters:
        recording: As far as the request tells it.
        ended_by_caller: The caller has ended it, by a key or by hanging up. Otherwise silence has, or the longest time,
            or the carrier does not tell.
    """

    recording: RecordingUpdate
    ended_by_caller: bool = False
