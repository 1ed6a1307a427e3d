"""What callers may say to an agent, by what it means: the owner's own words, and what callers of any business say.

Sentences that callers of every kind of business say ("Is cash okay?") are lent to the owner's fact that is about the
same, so that an owner need not think of all ways of asking. What is nobody's business, or not this owner's, counts
against every fact; an owner's own words always come before it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal

import numpy as np

from conversation.agents.agent import Agent
from conversation.local.encoder import Encoder
from conversation.local.wording import content_words

Kind = Literal["fact", "transfer", "intent", "elsewhere", "choice"]

OWN_LIKENESS = 0.65
OWN_LIKENESS_IN_WORDS = 0.5
"""From where on a built-in sentence about what no agent can answer is taken for what this one can: so like one of the
owner's questions, or that much with more than half of its words among the owner's."""

SAME_TOPIC = 1.2
"""How like a fact's questions a topic's sentences are to be, on average and the likest one added, to be lent to it."""

LENT_ELSEWHERE = 0.15
"""How much liker another fact a sentence may be than the one that its topic is lent to."""


@dataclass(frozen=True)
class Example:
    """A sentence and what it means.

    Attributes:
        kind: A fact, a transfer, a wish that every agent knows, something that no agent can answer, or a choice of the
            agent's call flow.
        key: Which of them, see `conversation.local.retrieval.Match`.
        text: The sentence.
        lent: The owner did not write it.
    """

    kind: Kind
    key: str
    text: str
    lent: bool = False


def examples_of(agent: Agent, encoder: Encoder) -> tuple[list[Example], np.ndarray]:
    """Collect the sentences that an agent understands, and their vectors.

    Args:
        agent: Whose facts, transfers and flow.
        encoder: The sentence model.
    """
    own = own_examples(agent)
    vectors = encoder.embed([example.text for example in own])
    built_in, of_built_in = built_in_examples(encoder)
    facts = [number for number, example in enumerate(own) if example.kind == "fact"]
    if facts:
        likeness = of_built_in @ vectors[facts].T
        lent = list(_lent(built_in, likeness, [own[number].key for number in facts]))
        about = _words_of_facts(agent)
        kept = [
            (number, example)
            for number, example in enumerate(lent)
            if example is not None
            and not (example.kind == "elsewhere" and _is_own(example, likeness[number].max(), about))
        ]
    else:
        kept = [(number, example) for number, example in enumerate(built_in) if example.kind == "elsewhere"]
    numbers = [number for number, _ in kept]
    return [*own, *(example for _, example in kept)], np.concatenate([vectors, of_built_in[numbers]])


def own_examples(agent: Agent) -> list[Example]:
    """Collect what the owner wrote, and the wishes that every agent knows."""
    examples = []
    for fact in agent.facts:
        for text in (*fact.questions, fact.topic, *_sentences(fact.answer)):
            examples.append(Example("fact", fact.topic, agent.own(text)))
    for name, target in agent.transfers.items():
        spoken = name.replace("-", " ")
        for text in (
            f"Can I speak to {spoken}?",
            f"Put me through to {spoken}.",
            agent.own(target.description) or spoken,
        ):
            examples.append(Example("transfer", name, text))
    examples += _of_flow(agent)
    for wish, texts in _data("intents.toml").items():
        if wish != "elsewhere":
            examples.extend(Example("intent", wish, text) for text in texts)
    return examples


def choice_key(node: str, function: str) -> str:
    """How a choice of a call flow is named among all that a sentence can mean."""
    return f"{node}\n{function}"


def words_of_choices(examples: Sequence[Example]) -> Mapping[str, set[str]]:
    """The words of each choice that no other choice of its node has."""
    words: dict[str, set[str]] = {}
    for example in examples:
        if example.kind == "choice":
            words.setdefault(example.key, set()).update(content_words(example.text))
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


def _lent(
    built_in: Sequence[Example], likeness: np.ndarray, topics: Sequence[str]
) -> Iterator[Example | None]:
    """Say what each built-in sentence means to this owner; None where it means nothing certain.

    Args:
        built_in: Sentences, those of a topic together.
        likeness: How like each of them is to each sentence of the owner's facts.
        topics: The fact of each of the owner's sentences.
    """
    names = list(dict.fromkeys(topics))
    of_fact = np.array([names.index(topic) for topic in topics])
    nearest = np.stack([likeness[:, of_fact == number].max(axis=1) for number in range(len(names))], axis=1)
    by_topic: dict[str, list[int]] = {}
    for number, example in enumerate(built_in):
        by_topic.setdefault(example.key, []).append(number)
    to_fact = {}
    for topic, numbers in by_topic.items():
        alike = nearest[numbers].mean(axis=0) + nearest[numbers].max(axis=0)
        to_fact[topic] = int(alike.argmax()) if alike.max() >= SAME_TOPIC else None
    for number, example in enumerate(built_in):
        fact = to_fact[example.key] if example.key else None
        if fact is None:
            yield example if example.kind == "elsewhere" else None
        elif nearest[number].max() - nearest[number, fact] <= LENT_ELSEWHERE:
            yield replace(example, kind="fact", key=names[fact])
        else:
            yield None


def _is_own(example: Example, likeness: float, owners: set[str]) -> bool:
    """Whether a sentence that no agent can answer is this owner's business."""
    words = content_words(example.text)
    in_words = 2 * len(words & owners) > len(words) and likeness >= OWN_LIKENESS_IN_WORDS
    return bool(in_words or likeness >= OWN_LIKENESS)


def _words_of_facts(agent: Agent) -> set[str]:
    return content_words(
        " ".join(" ".join([fact.topic, *fact.questions, fact.answer]) for fact in agent.facts)
    )


def _sentences(answer: str) -> list[str]:
    """Cut an answer into sentences: it is also what a caller may ask for. Without those that are filled in later."""
    return [text for text in re.split(r"(?<=[.!?])\s+", answer) if "{" not in text]


def _of_flow(agent: Agent) -> list[Example]:
    """What callers may say to choose something in a call flow: its examples, its label, and what it is for."""
    flow = agent.call_flow
    if flow is None:
        return []
    return [
        Example("choice", choice_key(node, function.name), agent.own(text) if text in own else text)
        for node in flow.config.nodes
        for function in flow.functions(node)
        if (choice := flow.choices(node).get(function.name)) is not None
        for own in [(*choice.examples, choice.label or "")]
        for text in (*own, function.name.replace("_", " "), function.description)
        if text
    ]


@lru_cache(maxsize=2)
def built_in_examples(encoder: Encoder) -> tuple[list[Example], np.ndarray]:
    """Embed the sentences of the data files, once for all agents; takes about 0.7 s."""
    examples = [Example("elsewhere", "", text, lent=True) for text in _data("intents.toml")["elsewhere"]]
    places = _data("places.toml")
    examples += [
        Example("elsewhere", "", asked.format(place), lent=True)
        for place in places["places"]
        for asked in places["asked"]
    ]
    for kind, table in _data("common.toml").items():
        for topic, texts in table.items():
            counts: Kind = "elsewhere" if kind == "sometimes" else "fact"
            examples += [Example(counts, topic, text, lent=True) for text in texts]
    return examples, encoder.embed([example.text for example in examples])


@cache
def _data(name: str) -> Mapping[str, Any]:
    return tomllib.loads(resources.files("conversation.local.data").joinpath(name).read_text("utf-8"))
