"""The mouth of a person somewhere: what is around them is heard all the time, and the bot's own voice if it is loud."""

from __future__ import annotations

import numpy as np

from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, Pcm
from emulator.line.line import PhoneLine
from emulator.line.mouthpiece import Mouthpiece
from talks.format import Echo


class Mouth(Mouthpiece):
    """Speech, with a background and an echo.

    Args:
        line: Where it speaks; the echo is of what was heard there.
        background: What is around the person, over and over; None for silence.
        echo: How the bot's voice comes back; None for a phone at the ear.
    """

    def __init__(self, line: PhoneLine, background: Pcm | None = None, echo: Echo | None = None) -> None:
        """Begin with nothing to say."""
        super().__init__()
        self._line = line
        self._background = background if background is not None and len(background) else None
        self._place = 0
        self._echo_gain = 0.0 if echo is None else 10 ** (echo.gain_db / 20)
        self._echo_frames = 1 if echo is None else max(1, round(echo.delay_ms / FRAME_MS))

    def step(self) -> Pcm:
        """The next 20 ms: all of it together, clipped where it is too loud."""
        frame = super().step()
        if self._background is None and not self._echo_gain:
            return frame
        total = frame.astype(np.float64)
        if self._background is not None:
            at = np.arange(self._place, self._place + FRAME_SAMPLES) % len(self._background)
            total += self._background[at]
            self._place = (self._place + FRAME_SAMPLES) % len(self._background)
        if self._echo_gain and len(self._line.heard) >= self._echo_frames:
            total += self._line.heard[-self._echo_frames] * self._echo_gain
        return np.clip(np.round(total), -32768, 32767).astype(np.int16)
