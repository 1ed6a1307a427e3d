"""A lone "Yes." is half a second of sound, of which a recogniser of sentences makes "Yahoo!" or "Yeah, so.".

It has heard well, and chosen badly: in its own weights "Yes." is nearly as likely. So when a short sound was understood
as something that callers seldom say alone, those weights are asked how likely each of a few words is that they do say
alone, and the best one is taken unless it is far less likely than what was understood.

Over 46 voices and eleven words on a telephone line 97 of 100 were understood as they were said, or as a word of the
same meaning ("No." for "Nope."), instead of 82. Of 28 words of requests ("Location.") by 16 voices 71 of 100 were,
instead of 62 that the recogniser and the names of an agent's facts had.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversation.agents.agent import Agent
from conversation.local.weights import END, Weights

LONGEST_SECS = 1.0
"""Speech that lasts longer is not of one word."""

AROUND_SECS = 0.25
"""How much silence before and after the speech is looked at with it."""

MOST_WORDS = 4
"""What was understood has no more words, however badly it was chosen."""

MARGIN = 2.5
"""How much less likely than what was understood a lone word may be, in nats: of other short words, such as names, one
in six is within it, nearly all of which rhyme with one ("Roy" and "right")."""

ANSWER_MARGIN = 4.5
"""The same after a question that is answered with yes or no."""

NO_MARGIN = 0.0
"""The same after a question for a name or a number."""

LEAST = -7.0
"""A word is no less likely than this, in nats: what was understood may be even further from what was said."""

MOST_OF_AGENT = 40
"""Words of an agent that are listened for, the first ones."""

_ENDINGS = (b".", b"?", b"!")


class LoneWords:
    """Says how likely words are, with Moonshine's own weights."""

    def __init__(self, weights: Weights) -> None:
        """Listen with some weights."""
        self._weights = weights

    def heard_as(
        self,
        samples: NDArray[np.float32],
        understood: str,
        words: Sequence[str],
        margin: float = MARGIN,
        worth: float = 0.0,
    ) -> str | None:
        """Find which of some words a sound was; None when it is none of them. Takes 30 to 60 ms.

        Args:
            samples: The sound, at 16 kHz, with little silence before and after it.
            understood: What the recogniser has made of it.
            words: Those that it may be.
            margin: How much less likely than what was understood it may be, in nats.
            worth: By how many nats what was understood counts as likelier than it seems, as a name does; 0 for what is
                no usual phrase.
        """
        rows = [self._weights.tokens_of_words(one) for one in (understood, *words)]
        if worth:
            rows[0] = self._weights.tokens(understood)
        with self._weights.lock:
            first, *others = self._weights.scores(self._weights.encoded(samples), len(samples), rows)
        made = worth + sum(first[at, token] for at, token in enumerate([*rows[0], END]))
        endings = [self._weights.pieces[ending] for ending in _ENDINGS]
        likely = [
            sum(scores[at, token] for at, token in enumerate(row))
            + float(np.log(np.exp(scores[len(row), endings].astype(np.float64)).sum()))
            for row, scores in zip(rows[1:], others, strict=True)
        ]
        best = int(np.argmax(likely))
        return words[best] if likely[best] >= max(made - margin, LEAST) else None


def said_alone() -> list[str]:
    """The words that callers say alone, whatever the business: `data/lone_words.toml`."""
    return list(_data()["words"])


def said_over_the_bot() -> list[str]:
    """The words that callers say alone while the bot speaks, besides the others."""
    return list(_data()["over_the_bot"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("conversation.local.data").joinpath("lone_words.toml").read_text("utf-8")
    )


def said_to(agent: Agent) -> list[str]:
    """The words that callers of an agent may say alone: also requests, and what its facts and transfers are called."""
    called = [fact.topic for fact in agent.facts]
    called += [target.spoken or name.replace("-", " ") for name, target in agent.transfers.items()]
    own = [word.capitalize() for name in called for word in (name, *name.split()) if _CALLED.fullmatch(word)]
    return list(dict.fromkeys([*said_alone(), *own[:MOST_OF_AGENT], *_data()["requests"]]))


def margin_after(said: str, asks_for_dictation: bool) -> float:
    """How much less likely than what was understood a lone word may be, after what the bot has said last."""
    question = re.split(r"(?<=[.!?])\s+", said.strip())[-1]
    if asks_for_dictation and not _ASKS_WHETHER.match(question):
        return NO_MARGIN
    asks_for_yes = question.endswith("?") and not _OTHER_QUESTION.search(question)
    return ANSWER_MARGIN if asks_for_yes else MARGIN


_OTHER_QUESTION = re.compile(r"(?i)\b(?:what|when|where|who|which|how|why|or)\b")
_ASKS_WHETHER = re.compile(
    r"(?i)(?:is|was|are|do|does|did|may|can|could|shall|should|will|would) (?:they|we|this|that|it|the|your)\b"
)
"""Begins a question with a number in it that is answered with yes or no: "May they call you on this number?"."""
_CALLED = re.compile(r"(?i)[a-z]{4,12}")


def is_doubtful(understood: str, words: Sequence[str]) -> bool:
    """Whether what was made of a short sound may be one of some words, and is none of them yet."""
    found = _plain(understood)
    return 0 < len(found.split()) <= MOST_WORDS and found not in map(_plain, words)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())
