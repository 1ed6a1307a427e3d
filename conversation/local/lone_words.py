"""A lone "Yes." is half a second of sound, of which a recogniser of sentences makes "Yahoo!" or "Yeah, so.".

It has heard well, and chosen badly: in its own weights "Yes." is nearly as likely. So when a short sound was understood
as something that callers seldom say alone, those weights are asked how likely each of a few words is that they do say
alone, and the best one is taken unless it is far less likely than what was understood.

Over 46 voices and eleven words on a telephone line this heard 95 of 100 as they were said, instead of 69, and of the
others all but three as a word of the same meaning ("No." for "Nope.").
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversation.agents.agent import Agent

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

_BEGIN, _END = 1, 2
_LAYERS, _HEADS, _WIDTH = 6, 8, 36
_ENDINGS = (b".", b"?", b"!")


class LoneWords:
    """Says how likely words are, with Moonshine's own weights."""

    def __init__(self, directory: Path) -> None:
        """Load the weights, 100 MB of memory; takes a tenth of a second.

        Args:
            directory: Of Moonshine tiny in its installed package.
        """
        self._encoder = _session(directory / "encoder_model.ort")
        self._decoder = _session(directory / "decoder_model_merged.ort")
        self._pieces = _pieces(directory / "tokenizer.bin")
        self._longest = max(map(len, self._pieces))
        self._known: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def heard_as(
        self, samples: NDArray[np.float32], understood: str, words: Sequence[str], margin: float = MARGIN
    ) -> str | None:
        """Find which of some words a sound was; None when it is none of them. Takes 30 to 60 ms.

        Args:
            samples: The sound, at 16 kHz, with little silence before and after it.
            understood: What the recogniser has made of it.
            words: Those that it may be.
            margin: How much less likely than what was understood it may be, in nats.
        """
        with self._lock:
            heard = self._encoder.run(
                None,
                {
                    "input_values": samples[np.newaxis].astype(np.float32),
                    "attention_mask": np.ones((1, len(samples)), np.int64),
                },
            )[0]
            rows = [self._tokens(one) for one in (understood, *words)]
            first, *others = self._scores(heard, len(samples), rows)
        made = sum(first[at, token] for at, token in enumerate([*rows[0], _END]))
        likely = [
            sum(scores[at, token] for at, token in enumerate(row))
            + np.logaddexp.reduce([scores[len(row), self._pieces[ending]] for ending in _ENDINGS])
            for row, scores in zip(rows[1:], others, strict=True)
        ]
        best = int(np.argmax(likely))
        return words[best] if likely[best] >= max(made - margin, LEAST) else None

    def _scores(
        self, heard: NDArray[np.float32], samples: int, rows: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """Log probabilities of all pieces behind each piece of some rows, and before the first."""
        said = np.zeros((len(rows), 1 + max(map(len, rows))), np.int64)
        said[:, 0] = _BEGIN
        for number, row in enumerate(rows):
            said[number, 1 : 1 + len(row)] = row
        inputs: dict[str, Any] = {
            "encoder_attention_mask": np.ones((len(rows), samples), np.int64),
            "input_ids": said,
            "encoder_hidden_states": np.repeat(heard, len(rows), 0),
            "use_cache_branch": np.array([False]),
        }
        nothing = np.zeros((len(rows), _HEADS, 0, _WIDTH), np.float32)
        for layer in range(_LAYERS):
            for side in ("decoder", "encoder"):
                inputs |= {f"past_key_values.{layer}.{side}.{part}": nothing for part in ("key", "value")}
        found = []
        for row, scores in zip(rows, self._decoder.run(["logits"], inputs)[0], strict=True):
            of_row = scores[: 1 + len(row)]
            of_row -= of_row.max(axis=-1, keepdims=True)
            found.append(of_row - np.log(np.exp(of_row).sum(axis=-1, keepdims=True)))
        return found

    def _tokens(self, text: str) -> list[int]:
        """The pieces of a text, the longest first; of what callers say alone they are those that the model learned."""
        if (known := self._known.get(text)) is not None:
            return known
        rest, found = ("▁" + " ".join(text.split()).replace(" ", "▁")).encode(), []
        while rest:
            size = next(n for n in range(min(len(rest), self._longest), 0, -1) if rest[:n] in self._pieces)
            found.append(self._pieces[rest[:size]])
            rest = rest[size:]
        return found


def said_alone() -> list[str]:
    """The words that callers say alone, whatever the business: `data/lone_words.toml`."""
    return list(_data()["words"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("conversation.local.data").joinpath("lone_words.toml").read_text("utf-8")
    )


def said_to(agent: Agent) -> list[str]:
    """The words that callers of an agent may say alone: also what its facts and its transfers are called."""
    called = [fact.topic for fact in agent.facts]
    called += [target.spoken or name.replace("-", " ") for name, target in agent.transfers.items()]
    own = [word.capitalize() for name in called for word in (name, *name.split()) if _CALLED.fullmatch(word)]
    return list(dict.fromkeys([*said_alone(), *own[:MOST_OF_AGENT]]))


def margin_after(said: str, asks_for_dictation: bool) -> float:
    """How much less likely than what was understood a lone word may be, after what the bot has said last."""
    if asks_for_dictation:
        return NO_MARGIN
    question = re.split(r"(?<=[.!?])\s+", said.strip())[-1]
    asks_for_yes = question.endswith("?") and not _OTHER_QUESTION.search(question)
    return ANSWER_MARGIN if asks_for_yes else MARGIN


_OTHER_QUESTION = re.compile(r"(?i)\b(?:what|when|where|who|which|how|why|or)\b")
_CALLED = re.compile(r"(?i)[a-z]{4,12}")


def is_doubtful(understood: str, words: Sequence[str]) -> bool:
    """Whether what was made of a short sound may be one of some words, and is none of them yet."""
    found = _plain(understood)
    return 0 < len(found.split()) <= MOST_WORDS and found not in map(_plain, words)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


def _pieces(path: Path) -> dict[bytes, int]:
    """The pieces of words and their numbers: each is its length, in one or two bytes, and so many bytes."""
    raw, at, found, number = path.read_bytes(), 0, {}, 0
    while at < len(raw):
        size, at = raw[at], at + 1
        if size >= 128:
            size, at = raw[at] * 128 + size - 128, at + 1
        found[raw[at : at + size]] = number  # the first 256 stand for bytes of words that have no pieces
        at, number = at + size, number + 1
    return found
