"""Which of the owner's facts, or which wish, a caller's sentence is nearest to in meaning."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conversation.agents.agent import Agent
from conversation.local.encoder import Encoder
from conversation.local.examples import Kind, examples_of, words_of_choices
from conversation.local.wording import (
    STOP_WORDS,
    WEEKDAYS,
    asked_object,
    content_words,
    speaks_to_us,
    tells_little,
    ways_of_asking,
    weekdays_in,
    without_our_place,
    without_politeness,
)

KEYWORD_WEIGHT = 0.12
"""How much a fact gains when all of a caller's rarer words are among its own."""

WEEKDAY_WEIGHT = 0.12
"""How much a fact gains for naming the caller's day, or loses for naming only other days."""

MISHEARD_LETTERS = 4
MISHEARD_LIKENESS = 0.74
"""How long two words must be at least, in letters, and how alike, for one to count as the other misheard."""

FEW_DAYS_WEIGHT = 0.08
"""How much a fact loses that is about a few days only, when the caller names no day; a seventh for each other day."""

ASKED_OTHERWISE = 0.25
"""How much a fact loses whose questions never ask in the caller's way: "how old" where all are "who"."""

OTHER_OBJECT = 0.12
"""How much a fact loses that knows nothing of the thing that is asked for, as in "Do you sell burgers?"."""

TELLS_LITTLE = 0.12
"""How much every fact loses when the caller says none but words that any question may have, such as "today"."""

LENT_WEIGHT = 0.02
"""How much a sentence loses that the owner did not write."""

OTHERS_WEIGHT = 0.1
"""How much a sentence about others loses ("When does the bank open?") when the caller says "you" or "your"."""


@dataclass(frozen=True)
class Match:
    """Something that a sentence may have meant.

    Attributes:
        kind: A fact, a transfer, a wish that every agent knows, something that no agent can answer, or a choice of the
            agent's call flow.
        key: The fact's topic, the transfer's name, the wish ("closing", "person", "message", ...), or the choice's node
            and function, see `choice_key`.
        score: How near; 1 and more is the same words, below about 0.4 there is little in common.
        coverage: For a fact, which part of the caller's rarer words is among its own, from 0 to 1. For a choice, 1 if a
            word was said that none of the others in its node has, else 0.
        knows_day: For a fact, whether the caller named a day that it is about.
    """

    kind: Kind
    key: str
    score: float
    coverage: float = 0.0
    knows_day: bool = False


class Retriever:
    """Compares sentences with an agent's facts and transfers and with the common wishes.

    Immutable once built, so one serves all calls of an agent, from any thread.
    """

    def __init__(self, agent: Agent, encoder: Encoder):
        """Embed all examples; takes about 0.3 s for twenty facts, so do it in a thread.

        Args:
            agent: Whose facts.
            encoder: The sentence model.
        """
        self._encoder = encoder
        examples, self._vectors = examples_of(agent, encoder)
        self._keys = list(dict.fromkeys((example.kind, example.key) for example in examples))
        number = {key: place for place, key in enumerate(self._keys)}
        self._key_of = np.array([number[example.kind, example.key] for example in examples])
        self._loses = np.array(
            [LENT_WEIGHT if example.lent and example.kind == "fact" else 0.0 for example in examples]
        )
        self._is_elsewhere = np.array([example.kind == "elsewhere" for example in examples])
        self._of_others = np.array(
            [
                example.kind == "elsewhere" and not speaks_to_us(example.text) and OTHERS_WEIGHT
                for example in examples
            ]
        )
        lent: dict[str, list[str]] = {}
        for example in examples:
            if example.lent and example.kind == "fact":
                lent.setdefault(example.key, []).append(example.text)
        self._words = {
            fact.topic: content_words(
                " ".join([agent.own(" ".join([fact.topic, *fact.questions])), *lent.get(fact.topic, ())])
            )
            for fact in agent.facts
        }
        self._known = {
            fact.topic: self._words[fact.topic] | content_words(agent.own(fact.answer))
            for fact in agent.facts
        }
        self._spelled = {
            fact.topic: {
                word for word in re.findall(r"[a-z]{4,}", agent.own(" ".join(fact.questions)).lower())
            }
            - STOP_WORDS
            for fact in agent.facts
        }
        self._weekdays = {
            fact.topic: weekdays_in(" ".join([*fact.questions, fact.answer])) for fact in agent.facts
        }
        self._ways = {
            fact.topic: {way for text in (*fact.questions, fact.answer) for way in ways_of_asking(text)}
            | set(re.findall(r"[a-z]+", f"{fact.topic} {' '.join(fact.questions)} {fact.answer}".lower()))
            for fact in agent.facts
        }
        self._rarity = _rarity(self._words)
        self._of_choices = words_of_choices(examples)

    def rank(self, text: str, days: Collection[str] = ()) -> list[Match]:
        """Order what a sentence may have meant, the nearest first, one match a key.

        Args:
            text: What the caller said; one sentence works best.
            days: The weekdays that it is about, in English and lower case, beyond those that it names.
        """
        if not text.strip():
            return []
        texts = list(dict.fromkeys(map(without_politeness, (text, without_our_place(text)))))
        likeness = self._vectors @ self._encoder.embed(texts).T
        similarity = np.where(self._is_elsewhere, likeness.min(axis=1), likeness.max(axis=1))
        best = np.full(len(self._keys), -1.0)
        loses = self._loses + self._of_others if speaks_to_us(text) else self._loses
        np.maximum.at(best, self._key_of, similarity - loses)
        said = content_words(text)
        about = weekdays_in(text) | set(days)
        ways, wanted = ways_of_asking(text), asked_object(text)
        matches = []
        for (kind, name), score in zip(self._keys, map(float, best), strict=True):
            coverage = 0.0
            if kind == "fact":
                coverage = 0.0 if tells_little(said) else self._overlap(said, name)
                score -= TELLS_LITTLE * tells_little(said)
                score += KEYWORD_WEIGHT * coverage + self._day_fit(about, name)
                score -= ASKED_OTHERWISE * bool(ways - self._ways[name])
                score -= OTHER_OBJECT * bool(wanted and not wanted & self._known[name])
            elif kind == "choice":
                coverage = float(bool(said & self._of_choices[name]))
            knows_day = kind == "fact" and bool(about & self._weekdays[name])
            matches.append(Match(kind, name, score, coverage, knows_day))
        return sorted(matches, key=lambda match: match.score, reverse=True)

    def nearness(self, texts: Sequence[str]) -> Sequence[float]:
        """How near each of some texts is to the nearest example; takes some 3 ms a text."""
        near: Sequence[float] = (self._vectors @ self._encoder.embed(texts).T).max(axis=0).tolist()
        return near

    def corrected(self, text: str) -> str | None:
        """Replace words that sound much like one of the facts' words: "part my car" becomes "park my car".

        Returns:
            The other sentence, or None when there is no such word.
        """
        known = {word for own in self._spelled.values() for word in own}
        words = text.split()
        changed = False
        for number, word in enumerate(words):
            bare = re.sub(r"[^a-z]", "", word.lower())
            if len(bare) < MISHEARD_LETTERS or bare in known or bare in STOP_WORDS:
                continue
            if close := difflib.get_close_matches(bare, known, n=1, cutoff=MISHEARD_LIKENESS):
                words[number] = close[0]
                changed = True
        return " ".join(words) if changed else None

    def _overlap(self, said: set[str], topic: str) -> float:
        total = sum(self._rarity.get(word, 1.0) for word in said)
        if not total:
            return 0.0
        return sum(self._rarity[word] for word in said & self._words[topic]) / total

    def _day_fit(self, about: set[str], topic: str) -> float:
        known = self._weekdays[topic]
        if not known:
            return 0.0
        if not about:
            return -FEW_DAYS_WEIGHT * (1 - len(known) / len(WEEKDAYS))
        return WEEKDAY_WEIGHT * (0.5 if about & known else -1.0)


def _rarity(words: Mapping[str, set[str]]) -> dict[str, float]:
    """Weigh a word by how few facts have it: 1 for one fact, towards 0 when all have it."""
    counts: dict[str, int] = {}
    for own in words.values():
        for word in own:
            counts[word] = counts.get(word, 0) + 1
    return {word: 1.0 / count for word, count in counts.items()}
