"""Wordings of callers, judged: whether the local brain takes each for what it must be taken for."""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conversation.agents.agent import Agent
from conversation.agents.files import load_agent
from tests.brain_talk import meaning, receptionist

DATA = Path(__file__).parent / "conversation" / "data"
NOTHING = "REFUSED"
"""What must be taken for nothing that the owner wrote about."""

_SEED = "what is kept aside"
_HARMLESS = frozenset(
    ("IDENTITY", "MENU_INTRO", "ANYTHING_ELSE", "YOU_ARE_WELCOME", "GO_ON", "HOW_CAN_I_HELP")
)
"""Lines that claim nothing and do nothing."""


@dataclass(frozen=True)
class Wording:
    """A sentence to an agent, and what it must be taken for; one of several with a | between."""

    agent: str
    said: str
    wanted: str


@cache
def agent_named(name: str) -> Agent:
    return receptionist() if name == "receptionist" else load_agent(name, DATA)


def tuned_and_aside(file: str = "wordings.toml") -> tuple[list[Wording], list[Wording]]:
    """Read the wordings, those that were tuned with from the beginning and the third that was kept aside.

    The seed decides, for each agent and for what is in its domain and what is not by themselves.
    """
    tuned: list[Wording] = []
    aside: list[Wording] = []
    for agent, table in tomllib.loads((DATA / file).read_text("utf-8")).items():
        everything = [Wording(agent, said, wanted) for wanted, texts in table.items() for said in texts]
        for off_topic in (False, True):
            group = [one for one in everything if (one.wanted == NOTHING) is off_topic]
            random.Random(f"{_SEED} {agent} {off_topic}").shuffle(group)
            third = len(group) // 3
            aside += group[:third]
            tuned += group[third:]
    return tuned, aside


def verdict(got: str, wanted: str) -> str:
    """Judge what a sentence was taken for: right, asked right, asked wrong, refused or wrong.

    Args:
        got: What `meaning` says; "? topic" is the question whether that was meant.
        wanted: What it must be taken for; one of several with a | between.
    """
    options = wanted.split("|")
    if got in options or (got.startswith("PERSON") and "PERSON *" in options):
        return "right"
    if got.startswith("? "):
        return "asked right" if set(got[2:].split("|")) & set(options) else "asked wrong"
    return "refused" if got in _HARMLESS | {NOTHING} else "wrong"


@dataclass(frozen=True)
class Figures:
    """How many wordings were judged which way, and those that were not right, to show."""

    count: Counter[str]
    shown: str

    def share(self, *verdicts: str) -> float:
        """The share of these verdicts, 0 to 1."""
        return sum(self.count[one] for one in verdicts) / self.count.total()


def judged(wordings: Iterable[Wording]) -> Figures:
    """Judge wordings, each said first in a conversation of its own."""
    results = []
    for one in wordings:
        got = meaning(one.said, agent_named(one.agent))
        results.append((verdict(got, one.wanted), one, got))
    shown = "\n".join(
        f"{result:12}{one.agent:13}{one.said}  ({one.wanted}) -> {got}"
        for result, one, got in results
        if result not in ("right", "asked right")
    )
    return Figures(Counter(result for result, _, _ in results), shown)


_SOUNDS_LIKE = {
    "are": "our", "park": "part", "by": "buy", "for": "four", "to": "two", "your": "you're", "there": "their",
    "do": "to", "can": "could", "is": "it's", "in": "and", "an": "and", "my": "by", "when": "went", "where": "we're",
    "pay": "play", "close": "clothes", "open": "often", "tooth": "truth", "kids": "kit", "card": "car",
    "order": "older", "late": "lake", "will": "well", "see": "sea", "cost": "cross", "free": "three",
}  # fmt: skip


def as_heard(text: str) -> str:
    """Write a sentence as a recogniser on a bad line does: a word of four lost, a word of six another, no marks."""
    chance = random.Random(text)
    words = text.lower().rstrip("?.!").replace(",", "").split()
    if len(words) > 3:
        for _ in range(len(words) // 4):
            words.pop(chance.randrange(len(words)))
    for place in chance.sample(range(len(words)), len(words) // 6):
        words[place] = _SOUNDS_LIKE.get(words[place], words[place])
    return " ".join(words).capitalize() + chance.choice(".?")
