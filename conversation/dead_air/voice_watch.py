"""Follows what the voice was given to say, and whether it gave sound: a part of the guard against dead air.

A voice that fails before its first sound gets the same words once more. It counts as lost when it fails again, or when
it has had a whole sentence for longer than a voice may take to its first sound. Any sound makes it a good voice again.
"""

from __future__ import annotations

from collections.abc import Callable

COMING_SECS = 1.0
"""A voice that got words less than this ago is about to speak: a filler would only come in between."""


class VoiceWatch:
    """Follows what the voice was given.

    Attributes:
        sounded: Whether sound has come of it.
        broke_off: Whether it was in the middle of something when it reported a fault, of which `failed` tells later.
    """

    def __init__(self, first_audio_secs: float, clock: Callable[[], float]) -> None:
        """Start with nothing given.

        Args:
            first_audio_secs: How long a voice that has a whole sentence may be silent.
            clock: Tells the time in seconds.
        """
        self._first_audio_secs = first_audio_secs
        self._clock = clock
        self._given_at: float | None = None
        self._asked_at: float | None = None
        self.broke_off = False
        self._words: list[str] = []
        self._words_again = ""
        self._given_again = self._lost = False
        self.sounded = False

    @property
    def is_busy(self) -> bool:
        """Whether the voice still has something to say."""
        return self._given_at is not None

    @property
    def is_asked(self) -> bool:
        """Whether the voice has a whole sentence and has given no sound for it."""
        return self._asked_at is not None

    @property
    def is_silent(self) -> bool:
        """Whether the voice has had a whole sentence for too long without a sound."""
        return self._asked_at is not None and self._clock() - self._asked_at >= self._first_audio_secs

    @property
    def has_failed_twice(self) -> bool:
        """Whether the voice has failed a second time."""
        return self._lost

    @property
    def is_lost(self) -> bool:
        """Whether no more sound is to be expected from the voice."""
        return self._lost or self.is_silent

    @property
    def has_the_word(self) -> bool:
        """Whether a filler would only come behind what it is to say."""
        if self._given_at is None or self.sounded:
            return False
        return self.is_asked or bool(self._words_again) or self._clock() - self._given_at < COMING_SECS

    @property
    def words_again(self) -> str:
        """The words that the voice should get once more; empty for none."""
        return "" if self._lost else self._words_again

    def take_words_again(self) -> str:
        """Return `words_again`, and note that the voice gets them now."""
        words = self.words_again
        if words:
            self._words_again, self._given_again = "", True
        return words

    def was_given(self, words: str) -> None:
        """It was given words; the rest of the sentence may still be to come."""
        if self._given_at is None:
            self._given_at, self.sounded, self.broke_off = self._clock(), False, False
            self._forget()
        if words and not self.sounded:
            self._words.append(words)

    def was_asked(self) -> None:
        """It has a whole sentence."""
        if self._given_at is not None and not self.sounded and self._asked_at is None:
            self._asked_at = self._clock()

    def gave(self) -> None:
        """It gave sound."""
        self.sounded, self._lost = True, False
        self._forget()

    def ended(self) -> None:
        """It has said what it was given."""
        if self.sounded:
            self._given_at = None

    def reports_a_fault(self) -> None:
        """The voice reports a fault; `failed` follows once it is clear which, perhaps after the voice has ended."""
        self.broke_off = self.is_busy

    def stopped(self) -> None:
        """It was stopped by the caller."""
        self._given_at, self.broke_off = None, False
        self._forget()

    def failed(self, *, for_good: bool) -> None:
        """It has failed; for good if it is not worth giving it the same once more."""
        self.broke_off = False
        if for_good or (self._given_again and not self._words_again):
            self._lost = True
        elif not self.sounded and not self._given_again:
            self._words_again = " ".join(self._words)

    def changed(self) -> None:
        """Another voice was given what this one has failed to say."""
        self._lost = self.broke_off = False
        self._words_again, self._given_again = "", False
        if self._asked_at is not None:
            self._asked_at = self._clock()

    def gets_another_chance(self) -> None:
        """A new turn of the bot's begins; what it was given while the caller spoke on was not to be said any more."""
        self._lost = False
        if self._asked_at is not None:
            self._asked_at = self._clock()

    def _forget(self) -> None:
        self._words.clear()
        self._words_again, self._given_again, self._asked_at = "", False, None
