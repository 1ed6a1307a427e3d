"""Where the word began in which a voice was cut off, for voices that do not time their words: their sound tells."""

from __future__ import annotations

import numpy as np

from serializers.kept import BACK_SECS

_STEP_SECS = 0.01
_GAP_SECS = 0.04
"""A silence of this length, in seconds, is one between words, or before a consonant that begins a syllable."""

_QUIET = 0.12
"""What is less loud than this, measured against the loudest tenth of a second around it, is such a silence."""

_NEAR_SECS = (0.15, 0.6)
"""Where speech has no such silence, the least loud moment this far back is taken."""


def word_begins(audio: bytes, rate: int) -> float:
    """How many seconds before the end of speech that was cut off its last word may have begun; at most `BACK_SECS`.

    A voice that does not time its words leaves only their sound to go by: words begin behind a silence. Where there is
    none the least loud moment is taken, so that at least no vowel is torn.

    Args:
        audio: 16-bit mono PCM up to where it was cut.
        rate: In Hz.
    """
    step = round(rate * _STEP_SECS)
    samples = np.frombuffer(audio, np.int16)[-round(BACK_SECS * rate) :].astype(np.float32)
    samples = samples[len(samples) % step :]
    if not len(samples):
        return 0.0
    loud = np.sqrt((samples.reshape(-1, step) ** 2).mean(axis=1))[::-1]  # backwards from the cut
    quiet = loud <= _QUIET * np.sort(loud)[-min(10, len(loud)) :].mean()
    length = 0
    for place, is_quiet in enumerate(quiet):
        length = length + 1 if is_quiet else 0
        if length * _STEP_SECS >= _GAP_SECS:
            # From within the silence, so that a soft beginning of the word is not lost.
            return float((place + 1 - length // 2) * _STEP_SECS) if place + 1 > length else 0.0
    if len(loud) * _STEP_SECS < BACK_SECS:
        return float(len(loud) * _STEP_SECS)  # the beginning of what was said
    first, last = (round(secs / _STEP_SECS) for secs in _NEAR_SECS)
    return float((first + int(np.argmin(loud[first:last]))) * _STEP_SECS)
