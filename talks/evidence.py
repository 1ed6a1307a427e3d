"""What is known of a talk that was played: what was heard on the line and when, and what the owner finds afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from talks.caller import Done
from talks.format import Play, Turn
from talks.words import share

Span = tuple[int, int]
"""From and to, in ms since the answer."""

SAME_WORDS = 0.5
"""How much of what the bot says it has said must have been understood at the ear for it to be believed."""


@dataclass(frozen=True)
class Event:
    """What the server has written down of the call.

    Attributes:
        kind: See docs/events.md.
        at_ms: When, in ms since the answer.
        data: Its fields.
    """

    kind: str
    at_ms: int
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The words of an event that has some."""
        return str(self.data.get("text", ""))


@dataclass(frozen=True)
class Message:
    """A message as the owner finds it."""

    name: str
    number: str
    text: str


@dataclass
class Evidence:
    """A talk that is over. Times are in ms since the answer.

    Attributes:
        play: What was played.
        done: The turns that were done, in order.
        left: The turns that were not done.
        bot: When the bot was audible at the ear, without holes of less than 200 ms.
        heard: What was understood at the ear, with its beginning and end.
        events: What the server has written down.
        messages: What was left for the owner.
        ended_by: `bot`, `caller`, `colleague` or something else.
        ended_ms: When.
        people: When another person was at the other end.
        destinations: Where the bot has put the caller through to.
        lost_ms: How much of the bot's speech was sent and never heard, not counting what it took back.
        lag_ms: How late the line's own clock was at worst, on a machine that was busy.
        problems: What went wrong besides, one sentence each.
    """

    play: Play
    done: Sequence[Done]
    left: Sequence[Turn] = ()
    bot: Sequence[Span] = ()
    heard: Sequence[tuple[int, int, str]] = ()
    events: Sequence[Event] = ()
    messages: Sequence[Message] = ()
    ended_by: str = "bot"
    ended_ms: int = 0
    people: Sequence[Span] = ()
    destinations: Sequence[str] = ()
    lost_ms: int = 0
    lag_ms: int = 0
    problems: list[str] = field(default_factory=list)

    def understood(self, from_ms: float, to_ms: float) -> str:
        """What the bot has understood of the caller in a time: only it can tell."""
        return " ".join(
            one.text for one in self.events if one.kind == "caller_said" and from_ms <= one.at_ms < to_ms
        )

    def at_the_ear(self, from_ms: float, to_ms: float) -> str:
        """What began to be heard in a time, as a recogniser has understood it."""
        return " ".join(text for start, _, text in self.heard if from_ms <= start < to_ms)

    def said(self, from_ms: float, to_ms: float) -> list[str]:
        """What the bot said in a time: as it was understood at the ear, and as the bot writes it.

        The ear is the judge; it errs in a word now and then, so the bot's own words count, too, where they are what was
        heard. A bot that writes what nobody has heard is not believed.
        """
        ear = self.at_the_ear(from_ms, to_ms)
        own = " ".join(
            one.text for one in self.events if one.kind == "bot_said" and from_ms <= one.at_ms < to_ms
        )
        return [ear, own] if own and share(own, ear) >= SAME_WORDS else [ear]

    def audible(self, from_ms: float, to_ms: float) -> float:
        """For how many ms the bot was audible in a time."""
        return sum(max(0.0, min(end, to_ms) - max(start, from_ms)) for start, end in self.bot)

    def next_sound(self, from_ms: float) -> int | None:
        """When the bot next began to be heard; None if it did not."""
        return next((start for start, _ in self.bot if start >= from_ms), None)

    def speaking_at(self, at_ms: float) -> Span | None:
        """The stretch of the bot's speech in which a moment is; None in silence."""
        return next(((start, end) for start, end in self.bot if start <= at_ms < end), None)
