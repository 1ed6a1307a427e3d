"""The outcome of a story that was played, and the voice and ears for a story in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from emulator.line.codecs import Pcm
from emulator.line.seams import Seam
from emulator.stories.ears import Transcribe
from emulator.stories.happenings import Happening
from emulator.stories.judging.judge import Verdict
from emulator.stories.story import Story


@dataclass(frozen=True)
class Speech:
    """The local voice and ears, for stories in words."""

    speak: Callable[[str], Pcm]
    transcribe: Transcribe


@dataclass
class Outcome:
    """A story that was played.

    Attributes:
        story: The story.
        carrier: On which it was played.
        verdicts: What became of each expectation.
        happenings: What happened, in order.
        zero: The story's beginning on the network's clock.
        seams: Where streams began, followed one another and ended, by the person at the phone.
        secs: How long it took, with starting and stopping the server.
        trouble: Why it could not be played to its end, or None.
        times: How often it was played; this is the last of them.
    """

    story: Story
    carrier: str
    verdicts: list[Verdict] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    zero: float = 0.0
    seams: list[tuple[str, Seam]] = field(default_factory=list)
    secs: float = 0.0
    trouble: str | None = None
    times: int = 1

    @property
    def passed(self) -> bool:
        """Whether all that was expected was so."""
        return self.trouble is None and all(one.passed for one in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "story": self.story.name,
            "file": str(self.story.file),
            "carrier": self.carrier,
            "passed": self.passed,
            "secs": round(self.secs, 2),
            "trouble": self.trouble,
            "expectations": [
                {"line": one.line, "expected": one.what, "passed": one.passed, "detail": one.detail}
                for one in self.verdicts
            ],
            "seams": [{"who": who, **asdict(seam)} for who, seam in self.seams],
            "timeline": [
                {
                    "at_ms": round((one.at - self.zero) * 1000),
                    "call": one.call,
                    "kind": one.kind,
                    "who": one.who,
                    "text": one.text,
                }
                for one in self.happenings
            ],
        }
