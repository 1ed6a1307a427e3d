"""Moonshine's weights: what they write of a sound, and how likely they find words in it.

The package's library would return the words that it has chosen, and nothing else. Its encoder and its decoder are files
of the package, and are run here by the runtime that the voice has.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEGIN, END = 1, 2
"""The tokens before and behind every text."""

_FIRST_BYTE = 3
"""Tokens from here on stand for the bytes of letters that have no piece."""

_NONE = 1 << 30
_LAYERS, _HEADS, _WIDTH = 6, 8, 36
_ENCODER = tuple(f"{layer}.encoder.{part}" for layer in range(_LAYERS) for part in ("key", "value"))
_DECODER = tuple(f"{layer}.decoder.{part}" for layer in range(_LAYERS) for part in ("key", "value"))


class Weights:
    """The encoder, the decoder and the pieces of words of Moonshine tiny. May be used from several threads."""

    def __init__(self, directory: Path) -> None:
        """Load the weights, 100 MB of memory; takes a tenth of a second.

        Args:
            directory: Of Moonshine tiny in its installed package.
        """
        self._encoder = _session(directory / "encoder_model.ort")
        self._decoder = _session(directory / "decoder_model_merged.ort")
        self.pieces = _pieces(directory / "tokenizer.bin")
        """The pieces that words are made of, and their tokens; "▁" stands for the space before a word."""
        self._longest = max(map(len, self.pieces))
        self._names = {token: piece for piece, token in self.pieces.items()}
        self.begin_words = {token for token, piece in self._names.items() if piece.startswith("▁".encode())}
        self.lock = threading.Lock()
        """Held while a sound is looked at: two at once would take both cores from the calls."""

    def encoded(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the decoder listens to: 10 ms for a second of sound.

        Args:
            samples: The sound, at 16 kHz, with little silence before and after it.
        """
        heard: NDArray[np.float32] = self._encoder.run(
            None,
            {
                "input_values": samples[np.newaxis].astype(np.float32),
                "attention_mask": np.ones((1, len(samples)), np.int64),
            },
        )[0]
        return heard

    def scores(
        self, heard: NDArray[np.float32], samples: int, rows: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """Log probabilities of all tokens behind each token of some rows, and before the first.

        Args:
            heard: What `encoded` returned.
            samples: Of how many samples.
            rows: Texts, see `tokens`.
        """
        said = np.zeros((len(rows), 1 + max(map(len, rows))), np.int64)
        said[:, 0] = BEGIN
        for number, row in enumerate(rows):
            said[number, 1 : 1 + len(row)] = row
        logits, _ = self._decoded(heard, samples, said, {})
        return [_log_of(scores[: 1 + len(row)]) for row, scores in zip(rows, logits, strict=True)]

    def _decoded(
        self,
        heard: NDArray[np.float32],
        samples: int,
        said: NDArray[np.int64],
        past: dict[str, NDArray[np.float32]],
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        rows = len(said)
        inputs: dict[str, Any] = {
            "encoder_attention_mask": np.ones((rows, samples), np.int64),
            "input_ids": said,
            "encoder_hidden_states": np.repeat(heard, rows, 0),
            "use_cache_branch": np.array([bool(past)]),
        }
        nothing = np.zeros((rows, _HEADS, 0, _WIDTH), np.float32)
        inputs |= {f"past_key_values.{name}": past.get(name, nothing) for name in (*_DECODER, *_ENCODER)}
        # While it begins it computes what it needs of the sound; after that it returns nothing useful for it.
        kept = _DECODER if past else (*_DECODER, *_ENCODER)
        logits, *present = self._decoder.run(["logits", *(f"present.{name}" for name in kept)], inputs)
        return logits, past | dict(zip(kept, present, strict=True))

    def tokens_of_words(self, text: str) -> list[int]:
        """The tokens of short words, the longest pieces first: of what callers say alone, those that the model learned.

        Other words find less likely tokens than by `tokens`; the margins of lone words were measured with them.
        """
        rest, found = _spaced(text).encode(), []
        while rest:
            size = next(n for n in range(min(len(rest), self._longest), 0, -1) if rest[:n] in self.pieces)
            found.append(self.pieces[rest[:size]])
            rest = rest[size:]
        return found

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text: of neighbours that are a piece together, those of the commonest piece are joined first.

        Source: byte-pair encoding as in SentencePiece, which numbers pieces by how early it joined them.
        """
        parts = [letter.encode() for letter in _spaced(text)]
        while True:
            pairs = [(self.pieces.get(a + b, _NONE), at) for at, (a, b) in enumerate(pairwise(parts))]
            commonest, at = min(pairs, default=(_NONE, 0))
            if commonest == _NONE:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        found: list[int] = []
        for part in parts:
            token = self.pieces.get(part)
            found += [token] if token is not None else [_FIRST_BYTE + byte for byte in part]
        return found

    def text(self, tokens: Iterable[int]) -> str:
        """The text of some tokens."""
        return (
            b"".join(self._names[token] for token in tokens)
            .decode(errors="replace")
            .replace("▁", " ")
            .strip()
        )


class Decoding:
    """The words of one sound, written token by token, several texts side by side."""

    def __init__(self, weights: Weights, heard: NDArray[np.float32], samples: int) -> None:
        """Begin with one text that is empty.

        Args:
            weights: The weights.
            heard: What `Weights.encoded` returned.
            samples: Of how many samples.
        """
        self._weights, self._heard, self._samples = weights, heard, samples
        self._past: dict[str, NDArray[np.float32]] = {}
        self.scores = self._written(np.array([[BEGIN]], np.int64))
        """Log probabilities of all tokens behind each text."""

    def write(self, texts: Sequence[int], tokens: Sequence[int]) -> None:
        """Go on with some of the texts; one may go on in several ways. Takes 2 ms.

        Args:
            texts: Which of the texts so far, for each of the texts to come.
            tokens: The token that each of them is continued with.
        """
        chosen = np.array(texts)
        # What the decoder keeps of the sound is the same for all texts.
        self._past = {
            name: kept[chosen] if name in _DECODER else np.repeat(kept[:1], len(chosen), 0)
            for name, kept in self._past.items()
        }
        self.scores = self._written(np.array(tokens, np.int64)[:, np.newaxis])

    def _written(self, said: NDArray[np.int64]) -> NDArray[np.float32]:
        logits, self._past = self._weights._decoded(self._heard, self._samples, said, self._past)
        return _log_of(logits[:, -1])


def _spaced(text: str) -> str:
    return "▁" + " ".join(text.split()).replace(" ", "▁")


def _log_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = scores - scores.max(axis=-1, keepdims=True)
    found: NDArray[np.float32] = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return found


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
