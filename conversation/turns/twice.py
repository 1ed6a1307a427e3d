"""Recognisers that say the same words twice: with and without punctuation, in parts and then whole, or too late."""

from __future__ import annotations

import time
from collections.abc import Callable

from conversation.turns.words import is_digit, plain

AGAIN_SECS = 3.0
"""Words that come so much later than the last ones are new, whatever they are."""


class SaidTwice:
    """Finds words that were reported before, and not said again since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Start with none.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._words = ""
        self._at = -AGAIN_SECS

    def speech_began(self) -> None:
        """The caller has begun to speak: what is reported next may be the same words, said anew."""
        self._words = ""

    def is_repeated(self, text: str) -> bool:
        """Take the words of a final transcript.

        Returns:
            Whether they are the end, or all, of what was reported since the caller last began to speak.
        """
        words, now = plain(text), self._clock()
        lately = now - self._at < AGAIN_SECS
        # "Five", "five": of a number that is said digit by digit nothing may be lost.
        if words and lately and f" {self._words}".endswith(f" {words}") and not is_digit(words):
            return True
        self._words = f"{self._words} {words}".strip() if lately else words
        self._at = now
        return False
