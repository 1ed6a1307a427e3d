"""Sentences as directions: all-MiniLM-L6-v2 on ONNX Runtime, without its own libraries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from conversation.local.wordpiece import token_ids

_BATCH = 32


class Encoder(Protocol):
    """Turns sentences into directions: near in meaning is near in direction."""

    def __hash__(self) -> int:
        """Tell one from another; what it made of the built-in sentences is kept."""
        ...

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
