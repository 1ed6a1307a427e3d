"""What a sentence of the caller means to an agent: a fact that is asked for, a wish, a person, or nothing known."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from conversation.language.utterance import Wish, begins_as_question, plain, wish_of
from conversation.local.dialogue.state import Ranker, Script
from conversation.local.retrieval import Match
from conversation.local.wording import WEEKDAYS, content_words, names_somebody

ANSWER_SCORE = 0.54
"""A fact this near is said, when at least `ANSWER_COVERAGE` of the caller's rarer words are its own."""

ANSWER_SCORE_UNCOVERED = 0.62
"""A fact this near is said although few of the caller's words are its own: a paraphrase."""

ANSWER_COVERAGE = 0.34

ALONE_SCORE = 0.5
ALONE_MARGIN = 0.12
"""A fact this near is said, too, when it is that much nearer than anything else that may have been meant."""

CLARIFY_SCORE = 0.42
"""The brain asks back whether a fact this near was meant."""

ANSWER_MARGIN = 0.08
"""How much nearer than anything that no agent can answer a fact must be to be said."""

CLARIFY_MARGIN = 0.05

MISHEARD_BELOW = 0.6
"""A sentence nearer than this to something that no agent can answer was probably not misheard."""

FACTS_APART = 0.06
"""How much nearer than every other fact a fact must be to be said; about two as near the brain asks which."""

MANY, MANY_APART = 4, 0.07
"""So many facts as near as that, the nearest of which has none of the caller's rarer words: none of them is meant."""

WISH_SCORE = 0.55
"""A common wish this near, and nearer than every fact, counts as meant."""

WISH_BEHIND = 0.05
"""How much nearer something that no agent can answer may be than a wish that is meant."""

TRANSFER_SCORE = 0.45
"""A transfer this near, and nearer than every fact, is offered. A question comes first in any case."""

DESTINATION_SCORE = 0.38
"""A transfer this near is meant when the caller has asked for a person anyway."""

_WHERE_THAT_IS = re.compile(
    r"^(?:\W*(?:and|sorry|okay|ok|but|so|hm+|um+)\b\W*)*where(?:['’]s| is| was)? (?:that|it|this|the place)"
    r"(?: going to be| again| exactly| located| please)*\W*$",
    re.IGNORECASE,
)
"""Somebody who asks so has heard of a place, and wants to know where it is."""

_IS_IT_MORE = re.compile(
    r"\b(?:is|would) (?:that|it)(?: be)? (?:any |a bit )?(?:more|extra|dearer)(?= (?:on|at|in)\b|\W*$)",
    re.IGNORECASE,
)

_POINTS_BACK = re.compile(
    r"(?<=\bis )(?:that|it|this)\b|(?<=\bdoes )(?:that|it|this)\b|(?<=\bare )(?:they|these|those)\b|"
    r"(?<=\bdo )(?:they|these|those|i have to pay for (?:that|it))\b|(?<=\bfor )(?:that|it|this)(?=\W*$)",
    re.IGNORECASE,
)
"""What a question is about that does not say it."""

_COST = re.compile(r"\b(?:costs?|free|charged?|pay|how much|expensive|extra|fees?|prices?)\b", re.IGNORECASE)
_MONEY = re.compile(
    r"\b(?:free|charged?|dollars?|cents?|euros?|pounds?|francs?|costs?|fees?|prices?|paid|pay)\b|[$€£]",
    re.IGNORECASE,
)

_LEADS_IN = re.compile(r"^(?:\W*(?:and|oh|okay|ok|so|but|great|thanks|thank you)\b)+\W*", re.IGNORECASE)
_SHORT_QUESTION = 8
"""Words of the longest question that may be about what was told last."""

_WISHES = {
    "closing": Wish.CLOSING,
    "person": Wish.PERSON,
    "message": Wish.MESSAGE,
    "identity": Wish.IDENTITY,
    "menu": Wish.MENU,
    "repeat": Wish.REPEAT,
}


class Meaning:
    """Finds out what sentences mean, by their words first and then by their nearness to what the agent knows."""

    def __init__(self, script: Script, retriever: Ranker):
        """Initialize it.

        Args:
            script: The agent's words in this call.
            retriever: Orders what a sentence may have meant.
        """
        self._script = script
        self._retriever = retriever

    def of(self, text: str) -> tuple[Wish | None, str | None]:
        """Find out what one sentence wants: by its words, else by its meaning. A wish, a fact, or neither."""
        wish = wish_of(text)
        if wish is not None:
            # A restaurant is asked for its menu.
            fact = self.said_fact(text) if wish in (Wish.MENU, Wish.IDENTITY, Wish.ANGRY) else None
            return (None, fact) if fact else (wish, None)
        if not any(len(word) > 1 for word in plain(text).split()):
            return Wish.FILLER, None
        ranked = self.rank(text)
        if not ranked:
            return None, None
        best_fact = _best(ranked, "fact")
        transfer = _best(ranked, "transfer")
        wished = _best(ranked, "intent")
        nearest = max(best_fact.score if best_fact else 0.0, _elsewhere(ranked) - WISH_BEHIND)
        if wished and wished.score >= max(WISH_SCORE, nearest):
            return _WISHES.get(wished.key), None
        if (
            transfer
            and transfer.score >= TRANSFER_SCORE
            and (not best_fact or transfer.score > best_fact.score)
        ):
            return Wish.PERSON, None
        return None, self.sure(ranked)

    def about(self, text: str, told: str) -> str | None:
        """Name the fact that a short question about "it" or "that" asks for, when it is about the one told last.

        Args:
            text: "Does that cost anything?"
            told: The topic of the fact that was told last.
        """
        found = _POINTS_BACK.search(text)
        if found is None or len(plain(text).split()) > _SHORT_QUESTION or not begins_as_question(_bare(text)):
            return None
        fact = self.said_fact(f"{text[: found.start()]}{self._script.topic(told)}{text[found.end() :]}")
        return fact if fact != told or self._tells(told, text) else None

    def asks_if_free(self, text: str) -> bool:
        """Whether a question asks of "it" or "that" whether it is free, and of nothing else."""
        return bool(_POINTS_BACK.search(text)) and content_words(text) == {"free"}

    def _tells(self, topic: str, text: str) -> bool:
        """Whether a fact has an answer to a short question about it, and not only its name."""
        fact = self._script.fact(topic)
        if _COST.search(text):
            return bool(_MONEY.search(fact.answer))
        return content_words(text) <= content_words(" ".join([fact.topic, *fact.questions, fact.answer]))

    def is_known(self, text: str) -> bool:
        """Whether a sentence wants something, or may ask for a fact."""
        return self.wants_something(text) or bool(self.near_facts(text))

    def wants_something(self, text: str) -> bool:
        """Whether a sentence surely wants something, or asks for a fact."""
        wish, fact = self.of(text)
        return wish not in (None, Wish.FILLER) or fact is not None

    def said_fact(self, text: str) -> str | None:
        """Name the fact that a sentence surely asks for."""
        return self.sure(self.rank(text)) if plain(text) else None

    def misheard_fact(self, text: str) -> str | None:
        """Name the fact that was asked for if some words were written down wrongly; only ever asked back."""
        corrected = self._retriever.corrected(text)
        return self.said_fact(corrected) if corrected else None

    def sure(self, ranked: list[Match]) -> str | None:
        """Name the fact that is near enough to be said, if there is one."""
        facts = [match for match in ranked if match.kind == "fact"]
        if not facts:
            return None
        fact = facts[0]
        if len(facts) > 1 and fact.score - facts[1].score < FACTS_APART:
            if not (
                fact.knows_day and facts[1].knows_day
            ):  # what two say of the same day is no contradiction
                return None
        others = max((match.score for match in ranked if match is not fact), default=0.0)
        if fact.score >= ALONE_SCORE and fact.score - others >= ALONE_MARGIN:
            return fact.key
        needed = ANSWER_SCORE if fact.coverage >= ANSWER_COVERAGE else ANSWER_SCORE_UNCOVERED
        if fact.score >= needed and fact.score - _elsewhere(ranked) >= ANSWER_MARGIN:
            return fact.key
        return None

    def near_facts(self, text: str) -> list[str]:
        """Name the fact, or the two as near, that may have been meant, to ask back; none when none is near."""
        ranked = self.rank(text)
        least = max(CLARIFY_SCORE, _elsewhere(ranked) + CLARIFY_MARGIN)
        near = [match for match in ranked if match.kind == "fact" and match.score >= least][:2]
        if near:
            if self._is_near_all(ranked, near[0]):
                return []
            return [match.key for match in near if near[0].score - match.score < FACTS_APART]
        misheard = self.misheard_fact(text) if _elsewhere(ranked) < MISHEARD_BELOW else None
        return [misheard] if misheard else []

    def _is_near_all(self, ranked: list[Match], nearest: Match) -> bool:
        """Whether so many facts are as near that it is only the business that they have in common."""
        alike = [one for one in ranked if one.kind == "fact" and nearest.score - one.score < MANY_APART]
        return len(alike) >= MANY and not nearest.coverage

    def destination(self, text: str) -> str:
        """Name the transfer that a sentence asks for; empty when it names none, as in "a person, please"."""
        words = plain(text)
        for name in self._script.agent.transfers:
            if plain(name.replace("-", " ")) in words:
                return name
        transfer = _best(self.rank(text), "transfer") if names_somebody(text) else None
        return transfer.key if transfer and transfer.score >= DESTINATION_SCORE else ""

    def rank(self, text: str) -> list[Match]:
        """Order what a sentence may have meant, the nearest first."""
        text = _IS_IT_MORE.sub("is it more expensive", _WHERE_THAT_IS.sub("Where are you?", text))
        return self._retriever.rank(text, _relative_days(text, self._script.variables.get("now")))


def _bare(text: str) -> str:
    return _LEADS_IN.sub("", text)


def _best(ranked: list[Match], kind: str) -> Match | None:
    return next((match for match in ranked if match.kind == kind), None)


def _elsewhere(ranked: list[Match]) -> float:
    match = _best(ranked, "elsewhere")
    return match.score if match else 0.0


def _relative_days(text: str, now: Any) -> set[str]:
    if not isinstance(now, datetime):
        return set()
    words = set(plain(text).split())
    days = set()
    if words & {"today", "tonight"}:
        days.add(WEEKDAYS[now.weekday()])
    if "tomorrow" in words:
        days.add(WEEKDAYS[(now + timedelta(days=1)).weekday()])
    return days
