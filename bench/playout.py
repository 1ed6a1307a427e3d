"""What a caller hears of a bot whose audio arrives at certain times: answers, holes in them, and marks.

Nothing here looks at a watch; all times are ms on one clock, given by whoever received the audio. A carrier plays what
it has at once and in order (Twilio docs, media-streams websocket messages; Telnyx docs, media streaming over
websockets). Every answer of the scripted services has the same length, so an ear that runs dry before its end was let
down by the bot, however long the hole is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ANSWER_MS = 2400.0
"""How long each answer is, as `bench.scripted` says, which is not imported here: the load needs no Pipecat."""

HOLE_OVER_MS = 20
"""A shorter hole is no underrun, as at the emulator's own ear: a carrier's frame covers it."""

ALL_BUT_MS = 20
"""An answer may end so much early: filters hold a little back."""

TAIL_MS = 200
"""Sound that comes so soon after a whole answer is the rest of it: bots fill their last piece up."""


@dataclass
class Answer:
    """One thing that the bot says.

    Parameters:
        began_ms: When its first audio arrived.
        last_ms: When its last audio arrived.
        received_ms: How much audio that was.
        holes_ms: The holes at the ear.
        cleared_ms: When the bot took the rest of it back; None when it did not.
    """

    began_ms: float
    last_ms: float
    received_ms: float = 0.0
    holes_ms: list[float] = field(default_factory=list)
    cleared_ms: float | None = None


class Playout:
    """The ear of one call."""

    def __init__(self) -> None:
        """Begin in silence."""
        self.answers: list[Answer] = []
        self.until_ms = 0.0
        """When all that has arrived will have been played."""

    @property
    def current(self) -> Answer | None:
        """The answer that is still arriving."""
        if not self.answers:
            return None
        last = self.answers[-1]
        over = last.cleared_ms is not None or last.received_ms >= ANSWER_MS - ALL_BUT_MS
        return None if over else last

    def arrive(self, at_ms: float, length_ms: float, *, audible: bool = True) -> None:
        """Audio has come.

        Args:
            at_ms: When.
            length_ms: How much of it.
            audible: Whether there is any sound in it: silence behind an answer is none, and begins none.
        """
        answer = self.current
        if answer is None and self.answers and self._is_tail(at_ms):
            answer = self.answers[-1]
        if answer is None and audible:
            answer = Answer(at_ms, at_ms)
            self.answers.append(answer)
        elif answer is not None and at_ms - self.until_ms > HOLE_OVER_MS:
            answer.holes_ms.append(at_ms - self.until_ms)
        self.until_ms = max(self.until_ms, at_ms) + length_ms
        if answer is not None:
            answer.last_ms = at_ms
            answer.received_ms += length_ms

    def _is_tail(self, at_ms: float) -> bool:
        last = self.answers[-1]
        return last.cleared_ms is None and at_ms - last.last_ms <= TAIL_MS

    def clear(self, at_ms: float) -> None:
        """The bot takes back what was not played yet."""
        self.until_ms = min(self.until_ms, at_ms)
        if self.answers and self.answers[-1].cleared_ms is None:
            self.answers[-1].cleared_ms = at_ms

    def left_ms(self, at_ms: float) -> float:
        """How long what has arrived will still be heard."""
        return max(0.0, self.until_ms - at_ms)
