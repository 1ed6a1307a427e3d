"""The ten calls, as `field_calls.toml` has them: what to set up, to do and to watch, and what is asked after each."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

Range = tuple[float, float]
OTHER = "other: "
"""The beginning of an answer that is none of the words offered."""
LONGEST = 3600.0
"""More than any answer in seconds can be."""


@dataclass(frozen=True)
class Evidence:
    """Where the server's own log of a call has an answer.

    Attributes:
        begin: An event; the answer is how many seconds later `end` came.
        end: The first event of this kind after `begin`.
        last: Instead: the last event of this kind, of which `key` is the answer.
        key: A field of it.
        count: Instead: how many events of this kind there are.
        where: Which events count, by their fields.
    """

    begin: str = ""
    end: str = ""
    last: str = ""
    key: str = ""
    count: str = ""
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What is asked after a call.

    Attributes:
        name: Unique in its call.
        rows: The rows of docs/fidelity.md that it settles.
        ask: The question.
        change: What to change in the emulator if the answer is not as assumed: a module, setting or key of a story.
        assumed: What the emulator assumes: words, or a range of numbers.
        words: The answers that there are; empty for a number.
        unit: Of a number: `s` or `times`.
        fact: Where the emulator has what it assumes, as `module:NAME.attribute`; empty where it is in no constant.
        evidence: Where the server's log has the answer, or None.
    """

    name: str
    rows: tuple[str, ...]
    ask: str
    change: str
    assumed: tuple[str, ...] | Range
    words: tuple[str, ...] = ()
    unit: str = ""
    fact: str = ""
    evidence: Evidence | None = None

    @property
    def assumption(self) -> str:
        """What the emulator assumes, for people."""
        if self.words:
            return " or ".join(str(one) for one in self.assumed)
        least, most = self.assumed
        return f"{least:g} {self.unit}" if least == most else f"{least:g} to {most:g} {self.unit}"

    @property
    def choices(self) -> str:
        """What may be answered, for people."""
        return " / ".join(self.words) if self.words else f"a number of {self.unit}"

    def read(self, given: object) -> str | float:
        """An answer as it is kept.

        Raises:
            ValueError: It is no answer to this question; the message says what may be answered.
        """
        if self.words:
            text = str(given).strip() if isinstance(given, str) else ""
            if text.lower() in self.words:
                return text.lower()
            if text.lower().startswith(OTHER.strip()) and text[len(OTHER) - 1 :].strip():
                return OTHER + text[len(OTHER) - 1 :].strip()
            raise ValueError(
                f"must be one of {', '.join(self.words)}, or `{OTHER}` and what was seen instead"
            )
        return self._number(given)

    def _number(self, given: object) -> float:
        try:
            if isinstance(given, bool) or not isinstance(given, str | int | float):
                raise ValueError
            number = float(given.strip().removesuffix(self.unit) if isinstance(given, str) else given)
        except ValueError:
            number = -1.0
        if not 0 <= number <= LONGEST:
            raise ValueError(f"must be a number of {self.unit}, 0 to {LONGEST:g}")
        return number

    def is_as_assumed(self, answer: str | float) -> bool:
        """Whether an answer is what the emulator assumes."""
        if isinstance(answer, str):
            return answer in self.assumed
        least, most = (float(one) for one in self.assumed)
        return least <= answer <= most


@dataclass(frozen=True)
class FieldCall:
    """One of the ten.

    Attributes:
        name: As in docs/fidelity.md.
        title: What is tried, in one sentence.
        account: Whose account it needs.
        log: Which calls of the server's log it is, by their fields.
        set_up: What to prepare.
        do: What to do.
        watch: Where to look meanwhile.
        questions: What is asked after it.
    """

    name: str
    title: str
    account: str
    log: Mapping[str, str]
    set_up: tuple[str, ...]
    do: tuple[str, ...]
    watch: tuple[str, ...]
    questions: tuple[Question, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of docs/fidelity.md that the call settles, in the order of its questions."""
        return tuple(dict.fromkeys(row for question in self.questions for row in question.rows))


@cache
def field_calls() -> tuple[FieldCall, ...]:
    """The ten calls, the most telling first."""
    table = tomllib.loads((HERE / "field_calls.toml").read_text(encoding="utf-8"))
    return tuple(_call(entry) for entry in table["calls"])


def _call(entry: Mapping[str, Any]) -> FieldCall:
    return FieldCall(
        entry["name"],
        entry["title"],
        entry["account"],
        entry.get("log", {}),
        tuple(entry["set_up"]),
        tuple(entry["do"]),
        tuple(entry["watch"]),
        tuple(_question(one) for one in entry["questions"]),
    )


def _question(entry: Mapping[str, Any]) -> Question:
    words = tuple(entry.get("words", ()))
    fact = entry.get("fact", "")
    evidence = entry.get("evidence")
    return Question(
        entry["name"],
        tuple(entry["rows"]),
        entry["ask"],
        entry["change"],
        _assumed(value_of(fact) if fact else entry["assumed"], words, entry.get("within", 0.0)),
        words,
        entry.get("unit", ""),
        fact,
        None if evidence is None else Evidence(**evidence),
    )


def _assumed(value: Any, words: tuple[str, ...], within: float) -> tuple[str, ...] | Range:
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if words:
        return tuple(value) if isinstance(value, list | tuple) else (str(value),)
    least, most = value if isinstance(value, list | tuple) else (value, value)
    return max(0.0, round(least - within, 3)), round(most + within, 3)


def value_of(fact: str) -> Any:
    """What the emulator has under `module:NAME.attribute`."""
    module, _, path = fact.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value
