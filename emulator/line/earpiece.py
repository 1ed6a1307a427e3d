"""The caller's ear: the bot's audio, played out in real time 20 ms at a time, and the marks between it.

Sources: Twilio docs, media-streams websocket messages (media is buffered and played in order; `mark` returns
when the audio before it was played, or at once when nothing is buffered; `clear` empties the buffer and
returns all marks); Telnyx docs, media streaming over websockets (the same).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm, loudness

AUDIBLE = 160.0
"""Loudness (RMS on the 16-bit scale, about -46 dB) from which a frame counts as heard."""

UNDERRUN_OVER_MS = 20
UNDERRUN_WITHIN_MS = 400


@dataclass(frozen=True)
class _Mark:
    name: str


@dataclass(frozen=True)
class Heard:
    """20 ms at the ear.

    Attributes:
        frame: What the caller heard, 160 samples.
        marks: Marks whose audio had been played to its end when this frame began.
        underrun_ms: Length of the hole in the middle of an utterance that ends with this frame, or None.
    """

    frame: Pcm
    marks: list[str] = field(default_factory=list)
    underrun_ms: int | None = None


class Earpiece:
    """A playout buffer without jitter: what is queued is consumed at exactly the line's speed."""

    def __init__(self) -> None:
        """Start with nothing to play."""
        self._queue: deque[Pcm | _Mark] = deque()
        self._played: list[str] = []
        self._playing = False
        self._dry_samples: int | None = None
        self._voiced = False
        self.underruns = 0
        """How often an utterance had a hole: the buffer was empty for more than 20 ms, and more came within 400 ms."""

    def play(self, samples: Pcm) -> None:
        """Queue audio behind what is queued already."""
        if len(samples):
            self._queue.append(samples)

    def mark(self, name: str) -> list[str]:
        """Queue a mark; returns the marks to give back at once, which is this one if nothing is left to play."""
        if not self._queue and not self._playing:
            return [name]
        self._queue.append(_Mark(name))
        return []

    def clear(self) -> list[str]:
        """Forget what was not played yet; returns every outstanding mark."""
        names = self._played + [item.name for item in self._queue if isinstance(item, _Mark)]
        self._queue.clear()
        self._played = []
        # Silence after a `clear` is what the bot asked for, so the gap that follows is no underrun.
        self._dry_samples = None
        return names

    def step(self) -> Heard:
        """Play the next 20 ms."""
        returned, self._played = self._played, []
        while self._queue and isinstance(self._queue[0], _Mark):
            returned.append(self._take_mark())
        frame = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        filled = 0
        underrun: int | None = None
        while filled < FRAME_SAMPLES and self._queue:
            item = self._queue[0]
            if isinstance(item, _Mark):
                self._played.append(self._take_mark())
                continue
            taken = item[: FRAME_SAMPLES - filled]
            frame[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) == len(item):
                self._queue.popleft()
            else:
                self._queue[0] = item[len(taken) :]
        if filled:
            underrun = self._end_gap()
            # Nobody hears a hole in silence that is sent before anything was said.
            self._voiced = self._voiced or loudness(frame) >= AUDIBLE
            self._dry_samples = FRAME_SAMPLES - filled if self._voiced else None
            # A mark right behind the last sample of this frame is due when the frame ends, not one frame
            # later.
            while self._queue and isinstance(self._queue[0], _Mark):
                self._played.append(self._take_mark())
        elif self._dry_samples is not None:
            self._dry_samples += FRAME_SAMPLES
        self._playing = filled > 0
        return Heard(frame, returned, underrun)

    def _take_mark(self) -> str:
        item = self._queue.popleft()
        assert isinstance(item, _Mark)
        return item.name

    def _end_gap(self) -> int | None:
        if self._dry_samples is None:
            return None
        gap_ms = self._dry_samples * 1000 // SAMPLE_RATE
        if UNDERRUN_OVER_MS < gap_ms <= UNDERRUN_WITHIN_MS:
            self.underruns += 1
            return gap_ms
        return None

    @property
    def buffered_ms(self) -> int:
        """How much audio is queued and not played yet."""
        return sum(len(item) for item in self._queue if not isinstance(item, _Mark)) * 1000 // SAMPLE_RATE

    @property
    def audible_ms(self) -> int:
        """How much of the queued audio would be heard: the silence at the end of a sentence is no loss."""
        waiting = [item for item in self._queue if not isinstance(item, _Mark)]
        if not waiting:
            return 0
        samples = np.concatenate(waiting)
        frames = (samples[at : at + FRAME_SAMPLES] for at in range(0, len(samples), FRAME_SAMPLES))
        return sum(FRAME_MS for frame in frames if loudness(frame) >= AUDIBLE)
