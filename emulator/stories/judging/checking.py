"""What checks of expectations share: failing, telling times, finding moments."""

from __future__ import annotations

from emulator.stories.happenings import times_of
from emulator.stories.judging.evidence import Evidence
from emulator.stories.story import Moment
from emulator.timeline import clock_text


class Failed(Exception):
    """An expectation was not met; the message says what was found instead."""


def clock(evidence: Evidence, at: float) -> str:
    """A time of the story as people read it."""
    return clock_text(round((at - evidence.zero) * 1000)).strip()


def counted(number: int, what: str) -> str:
    """`1 word`, `2 words`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def moment_times(moment: Moment, evidence: Evidence) -> list[float]:
    """When a moment came, in seconds on the network's clock, in order. Of what is heard it is the end."""
    if moment.kind != "hears":
        return times_of(moment, evidence.happenings)
    times: list[float] = []
    for ear in evidence.ears:
        if ear.who != moment.who:
            continue
        ears = ear.listen(evidence.listen)
        after_ms = 0
        while (found := ears.find(moment.text, after_ms=after_ms)) is not None and found.share >= ears.enough:
            times.append(ear.zero + found.end_ms / 1000)
            after_ms = found.end_ms
    return sorted(times)
