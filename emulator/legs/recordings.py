"""Recordings of live calls: what was really said and heard on the line, with its pauses, as WAV files.

Sources: Twilio docs, voice/api/recording (PauseBehavior, channels, statuses), voice/twiml/record; Telnyx docs, call
commands record_start/stop/pause/resume and TeXML REST. The first channel is the person at the leg's phone, the second
one all that they hear. That a Telnyx pause leaves nothing in the file is not documented.
"""

from __future__ import annotations

import io
import random
import wave
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Protocol

import numpy as np

from emulator.legs.dialect import Dialect
from emulator.legs.leg import Leg
from emulator.legs.webhooks import Webhooks
from emulator.line.caller import Person
from emulator.line.clock import Clock
from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm, mixed
from emulator.line.line import PhoneLine
from emulator.line.signals import beep
from emulator.timeline import Entry, Timeline

IN_PROGRESS, PAUSED, COMPLETED, ABSENT = "in-progress", "paused", "completed", "absent"
SILENT_SECS = (0.5, 3.0)
"""How long after the answer a leg at Telnyx has no audio yet, at least and at most; until then a recording is refused
(`too_early` of its dialect). How long is not documented; a seed decides."""

API, VERB = "StartCallRecordingAPI", "RecordVerb"


class RecordedCall(Protocol):
    """What a recording needs of its call; `emulator.legs.call.Call` is one."""

    leg: Leg
    dialect: Dialect
    clock: Clock
    line: PhoneLine
    caller: Person
    timeline: Timeline
    webhooks: Webhooks

    @property
    def recordings_url(self) -> str:
        """Where the carrier serves the files of this call's recordings."""

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for as long as the call lasts."""

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that may outlast the call a little."""


def media_url(recording: Recording) -> str:
    """Where a recording's file is, without its ending."""
    return f"{recording.call.recordings_url}/{recording.recording_id}"


def last_spoken_ms(call: RecordedCall, begin_ms: int) -> int | None:
    """The end of what was said last into the phone since then, in ms; in the future while it is being said."""
    return max((line.end_ms for line in call.caller.lines if line.end_ms > begin_ms), default=None)


@dataclass(frozen=True)
class RecordingOrder:
    """How to record.

    Attributes:
        dual: Two channels instead of a mix.
        track: `both`, `inbound` (what the person at the phone says) or `outbound` (what they hear).
        beep: Whether a beep is heard first.
        longest_secs: When it ends by itself; 0 for never.
        silence_secs: It ends after so much silence behind something that was said; 0 for never.
        source: Twilio's word for what started it.
    """

    dual: bool = True
    track: str = "both"
    beep: bool = False
    longest_secs: float = 0.0
    silence_secs: float = 0.0
    source: str = API


Tell = Callable[["Recording"], Coroutine[Any, Any, None]]
"""Reports a change of a recording's status to the server that ordered the recording."""


@dataclass(eq=False)
class Recording:
    """A recording.

    Attributes:
        recording_id: The carrier's id.
        call: The leg.
        order: How.
        tell: Reports its changes.
        status: `in-progress`, `paused`, `completed` or `absent` (nothing to record).
        started_at: When it began, UTC.
        ended_at: When it ended, or None.
        trim_end_ms: Left out at its end: the silence that ended it.
    """

    recording_id: str
    call: RecordedCall
    order: RecordingOrder
    tell: Tell
    status: str = IN_PROGRESS
    started_at: datetime = field(init=False)
    ended_at: datetime | None = None
    trim_end_ms: int = 0

    def __post_init__(self) -> None:
        """Begin."""
        self.started_at = self.call.clock.wall()
        self._begin = len(self.call.line.heard)
        self._end: int | None = None
        self._pauses: list[tuple[int, int, bool]] = []
        self._paused_at: tuple[int, bool] | None = None
        self.call.timeline.listeners.append(self._until_hang_up)
        if self.order.beep:
            self.call.line.signal = chain(self.call.line.signal or (), beep())
        self._note(IN_PROGRESS)
        if self.order.longest_secs or self.order.silence_secs:
            self.call.watch(self._stop_in_time())

    @property
    def over(self) -> bool:
        """Whether nothing more is recorded."""
        return self._end is not None

    @property
    def channels(self) -> int:
        """1 or 2."""
        return 2 if self.order.dual and self.order.track == "both" else 1

    @property
    def duration_secs(self) -> int:
        """The file's length in whole seconds."""
        return round(len(self.samples()) / SAMPLE_RATE)

    def pause(self, *, skip: bool) -> None:
        """Record nothing; with `skip` the time is missing in the file, else it is silent there."""
        if self.status == IN_PROGRESS:
            self._paused_at = (len(self.call.line.heard), skip)
            self.status = PAUSED
            self._note(PAUSED)

    def resume(self) -> None:
        """Go on."""
        if self._paused_at is not None:
            begin, skip = self._paused_at
            self._pauses.append((begin, len(self.call.line.heard), skip))
            self._paused_at = None
            self.status = IN_PROGRESS
            self._note("resumed")

    def stop(self) -> None:
        """End it and report; nothing happens the second time."""
        if self.over:
            return
        self.resume()
        self._end = len(self.call.line.heard)
        self.ended_at = self.call.clock.wall()
        self.status = COMPLETED if len(self.samples()) else ABSENT
        self._note(self.status)
        self.call.in_background(self.tell(self))

    def samples(self) -> Pcm:
        """What was recorded so far: 8 kHz samples, one column a channel."""
        line = self.call.line
        end = len(line.heard) if self._end is None else self._end
        silent = np.zeros_like(line.heard[0]) if line.heard else np.zeros(0, dtype=np.int16)
        left: list[Pcm] = []
        right: list[Pcm] = []
        for frame in range(self._begin, max(self._begin, end - self.trim_end_ms // FRAME_MS)):
            pause = next((one for one in self._all_pauses(end) if one[0] <= frame < one[1]), None)
            if pause is not None and pause[2]:
                continue
            left.append(silent if pause is not None else line.said[frame])
            right.append(silent if pause is not None else line.heard[frame])
        sides = [np.concatenate([np.zeros(0, dtype=np.int16), *side]) for side in (left, right)]
        if self.order.track != "both":
            return sides[0 if self.order.track == "inbound" else 1].reshape(-1, 1)
        return np.column_stack(sides) if self.channels == 2 else mixed(*sides).reshape(-1, 1)

    def wav(self) -> bytes:
        """The file."""
        samples = self.samples()
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(self.channels)
            writer.setsampwidth(2)
            writer.setframerate(SAMPLE_RATE)
            writer.writeframes(samples.astype("<i2").tobytes())
        return file.getvalue()

    def _all_pauses(self, end: int) -> list[tuple[int, int, bool]]:
        if self._paused_at is None:
            return self._pauses
        return [*self._pauses, (self._paused_at[0], end, self._paused_at[1])]

    def _until_hang_up(self, entry: Entry) -> None:
        if entry.kind == "hang_up":
            self.stop()

    async def _stop_in_time(self) -> None:
        line, order, begin_ms = self.call.line, self.order, self.call.line.now_ms
        while not (order.longest_secs and line.now_ms - begin_ms >= order.longest_secs * 1000):
            spoken_ms = last_spoken_ms(self.call, begin_ms)
            silent_ms = 0.0 if spoken_ms is None else line.now_ms - spoken_ms
            if order.silence_secs and silent_ms >= order.silence_secs * 1000:
                break
            await line.tick()
        self.stop()

    def _note(self, state: str) -> None:
        self.call.timeline.note(
            "recording", f"the recording is {state}", state=state, recording_id=self.recording_id
        )


class Recordings:
    """All recordings of a network."""

    def __init__(self, silent_secs: tuple[float, float] = SILENT_SECS, *, seed: int = 0) -> None:
        """None yet; see `SILENT_SECS`."""
        self._all: dict[str, Recording] = {}
        self._silent_secs = silent_secs
        self._random = random.Random(seed)
        self._commences: dict[str, float] = {}

    def too_early(self, call: RecordedCall) -> bool:
        """Whether the carrier refuses to record a call, as its audio has not commenced."""
        leg = call.leg
        if not call.dialect.too_early or leg.answered_at is None:
            return False
        secs = self._commences.setdefault(leg.call_id, self._random.uniform(*self._silent_secs))
        return (call.clock.wall() - leg.answered_at).total_seconds() < secs

    def start(self, recording_id: str, call: RecordedCall, order: RecordingOrder, tell: Tell) -> Recording:
        """Begin to record a call."""
        recording = self._all[recording_id] = Recording(recording_id, call, order, tell)
        return recording

    def of(self, call: RecordedCall) -> list[Recording]:
        """All of a call, the newest first."""
        return [one for one in reversed(self._all.values()) if one.call is call]

    def current(self, call: RecordedCall) -> Recording | None:
        """The newest that is under way (or paused)."""
        return next((one for one in self.of(call) if not one.over), None)

    def find(self, recording_id: str) -> Recording | None:
        """A recording by its id."""
        return self._all.get(recording_id)

    def all(self) -> list[Recording]:
        """In the order of their beginnings."""
        return list(self._all.values())


def callback(form: Mapping[str, str]) -> Tell:
    """Reports to the form's RecordingStatusCallback, if there is one, of the changes that the form asks for."""
    events = (form.get("RecordingStatusCallbackEvent") or "completed").split()

    async def tell(recording: Recording) -> None:
        url = form.get("RecordingStatusCallback")
        if url and recording.status in events:
            call = recording.call
            parameters = _status_parameters(recording)
            method = form.get("RecordingStatusCallbackMethod", "POST")
            await call.webhooks.notify(url, parameters, f"recording {recording.status} callback", method)

    return tell


def _status_parameters(recording: Recording) -> dict[str, str]:
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
    found |= recording.call.dialect.recording_parameters(recording.started_at, recording.order.track)
    if recording.over:
        found["RecordingDuration"] = str(recording.duration_secs)
    return found
