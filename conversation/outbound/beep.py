"""The beep of a voicemail box, and the tone with which a fax answers, heard in what the other side sends.

Boxes agree on little: a pure tone somewhere between 500 and 2200 Hz, for a quarter of a second to a second. Pure is
what tells it from voices and music, and its length tells it from keys on a telephone (two tones at once) and from a fax
(for seconds). Ringing and busy tones lie below.

A fax that is called answers with 2100 Hz for 2.6 to 4 s (ITU-T T.30, CED; with phase reversals by V.8, ANSam).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

LOWEST_HZ, HIGHEST_HZ = 500.0, 2200.0

SHORTEST_SECS, LONGEST_SECS = 0.14, 2.0

QUIETEST = 0.01
"""RMS relative to full scale (-40 dBFS) below which audio counts as silence."""

PURITY = 0.85
"""How much of the power lies within `SPREAD_HZ` of the strongest frequency."""

SPREAD_HZ = 60.0

STEADY_HZ = 40.0
"""How far the frequency of a beep may move."""

WINDOW_SECS = 0.04

FAX_HZ, FAX_SPREAD_HZ = 2100.0, 30.0

FAX_SECS = 1.2
"""A tone at `FAX_HZ` that has lasted this long is a fax's; no beep of a voicemail box is that long."""

GAP_WINDOWS = 3
"""A gap of this many windows (20 ms apart) does not end a tone: a packet is lost now and then."""

TONE_SECS = 0.2
"""A pure frequency that has lasted this long is a tone, of whatever kind."""


class BeepDetector:
    """Finds beeps in audio that comes piece by piece.

    Two windows of 40 ms overlap by half, so a beep's length is known to 20 ms.
    """

    def __init__(self, sample_rate: int):
        """Start to listen.

        Args:
            sample_rate: Of the audio, in Hz; at least 8000.
        """
        self._rate = sample_rate
        self._size = round(sample_rate * WINDOW_SECS)
        self._step = self._size // 2
        self._taper = np.hanning(self._size)
        self._frequencies = np.fft.rfftfreq(self._size, 1 / sample_rate)
        self._waiting = np.zeros(0, dtype=np.float64)
        self._tone_hz = 0.0
        self._windows = self._gap = self._fax_windows = 0
        self.is_fax = False
        """Whether the tone of a fax has been heard."""

    @property
    def tone_secs(self) -> float:
        """How long the tone lasts that is being heard; 0 without one."""
        return (self._windows + 1) * self._step / self._rate if self._windows else 0.0

    def hear(self, audio: bytes) -> bool:
        """Take the next piece of audio.

        Args:
            audio: 16-bit mono PCM.

        Returns:
            Whether a beep has ended in it.
        """
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], dtype="<i2") / 32768
        self._waiting = np.concatenate([self._waiting, samples])
        beeped = False
        while len(self._waiting) >= self._size:
            beeped |= self._hear_window(self._waiting[: self._size])
            self._waiting = self._waiting[self._step :]
        return beeped

    def _hear_window(self, window: np.ndarray) -> bool:
        tone = self._tone(window)
        if tone is not None and (not self._windows or abs(tone - self._tone_hz) <= STEADY_HZ):
            self._tone_hz = tone
            # What is missing was part of it.
            self._windows += 1 + self._gap
            self._gap = 0
            if abs(tone - FAX_HZ) <= FAX_SPREAD_HZ:
                # In all, as a line that loses much breaks it to pieces.
                self._fax_windows += 1
                self.is_fax |= (self._fax_windows + 1) * self._step / self._rate >= FAX_SECS
            return False
        if self.tone_secs >= TONE_SECS and self._gap < GAP_WINDOWS:
            self._gap += 1
            return False
        secs = self.tone_secs
        self._tone_hz, self._windows, self._gap = tone or 0.0, int(tone is not None), 0
        return SHORTEST_SECS <= secs <= LONGEST_SECS

    def _tone(self, window: np.ndarray) -> float | None:
        """The frequency of a window that holds one pure tone within the limits, in Hz."""
        if np.sqrt(np.mean(window**2)) < QUIETEST:
            return None
        power = np.abs(np.fft.rfft(window * self._taper)) ** 2
        strongest = self._frequencies[int(np.argmax(power))]
        if not LOWEST_HZ <= strongest <= HIGHEST_HZ:
            return None
        near = np.abs(self._frequencies - strongest) <= SPREAD_HZ
        return float(strongest) if power[near].sum() >= PURITY * power.sum() else None


class BeepListener(FrameProcessor):
    """Listens for beeps in the audio that comes in, and passes everything on."""

    def __init__(self, on_beep: Callable[[], Awaitable[None]], on_fax: Callable[[], Awaitable[None]]):
        """Initialize the processor.

        Args:
            on_beep: Called when a beep has ended. Must be quick: audio waits for it.
            on_fax: Called once, while the tone of a fax is heard. Must be quick as well.
        """
        super().__init__()
        self._on_beep = on_beep
        self._on_fax = on_fax
        self._told_of_fax = False
        self._detector: BeepDetector | None = None
        self.listening = True
        """Switched off once beeps do not matter any more, to save processor time."""

    @property
    def hears_tone(self) -> bool:
        """Whether a tone is being heard now, which no person makes."""
        return self._detector is not None and self._detector.tone_secs >= TONE_SECS

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Listen to audio."""
        await super().process_frame(frame, direction)
        if self.listening and isinstance(frame, InputAudioRawFrame):
            if self._detector is None:
                self._detector = BeepDetector(frame.sample_rate)
            if self._detector.hear(frame.audio):
                await self._on_beep()
            if self._detector.is_fax and not self._told_of_fax:
                self._told_of_fax = True
                await self._on_fax()
        await self.push_frame(frame, direction)
