"""The caller's mouth: what the person at the phone says, 20 ms at a time, and the noise around them."""

from __future__ import annotations

from collections import deque

import numpy as np

from emulator.line.codecs import FRAME_SAMPLES, Pcm


class Mouthpiece:
    """A queue of speech that is spoken at the line's speed.

    Args:
        noise_db: Level of constant noise in dB relative to full scale, for example -50; None for none.
    """

    def __init__(self, noise_db: float | None = None) -> None:
        """Start in silence."""
        self.noise_db = noise_db
        self._queue: deque[Pcm] = deque()
        self._noise = None if noise_db is None else 32768 * 10 ** (noise_db / 20)
        self._random = np.random.default_rng(20)

    @property
    def speaking(self) -> bool:
        """Whether the caller still has something to say."""
        return bool(self._queue)

    def speak(self, samples: Pcm) -> None:
        """Let the caller say this, behind what is being said."""
        if len(samples):
            self._queue.append(samples)

    def step(self) -> Pcm:
        """The next 20 ms."""
        frame = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        filled = 0
        while filled < FRAME_SAMPLES and self._queue:
            taken = self._queue[0][: FRAME_SAMPLES - filled]
            frame[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][len(taken) :]
        if self._noise is not None:
            noisy = frame + self._random.normal(0.0, self._noise, FRAME_SAMPLES)
            frame = np.clip(noisy, -32768, 32767).astype(np.int16)
        return frame
