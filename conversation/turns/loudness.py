"""How loud somebody speaks, to tell the caller from who or what is heard in the room behind them."""

from __future__ import annotations

import numpy as np

_FRAME_SECS = 0.02
_LOUDEST = 5
"""The loudest fifth is what is reckoned: between words, and around them, there is nothing."""

NOTHING_DB = -100.0
"""The loudness of nothing."""


def loudness(audio: bytes, rate: int) -> float:
    """How loud the speech in a sound is, in dB below full scale.

    Args:
        audio: 16-bit mono PCM.
        rate: In Hz.
    """
    size = round(rate * _FRAME_SECS)
    samples = np.frombuffer(audio, np.int16)
    samples = samples[len(samples) % size :].astype(np.float32)
    if not len(samples):
        return NOTHING_DB
    powers = np.sort((samples.reshape(-1, size) ** 2).mean(axis=1))
    loudest = float(powers[-max(1, len(powers) // _LOUDEST) :].mean())
    return max(NOTHING_DB, 10 * float(np.log10(max(loudest, 1e-9) / 32768**2)))
