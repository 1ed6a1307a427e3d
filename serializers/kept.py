"""What was sent to a carrier last: what it has not played yet, and a little of what it has.

A bot that falls silent because somebody may want the word has to be able to go on. The carrier throws away what it has
not played; here it is still known, with the marks between it, and so is the sentence before it, to find the beginning
of the word that was cut. The same is what the caller's telephone may have let back into the line.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

KEPT_SECS = 2.5
"""How much of what was played is kept, in seconds."""

BACK_SECS = 1.0
"""No more than this is said again, in seconds."""

CONTINUOUS_SECS = 0.04
"""Pieces with no more than this between them, in seconds, are one stretch of speech."""


class Follower(Protocol):
    """Follows what the caller hears, while speech is taken back and sent once more."""

    def taken_back(self, marks: list[str]) -> list[str]:
        """Note that speech and these marks were taken back and are kept.

        Returns:
            The names that the marks will have; empty for one that need not be sent again.
        """
        ...

    def goes_on(self, repeated_secs: float) -> None:
        """Note that speech goes on, so much before where it was taken back."""
        ...

    def audio_sent(self, secs: float) -> None:
        """Note that so much speech was handed to the carrier."""
        ...


@dataclass(frozen=True)
class Piece:
    """A piece of speech.

    Parameters:
        audio: 16-bit mono PCM.
        rate: In Hz.
        starts: When it is played, by the clock of whoever keeps it, in seconds.
        interruptible: Whether a barge-in may take it back.
    """

    audio: bytes
    rate: int
    starts: float
    interruptible: bool = True

    @property
    def secs(self) -> float:
        """Its length."""
        return len(self.audio) / 2 / self.rate

    @property
    def ends(self) -> float:
        """When it has been played."""
        return self.starts + self.secs

    def cut(self, at: float) -> tuple[Piece, Piece]:
        """The part before a time, and the part from then on."""
        place = 2 * round((at - self.starts) * self.rate)
        before = Piece(self.audio[:place], self.rate, self.starts, self.interruptible)
        return before, Piece(self.audio[place:], self.rate, before.ends, self.interruptible)


@dataclass(frozen=True)
class SentMark:
    """A mark behind speech.

    Parameters:
        name: Its name on the wire.
        ends: When the speech before it has been played.
    """

    name: str
    ends: float


Kept = Piece | SentMark


class KeptSpeech:
    """The speech of one call that was sent last, in order."""

    def __init__(self) -> None:
        """Start with none."""
        self._items: deque[Kept] = deque()

    def add(self, item: Kept) -> None:
        """Take what is sent now, and forget what was played long ago."""
        items = self._items
        while items and items[0].ends < item.ends - KEPT_SECS:
            items.popleft()
        items.append(item)

    def is_promised(self, now: float) -> bool:
        """Whether there is speech among what was not played yet that nothing may take back."""
        return any(
            isinstance(item, Piece) and not item.interruptible and item.ends > now for item in self._items
        )

    def take_back(self, now: float) -> list[Kept]:
        """Take what was not played yet, in order; of a piece that is being played, the rest."""
        taken: list[Kept] = []
        items = self._items
        while items and items[-1].ends > now:
            item = items.pop()
            if isinstance(item, Piece) and item.starts < now:
                played, item = item.cut(now)
                items.append(played)
                taken.append(item)
                break
            taken.append(item)
        taken.reverse()
        return taken

    def played_before(self, now: float) -> tuple[bytes, int]:
        """The speech that was heard without a pause up to a time, at most `KEPT_SECS` of it, and its rate."""
        pieces: list[bytes] = []
        rate, until = 0, now
        for item in reversed(self._items):
            if isinstance(item, SentMark):
                continue
            if until - item.ends > CONTINUOUS_SECS or rate not in (0, item.rate):
                break
            pieces.append(item.audio)
            rate, until = item.rate, item.starts
        return b"".join(reversed(pieces)), rate

    def played_between(self, since: float, until: float, rate: int) -> bytes:
        """What was played between two times, with silence where nothing was: 16-bit PCM at a rate in Hz."""
        played = bytearray(2 * round((until - since) * rate))
        for item in self._items:
            if isinstance(item, SentMark) or item.rate != rate or item.ends <= since or item.starts >= until:
                continue
            at = 2 * round((item.starts - since) * rate)
            audio = item.audio[max(0, -at) : max(0, len(played) - at)]
            at = max(0, at)
            played[at : at + len(audio)] = audio
        return bytes(played)
