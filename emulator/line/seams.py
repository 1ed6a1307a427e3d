"""What is lost of speech at the seams of a call: where its media streams begin, follow one another and end.

Between two streams the bot does not hear the person at the phone, and what a carrier has played is not yet what the
person's ear has heard. So words are lost that both sides believe to have been heard. Here they are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emulator.timeline import Timeline

SYLLABLE_MS = 200
"""People say about five syllables a second."""

NOTICED_MS = 100
"""A seam at which nothing was lost is written down if it was longer than this."""

KINDS = ("greeting", "keys", "change", "goodbye")


@dataclass(frozen=True)
class Seam:
    """One seam.

    Attributes:
        kind: `greeting`: before the first stream. `keys`: between two streams, for keys of the bot's. `change`: between
            two streams, for anything else. `goodbye`: after the last one.
        at_ms: When it began, in ms since the answer.
        ms: How long no stream took what the person at the phone says, without the time they spent with other people.
        unheard_ms: How much they said in that time, in ms.
        unplayed_ms: How much the bot had said that never came to the ear, in ms.
    """

    kind: str
    at_ms: int
    ms: int
    unheard_ms: int
    unplayed_ms: int

    @property
    def lost_ms(self) -> int:
        """How many ms of speech were lost, of both sides."""
        return self.unheard_ms + self.unplayed_ms

    def __str__(self) -> str:
        """In a sentence."""
        parts = [f"{self.kind}: nobody listened for {self.ms} ms"]
        if self.unheard_ms:
            parts.append(f"{_amount(self.unheard_ms)} said meanwhile did not reach the bot")
        if self.unplayed_ms:
            parts.append(f"{_amount(self.unplayed_ms)} of the bot's did not reach the ear")
        return "; ".join(parts if self.lost_ms else [*parts, "nothing was lost"])


def syllables(ms: int) -> int:
    """How many syllables take so long; a part of one counts as one."""
    return -(-ms // SYLLABLE_MS)


def told(seams: Iterable[Seam]) -> str:
    """What was lost at each of them, in a line."""
    return ", ".join(f"{one.kind} {_amount(one.lost_ms) if one.lost_ms else '0 ms'}" for one in seams)


def _amount(ms: int) -> str:
    count = syllables(ms)
    return f"{ms} ms ({count} syllable{'' if count == 1 else 's'})"


class Seams:
    """The seams of one line.

    Parameters:
        found: Those that are over, in order.
    """

    def __init__(self, timeline: Timeline) -> None:
        """No stream listens yet."""
        self.found: list[Seam] = []
        self._timeline = timeline
        self._listening = False
        self._streams = 0
        self._since_ms = 0
        self._begin()

    def keys(self) -> None:
        """The bot's keys are played."""
        self._keys = True

    def unplayed(self, audible_ms: int) -> None:
        """Count speech of the bot that was thrown away without the bot wanting it."""
        self._unplayed_ms += audible_ms

    def heard(self, at_ms: int, ms: int) -> None:
        """A stream takes what is said from this moment on, and has taken `ms` of it."""
        if not self._listening:
            self._listening = True
            self._close(("keys" if self._keys else "change") if self._streams else "greeting")
            self._streams += 1
        self._since_ms = at_ms + ms

    def unheard(self, at_ms: int, ms: int, *, audible: bool) -> None:
        """No stream takes these `ms`."""
        if self._listening:
            self._listening = False
            self._since_ms = at_ms
        self._ms += ms
        self._unheard_ms += ms if audible else 0

    def end(self) -> None:
        """The line is hung up."""
        if self._streams:
            self._close("goodbye")

    def _begin(self) -> None:
        self._ms = self._unheard_ms = self._unplayed_ms = 0
        self._keys = False

    def _close(self, kind: str) -> None:
        seam = Seam(kind, self._since_ms, self._ms, self._unheard_ms, self._unplayed_ms)
        self._begin()
        self.found.append(seam)
        if seam.lost_ms or seam.ms > NOTICED_MS:
            self._timeline.note(
                "seam",
                str(seam),
                name=seam.kind,
                ms=seam.ms,
                unheard_ms=seam.unheard_ms,
                unplayed_ms=seam.unplayed_ms,
            )
