"""What is done to the speech of every engine, so that all callers are alike but for their voices.

It is brought to 8 kHz, begins with its first sound and ends shortly after its last, and is as loud as others.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

RATE = 8000
"""Samples per second on a telephone line."""

LEVEL_DB = -23.0
"""The level of speech while it sounds, in dB below full scale; ITU-T P.56 calls it the active speech level."""

FRAME_SECS = 0.02
ACTIVE_DB = 25.0
"""Frames that are softer than the loud ones by more than this are pauses."""

SILENT_DB = 40.0
"""What is softer than the loud frames by more than this, at the beginning and the end, is not speech."""

TAIL_SECS = 0.06
"""What is kept after the last sound: a voice dies away."""

PEAK = 0.97


def at_line(samples: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    """An engine's speech as it enters the telephone.

    Raises:
        ValueError: There is no sound in it.
    """
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE, quality="HQ")
    samples = trimmed(samples, RATE)
    gain = 10 ** ((LEVEL_DB - active_level_db(samples)) / 20)
    loudest = float(np.abs(samples).max())
    # A voice with sharp peaks stays a little softer rather than being clipped
    gain = min(gain, PEAK / loudest)
    return np.round(samples * gain * 32767).astype(np.int16)


def trimmed(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Speech without the silence before and after it.

    Raises:
        ValueError: There is no sound in it.
    """
    size = int(rate * FRAME_SECS / 2)
    levels = _levels(samples, size)
    loud = np.flatnonzero(levels > np.percentile(levels, 95) - SILENT_DB) if levels.size else levels
    if not loud.size or not np.abs(samples).max() > 0:
        raise ValueError("there is no sound in this speech")
    end = min(len(samples), int((loud[-1] + 1) * size + TAIL_SECS * rate))
    return samples[int(loud[0]) * size : end]


def active_level_db(samples: NDArray[np.generic]) -> float:
    """How loud speech is while it sounds, in dB below full scale; int16 or floating point samples at 8 kHz."""
    scaled = np.asarray(samples, np.float64) / (32768 if samples.dtype == np.int16 else 1)
    levels = _levels(scaled, int(RATE * FRAME_SECS))
    if not levels.size:
        return -120.0
    active = levels[levels > np.percentile(levels, 95) - ACTIVE_DB]
    return float(10 * np.log10(np.mean(10 ** (active / 10))))


def _levels(samples: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """The level of each frame of this many samples, in dB below full scale."""
    count = len(samples) // size
    frames = np.asarray(samples[: count * size], np.float64).reshape(count, size)
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-12), np.float64)
