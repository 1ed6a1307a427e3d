"""Where speech begins in a sound: a detector notices it late when it begins softly, or in the middle of letters."""

from __future__ import annotations

import numpy as np

_FRAME_SECS = 0.02
_OF_THE_LOUDEST = 0.9
_SOFTER_DB = 15.0
"""What is softer than the loudest of some speech by so much is what is behind it."""

_GAP_SECS = 0.4
"""So much silence is within what somebody says, between two letters."""


def since_it_is_loud(pcm: bytes, rate: int, speech: tuple[float, float]) -> float:
    """From where on a sound is about as loud as its speech is, in seconds: where that begins, or before.

    Args:
        pcm: 16-bit mono PCM.
        rate: Its rate in Hz.
        speech: From where to where there is speech in it, in seconds.
    """
    begin, end = speech
    size = round(_FRAME_SECS * rate)
    first, last = (max(0, round(secs / _FRAME_SECS)) for secs in (begin, end))
    samples = np.frombuffer(pcm, np.int16)[: last * size].astype(np.float32)
    powers = (samples[: len(samples) // size * size].reshape(-1, size) ** 2).mean(axis=1)
    if not len(powers[first:]):
        return begin
    least = float(np.quantile(powers[first:], _OF_THE_LOUDEST)) * 10 ** (-_SOFTER_DB / 10)
    loud = np.flatnonzero(powers[:first] >= max(least, 1.0))[::-1]
    for frame in loud:
        if first - frame > _GAP_SECS / _FRAME_SECS:
            break
        first = int(frame)
    return min(begin, first * _FRAME_SECS)
