"""Which of the owner's facts, or which wish, a caller's sentence is nearest to in meaning."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from conversation.agents.agent import Agent
from conversation.local.wordpiece import token_ids

Kind = Literal["fact", "transfer", "intent", "elsewhere", "choice"]

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

OWN_LIKENESS = 0.65
OWN_LIKENESS_IN_WORDS = 0.5
"""From where on a built-in sentence about what no agent can answer is taken for what this one can: so like one of the
owner's questions, or that much with more than half of its words among the owner's."""

_BATCH = 32

_STOP_WORDS = frozenset(
    """a about all also am an and any are as at be been but by can could did do does else for from get give go got
    had has have hello hey hi how i if in is it just know let like may me much my need of off okay on one or our
    please put say should so some tell than thank thanks that the their them then there they this time to too us
    want was we well what when where which who why will with would yes you your""".split()
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Encoder(Protocol):
    """Turns sentences into directions: near in meaning is near in direction."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return one unit vector a text, as float32 of shape (texts, dimensions)."""
        ...


class SentenceModel:
    """all-MiniLM-L6-v2 with int8 weights on ONNX Runtime. May be used from several threads at once."""

    def __init__(self, path: Path, *, threads: int = 1):
        """Load the model; takes about half a second.

        Args:
            path: The ONNX file.
            threads: Threads for one sentence. A sentence takes 4 ms on one.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The arena would keep the memory of the largest batch for ever, for sentences that need none of it.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return one unit vector a text, as float32 of shape (texts, 384)."""
        batches = [self._batch(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, 384), np.float32)

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        rows = [token_ids(text) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, inputs)[0]
        weights = mask[..., None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit: np.ndarray = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit


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


@dataclass(frozen=True)
class _Example:
    kind: Kind
    key: str
    text: str


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
        examples = _examples(agent)
        vectors = encoder.embed([example.text for example in examples])
        kept = _not_the_owners(agent, examples, vectors)
        self._examples = [examples[number] for number in kept]
        self._vectors = vectors[kept]
        self._words = {
            fact.topic: _content_words(agent.own(" ".join([fact.topic, *fact.questions])))
            for fact in agent.facts
        }
        self._spelled = {
            fact.topic: {
                word for word in re.findall(r"[a-z]{4,}", agent.own(" ".join(fact.questions)).lower())
            }
            - _STOP_WORDS
            for fact in agent.facts
        }
        self._weekdays = {
            fact.topic: weekdays_in(" ".join([*fact.questions, fact.answer])) for fact in agent.facts
        }
        self._ways = {
            fact.topic: {way for text in fact.questions for way in _ways(text)} for fact in agent.facts
        }
        self._rarity = _rarity(self._words)
        self._of_choices = _words_of_choices(examples)

    def rank(self, text: str, days: Collection[str] = ()) -> list[Match]:
        """Order what a sentence may have meant, the nearest first, one match a key.

        Args:
            text: What the caller said; one sentence works best.
            days: The weekdays that it is about, in English and lower case, beyond those that it names.
        """
        if not text.strip():
            return []
        similarity = self._vectors @ self._encoder.embed([_without_politeness(text)])[0]
        best: dict[tuple[Kind, str], float] = {}
        for example, near in zip(self._examples, similarity, strict=True):
            key = (example.kind, example.key)
            best[key] = max(best.get(key, -1.0), float(near))
        said = _content_words(text)
        about = weekdays_in(text) | set(days)
        ways = _ways(text)
        matches = []
        for (kind, name), score in best.items():
            coverage = 0.0
            if kind == "fact":
                coverage = self._overlap(said, name)
                score += KEYWORD_WEIGHT * coverage + self._day_fit(about, name)
                score -= ASKED_OTHERWISE * bool(ways - self._ways[name])
            elif kind == "choice":
                coverage = float(bool(said & self._of_choices[name]))
            knows_day = kind == "fact" and bool(about & self._weekdays[name])
            matches.append(Match(kind, name, score, coverage, knows_day))
        return sorted(matches, key=lambda match: match.score, reverse=True)

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
            if len(bare) < MISHEARD_LETTERS or bare in known or bare in _STOP_WORDS:
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


_POLITENESS = re.compile(
    r"""^(?:(?:hi|hello|hey|good\s(?:morning|afternoon|evening)|yes|yeah|okay|ok|well|so|um+|uh+|and|also|sorry|
    excuse\sme|please|oh|alright|great|thanks|thank\syou|there)\b[\s,.!]*)+|
    \b(?:can|could|would)\syou\s(?:please\s)?(?:tell\sme|let\sme\sknow)\s(?:please\s)?|
    \bi(?:\swas|'m|\sam)?\s(?:just\s)?(?:wondering|calling\sto\sask|want\sto\sknow|wanted\sto\sknow)\s(?:if\s)?|
    \bi(?:\shave|'ve\sgot|\shad)\s(?:a|one|another)(?:\squick)?\squestion(?:\s(?:about|on|regarding))?\b|
    \bi(?:'m|\sam)\scalling\s(?:about|regarding)\s|\bi\swant(?:ed)?\sto\sask\s(?:you\s)?(?:about\s)?|
    \bi(?:'d|\swould)\slike\sto\sknow\s|\bplease\b""",
    re.IGNORECASE | re.VERBOSE,
)


_WAY = re.compile(
    r"\b(how (?:old|many|often|far|big|tall)|how long (?=do|does|will|is|are|did)|why|who(?:se)?)\b"
)


def _ways(text: str) -> set[str]:
    """Name the ways of asking in a text that a fact either answers or does not, whatever it is about."""
    return {way.strip() for way in _WAY.findall(text.lower())}


def _without_politeness(text: str) -> str:
    """Take away what says nothing of the wish: it moves every sentence a little towards every other one."""
    bare = _POLITENESS.sub("", text).strip(" ,.!")
    return bare if len(bare.split()) > 1 else text


def weekdays_in(text: str) -> set[str]:
    """Name the weekdays in a text, in lower case; "weekend" is Saturday and Sunday."""
    words = re.findall(r"[a-z]+", text.lower())
    days = {day for day in WEEKDAYS if day in words or f"{day}s" in words}
    if {"weekend", "weekends"} & set(words):
        days |= {"saturday", "sunday"}
    if {"weekday", "weekdays", "workday", "workdays"} & set(words) or "during the week" in " ".join(words):
        days |= set(WEEKDAYS[:5])
    for first, link, last in zip(words, words[1:], words[2:], strict=False):
        if link in ("to", "until", "through") and first in WEEKDAYS and last in WEEKDAYS:
            start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
            days |= set(WEEKDAYS[start : end + 1] if start <= end else WEEKDAYS[start:] + WEEKDAYS[: end + 1])
    return days


def _sentences(answer: str) -> list[str]:
    """Cut an answer into sentences: it is also what a caller may ask for. Without those that are filled in later."""
    return [text for text in re.split(r"(?<=[.!?])\s+", answer) if "{" not in text]


def _examples(agent: Agent) -> list[_Example]:
    examples = []
    for fact in agent.facts:
        for text in (*fact.questions, fact.topic, *_sentences(fact.answer)):
            examples.append(_Example("fact", fact.topic, agent.own(text)))
    for name, target in agent.transfers.items():
        spoken = name.replace("-", " ")
        for text in (
            f"Can I speak to {spoken}?",
            f"Put me through to {spoken}.",
            agent.own(target.description) or spoken,
        ):
            examples.append(_Example("transfer", name, text))
    examples += _of_flow(agent)
    for wish, texts in _wishes().items():
        kind: Kind = "elsewhere" if wish == "elsewhere" else "intent"
        examples.extend(_Example(kind, wish, text) for text in texts)
    return examples


def choice_key(node: str, function: str) -> str:
    """How a choice of a call flow is named among all that a sentence can mean."""
    return f"{node}\n{function}"


def _of_flow(agent: Agent) -> list[_Example]:
    """What callers may say to choose something in a call flow: its examples, its label, and what it is for."""
    flow = agent.call_flow
    if flow is None:
        return []
    return [
        _Example("choice", choice_key(node, function.name), agent.own(text) if text in own else text)
        for node in flow.config.nodes
        for function in flow.functions(node)
        if (choice := flow.choices(node).get(function.name)) is not None
        for own in [(*choice.examples, choice.label or "")]
        for text in (*own, function.name.replace("_", " "), function.description)
        if text
    ]


def _words_of_choices(examples: Sequence[_Example]) -> Mapping[str, set[str]]:
    """The words of each choice that no other choice of its node has."""
    words: dict[str, set[str]] = {}
    for example in examples:
        if example.kind == "choice":
            words.setdefault(example.key, set()).update(_content_words(example.text))
    return {
        key: own.difference(
            *(
                others
                for other, others in words.items()
                if other != key and other.partition("\n")[0] == key.partition("\n")[0]
            )
        )
        for key, own in words.items()
    }


def _not_the_owners(agent: Agent, examples: Sequence[_Example], vectors: np.ndarray) -> list[int]:
    """Number the examples without those of `elsewhere` that are this owner's business."""
    facts = [number for number, example in enumerate(examples) if example.kind == "fact"]
    if not facts:
        return list(range(len(examples)))
    own = _content_words(
        " ".join(" ".join([fact.topic, *fact.questions, fact.answer]) for fact in agent.facts)
    )
    likeness = (vectors @ vectors[facts].T).max(axis=1)

    def is_own(number: int) -> bool:
        words = _content_words(examples[number].text)
        in_words = 2 * len(words & own) > len(words) and likeness[number] >= OWN_LIKENESS_IN_WORDS
        return bool(in_words or likeness[number] >= OWN_LIKENESS)

    return [
        number for number, example in enumerate(examples) if example.kind != "elsewhere" or not is_own(number)
    ]


@cache
def _wishes() -> Mapping[str, list[str]]:
    text = resources.files("conversation.local.data").joinpath("intents.toml").read_text("utf-8")
    return tomllib.loads(text)


def _content_words(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.lower().replace("'", ""))
    return {_stem(word) for word in words if word not in _STOP_WORDS and len(word) > 1}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _rarity(words: Mapping[str, set[str]]) -> dict[str, float]:
    """Weigh a word by how few facts have it: 1 for one fact, towards 0 when all have it."""
    counts: dict[str, int] = {}
    for own in words.values():
        for word in own:
            counts[word] = counts.get(word, 0) + 1
    return {word: 1.0 / count for word, count in counts.items()}
