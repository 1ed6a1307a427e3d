"""Which words of the caller a model is answering already that hears by itself: a part of the guard against dead air.

Some such services say what the caller said, but not when a turn begins and ends, and the words have no order with the
answer to them.

Source: `google.genai.types`, `LiveServerContent.input_transcription`.
"""

from __future__ import annotations

from collections.abc import Callable

LATE_SECS = 2.0
"""How long after an answer has begun the words may still come that it answers."""


class Answers:
    """Follows the answers that a model begins of itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without one.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._is_open = False
        self._began_at: float | None = None

    @property
    def take_words(self) -> bool:
        """Whether words that come now are what is being answered, or just was."""
        return self._is_open or (self._began_at is not None and self._clock() - self._began_at < LATE_SECS)

    def began(self) -> None:
        """The model has begun to answer."""
        self._is_open, self._began_at = True, self._clock()

    def ended(self) -> None:
        """It has said all."""
        self._is_open = False

    def broken_off(self) -> None:
        """The caller has spoken into it: words that come now are new."""
        self._is_open, self._began_at = False, None
