"""The facts of agents as their owners have written them: what may be said to callers, and what would be wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from talks.errors import TalksError
from talks.words import share

SAID = 0.6
"""Which share of a fact's words must have been said for it to be told."""

WRONG = 0.7
"""The same for a fact that was not asked for: facts have words in common."""


@dataclass(frozen=True)
class AgentFacts:
    """What an agent's file says, as far as talks need it.

    Attributes:
        facts: Answers by topic.
        questions: Wordings by topic.
        numbers: Telephone numbers by the names of destinations.
        warm: The destinations that are asked first.
        greeting: The greeting as it is written.
        variables: Those of `[variables]`.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    warm: frozenset[str] = frozenset()
    greeting: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def told(self, topic: str, text: str) -> float:
        """Which share of a fact's answer is in a text."""
        return share(self.facts[topic], text)

    def right(self, topics: Sequence[str], text: str) -> bool:
        """Whether a text tells one of these facts."""
        return any(self.told(topic, text) >= SAID for topic in topics if topic in self.facts)

    def wrong(self, topics: Sequence[str], text: str) -> str | None:
        """The topic of a fact that a text tells though it is none of these; None when it tells none.

        Two facts may say nearly the same; one of them that is right is not taken for the other.
        """
        best_right = max((self.told(topic, text) for topic in topics if topic in self.facts), default=0.0)
        for topic in self.facts:
            if topic not in topics and self.told(topic, text) >= max(WRONG, best_right + 0.01):
                return topic
        return None


def read_agent(name: str, folders: Sequence[Path]) -> AgentFacts:
    """Read the file of an agent.

    Raises:
        TalksError: There is none, or it is no TOML.
    """
    for folder in folders:
        path = folder / f"{name}.toml"
        if not path.exists():
            continue
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise TalksError(f"{path}: {error}; mend the file") from None
        variables = {key: str(value) for key, value in table.get("variables", {}).items()}
        facts = {one["topic"]: _filled(one["answer"], variables) for one in table.get("facts", ())}
        transfers = table.get("transfers", {})
        return AgentFacts(
            facts,
            {one["topic"]: tuple(one.get("questions", ())) for one in table.get("facts", ())},
            {key: str(one.get("number", one.get("sip", ""))) for key, one in transfers.items()},
            frozenset(key for key, one in transfers.items() if one.get("warm")),
            _filled(str(table.get("greeting", "")), variables),
            variables,
        )
    places = " and ".join(str(folder) for folder in folders)
    raise TalksError(f"there is no agent {name!r} in {places}; name one of their files without .toml")


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """A template with the agent's own variables; what only a call knows is left out."""
    text = re.sub(r"{%.*?%}", "", text)
    return re.sub(r"{{\s*(\w+).*?}}", lambda match: variables.get(match[1], ""), text)
