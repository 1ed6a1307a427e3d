"""All that is known of a story that was played, for judging it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.line.codecs import Pcm
from emulator.line.seams import Seam
from emulator.report import Report
from emulator.requests import RestRequest
from emulator.stories.ears import Ears
from emulator.stories.happenings import Happening


@dataclass
class Ear:
    """What one person heard on one leg.

    Attributes:
        who: The person.
        call: The call that the leg belongs to.
        zero: When the leg was answered, in seconds on the network's clock.
        heard: 8 kHz samples from then on.
    """

    who: str
    call: str
    zero: float
    heard: Pcm = field(repr=False)
    _ears: Ears | None = field(default=None, repr=False)

    def listen(self, make: Callable[[Pcm], Ears]) -> Ears:
        """Its words; made once."""
        if self._ears is None:
            self._ears = make(self.heard)
        return self._ears


@dataclass(frozen=True)
class Attempt:
    """One attempt to reach a person.

    Attributes:
        who: The person's name in the story; the number if nobody is there.
        call: The call in which it was made, or "" for a call that the server placed by itself.
        outcome: `completed`, `busy`, `declined`, `no_answer`, `failed` or `canceled`.
    """

    who: str
    call: str
    outcome: str


@dataclass
class Evidence:
    """What happened.

    Attributes:
        zero: The story's beginning, in seconds on the network's clock.
        happenings: In the order of their times.
        ears: What was heard.
        listen: Makes ears for a recording.
        reports: The outcome of each call by its name.
        callers: The names of the calls that the story's callers placed.
        attempts: Whom the bot tried to reach.
        requests: What was asked of the carrier.
        api: What the server's API reports of each call; None for a call that it does not know.
        problems: What went wrong, by call; "" for what concerns none.
        data: The server's data directory.
        seams: Where streams began, followed one another and ended, by the person at the phone.
    """

    zero: float
    happenings: Sequence[Happening]
    ears: Sequence[Ear]
    listen: Callable[[Pcm], Ears]
    reports: Mapping[str, Report]
    callers: frozenset[str]
    attempts: Sequence[Attempt]
    requests: Sequence[RestRequest]
    api: Mapping[str, Mapping[str, Any] | None]
    problems: Sequence[tuple[str, str]]
    data: Path
    seams: Sequence[tuple[str, Seam]] = ()
