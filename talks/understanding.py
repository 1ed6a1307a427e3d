"""What a scripted model understands of the lines of its talks, as a good model would, though words were misheard.

It is told the lines and what they ask for, and never which talk is being played. A transcript that does not resemble a
line is none of them: then the model knows no more than its rules do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from talks.agent_facts import AgentFacts
from talks.dialogue_words import PLAIN_WORDS
from talks.format import NO_TOPIC, Talk, Turn
from talks.words import alike, compared, has, matched

ALIKE = 0.62
"""How alike a transcript and a line must be: the mean of the share of each one's words that is in the other."""

ALIKE_WITHOUT_CONTENT = 0.9
"""The same for a line of none but words that any sentence may have, such as "Where are you?"."""

CONTENT = 0.5
"""Which share of the words that tell what a line is about must have been heard."""

NAMES_AND_NUMBERS = ("message", "number", "spelling", "email", "date", "correction")
"""Kinds of lines whose very words the owner gets: of these a model knows what was heard, and nothing else."""


@dataclass(frozen=True)
class KnownLine:
    """A line of a talk.

    Attributes:
        agent: Whose talk it is in.
        words: What is said, as it is compared.
        kind: Its kind.
        topics: The facts that answer it, all of them.
        transfer: The destination that it asks for; None for none.
        ends: Whether it ends the call.
        begins_message: Whether it is to be answered by asking who leaves a message.
        comes: Whether a patient who is reminded will come; None where that is not said.
    """

    agent: AgentFacts
    words: Sequence[str]
    kind: str
    topics: Sequence[str] = ()
    transfer: str | None = None
    ends: bool = False
    begins_message: bool = False
    comes: bool | None = None


def lines_of(talks: Iterable[Talk], facts: Mapping[str, AgentFacts], asks_name: str) -> list[KnownLine]:
    """The lines of talks that a model understands.

    Args:
        talks: The talks.
        facts: Of each agent, by its name.
        asks_name: The words with which the model asks who leaves a message.
    """
    return [
        _known(talk, turn, facts[talk.agent], asks_name)
        for talk in talks
        for turn in talk.turns
        if turn.say is not None and turn.kind not in NAMES_AND_NUMBERS
    ]


def nearest(text: str, lines: Iterable[KnownLine]) -> KnownLine | None:
    """The line that a transcript is of; None where it resembles none of them."""
    heard = compared(text)
    best, found = 0.0, None
    for line in lines:
        score = _likeness(line.words, heard)
        if score > best:
            best, found = score, line
    return found


def _known(talk: Talk, turn: Turn, agent: AgentFacts, asks_name: str) -> KnownLine:
    words = compared(re.sub(r"<[^<>]*>", " ", turn.say or ""))
    topics = [topic for topic in turn.topics if topic != NO_TOPIC and topic in agent.facts]
    if turn.kind != "two-questions" and not turn.answered_all:
        # Each of them is a right answer.
        fits = [one for one in topics if any(has(pattern, agent.facts[one]) for pattern in turn.answered)]
        topics = (fits or topics)[:1]
    last = next((one for one in reversed(talk.turns) if one.say is not None), None)
    comes = None
    if talk.placed_by == "bot" and turn.kind == "request" and talk.stored is not None and talk.stored.words:
        comes = "confirmed" in talk.stored.words
    return KnownLine(
        agent,
        words,
        turn.kind,
        topics,
        transfer=talk.transfer if turn is last and _content(words) else None,
        ends=turn.kind == "goodbye",
        begins_message=not topics and any(has(pattern, asks_name) for pattern in turn.answered),
        comes=comes,
    )


def _likeness(wanted: Sequence[str], heard: Sequence[str]) -> float:
    """How alike they are; 0 where they are not alike enough."""
    if not wanted or not heard:
        return 0.0
    same = sum(matched(wanted, heard))
    score = 2 * same / (len(wanted) + len(heard))
    content = _content(wanted)
    if not content:
        return score if score >= ALIKE_WITHOUT_CONTENT else 0.0
    known = sum(any(alike(word, other) for other in heard) for word in content)
    return score if score >= ALIKE and known >= CONTENT * len(content) else 0.0


def _content(words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in PLAIN_WORDS]
