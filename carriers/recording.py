"""Recordings of calls: what to ask for, what carriers report, and where their files are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit


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


BUCKET_HOST = re.compile(
    r"(?:[a-z0-9._-]+\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com"
    r"|(?:[a-z0-9._-]+\.)?storage\.googleapis\.com"
)
"""Where carriers keep files: in buckets of their own, or of the account's owner, at Amazon and Google. Not every name
below `amazonaws.com`: those of its machines lead to private addresses from inside. Sources: Telnyx docs, storing call
recordings (`s3.amazonaws.com`; S3 and GCS of one's own); Twilio docs, external storage of recordings; AWS docs, S3
endpoints."""


@dataclass(frozen=True, repr=False)
class RecordingFile:
    """Where a carrier has the file of a recording, for now.

    Parameters:
        url: Of the file, as the carrier's REST API has just said, or as it is documented.
        api_url: The base of that API. There may be other hosts than a carrier's: what the operator has set.
        hosts: The carrier's other hosts, beside `BUCKET_HOST`.
        login: User and password, for `api_url` alone.
    """

    url: str
    api_url: str
    hosts: re.Pattern[str]
    login: tuple[str, str] | None = None

    def may_lead_to(self, url: str) -> bool:
        """Whether something may be fetched from there: from the carrier's API, or by https from one of its hosts."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if self.is_api(url):
            return True
        if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
            return False
        return bool(self.hosts.fullmatch(host) or BUCKET_HOST.fullmatch(host))

    def is_api(self, url: str) -> bool:
        """Whether an address is of the carrier's API, which alone may get the password."""
        try:
            return _origin(url) == _origin(self.api_url)
        except ValueError:
            return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise ValueError("no address of an API")
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
