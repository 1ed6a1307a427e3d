"""What happened in a call and when, in milliseconds since it was answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes:
        at_ms: Milliseconds since the call was answered; negative before that.
        kind: What it is, for programs: `webhook`, `ringing`, `answered`, `stream_open`, `first_audio`, `bot_speech`,
            `caller_speech`, `mark_sent`, `mark_returned`, `clear`, `digits`, `rest`, `underrun`, `hang_up`,
            `socket_closed`, `keys_heard`, `talked_over` (a bot is heard by people who were connected), `warning`,
            `note`, `event` and `event_told` (of Call Control: what happened, and each attempt to report it to the
            server), ...; `caller` is the person at this leg's phone, also where a server called them, and
            `caller_hears` is about any voice but the bot's. What happens on the second leg of a `<Dial>` or a transfer
            is also on the first one's timeline, as `colleague_ringing`, `colleague_answered`, `colleague_bridged`,
            `colleague_speech`, `colleague_digits`, `colleague_hears`, `colleague_hung_up` (after an answer) and
            `colleague_not_reached` (without one).
        text: What it is, for people.
        data: Details by name.
    """

    at_ms: int
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


class Timeline:
    """The call's log. Times are kept on a monotonic clock and told relative to the moment of answer.

    Args:
        clock: Seconds, monotonic. Replaceable for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the log; until `answered` is called, times are relative to now."""
        self._clock = clock
        self._zero = clock()
        self._entries: list[tuple[float, str, str, dict[str, Any]]] = []
        self.listeners: list[Callable[[Entry], None]] = []
        """Called with each entry as it is made."""

    def answered(self) -> None:
        """From now on, and looking back, times count from this moment."""
        self._zero = self._clock()

    @property
    def zero(self) -> float:
        """The moment of answer on the timeline's clock, in seconds."""
        return self._zero

    def now_ms(self) -> int:
        """Milliseconds since the answer."""
        return round((self._clock() - self._zero) * 1000)

    def note(self, kind: str, text: str, /, *, at_ms: int | None = None, **data: Any) -> Entry:
        """Write an entry. `at_ms` is for what is noticed later than it happened, such as the end of speech."""
        at = self._clock() if at_ms is None else self._zero + at_ms / 1000
        self._entries.append((at, kind, text, data))
        entry = self._entry(at, kind, text, data)
        for listener in self.listeners:
            listener(entry)
        return entry

    def copy(self, entry: Entry, of: Timeline, kind: str, text: str, **data: Any) -> None:
        """Copy an entry of another leg's timeline, at its time; both must have the same clock."""
        at_ms = round((of._zero - self._zero) * 1000) + entry.at_ms
        self.note(kind, text, at_ms=at_ms, **(entry.data | data))

    @property
    def entries(self) -> list[Entry]:
        """All entries in the order of their times."""
        return [self._entry(*raw) for raw in sorted(self._entries, key=lambda raw: raw[0])]

    def of(self, *kinds: str) -> list[Entry]:
        """The entries of these kinds, in the order of their times."""
        return [entry for entry in self.entries if entry.kind in kinds]

    def __str__(self) -> str:
        """The timeline as text, one line an entry."""
        return "\n".join(
            f"{clock_text(entry.at_ms):<11}{entry.kind:<22}{entry.text}" for entry in self.entries
        )

    def _entry(self, at: float, kind: str, text: str, data: dict[str, Any]) -> Entry:
        return Entry(round((at - self._zero) * 1000), kind, text, data)


def clock_text(at_ms: int) -> str:
    """A time of the call as people read it: `[00:03.2]`, and `[-00:00.4]` for what came before the answer."""
    sign = "-" if at_ms < 0 else ""
    tenths = abs(at_ms) // 100
    return f"[{sign}{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}]"
