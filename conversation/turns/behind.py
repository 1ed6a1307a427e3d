"""Speech behind the caller: a television, people in a bar, a colleague at the next desk.

To a detector of speech it is speech, so that what the caller says never seems to end. It differs in being much
softer, and in being there while the caller listens. Both must be so before it is left out: whoever speaks softly in a
quiet room is heard.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np

SOFTER_DB = 10.0
"""What is behind the caller is softer than the caller by more than this, both over `WINDOWS`."""

WINDOWS = 6
"""So many windows of speech tell how loud it is, and as many without anybody near end their speech: 0.2 s, as long as
the softest part of a word."""

REMEMBERED_SECS = 2.0
"""Over about this time it is looked how much of what is not the caller is speech."""

SHARE = 0.5
"""From this share on there is speech behind the caller."""

FORGOTTEN_DB_PER_SEC = 0.2
"""How quickly the caller's loudness is forgotten while all speech is softer: somebody else may have the telephone."""


class Behind:
    """Follows one call, window by window. Takes 2 microseconds for a window of speech, next to nothing for others."""

    def __init__(self) -> None:
        """Begin to follow."""
        self._powers: deque[float] = deque(maxlen=WINDOWS)
        self._caller_db = -np.inf
        self._since_near = 0
        self._share = 0.0

    def hears(self, window: bytes, is_speech: bool, secs: float) -> bool:
        """Take the next window; tell whether it is speech behind the caller.

        Args:
            window: 16-bit mono PCM.
            is_speech: Whether a detector takes it for speech.
            secs: How long it is.
        """
        self._since_near += 1
        if is_speech:
            samples = np.frombuffer(window, np.int16).astype(np.float32)
            self._powers.append(max(1.0, float(samples @ samples) / len(samples)))
            now_db = 10 * float(np.log10(median(self._powers)))  # a click is not loud speech
            if len(self._powers) == WINDOWS:
                self._caller_db = max(self._caller_db, now_db)
            if now_db >= self._caller_db - SOFTER_DB:
                self._since_near = 0
        if self._since_near < WINDOWS:
            return False
        self._share += secs / REMEMBERED_SECS * (is_speech - self._share)
        if is_speech:
            self._caller_db -= FORGOTTEN_DB_PER_SEC * secs
        return is_speech and self._share > SHARE
