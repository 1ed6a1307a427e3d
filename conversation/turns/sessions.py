"""The models that detect speech and the end of a turn: one ONNX session of each a process, loaded once.

Pipecat builds both anew for every call, on the event loop: 65 ms of stall and 50 MB a call. A session holds no state
between runs, and ONNX Runtime lets several threads use one.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib import resources

import onnxruntime

SILERO = ("pipecat.audio.vad.data", "silero_vad.onnx")
SMART_TURN = ("pipecat.audio.turn.smart_turn.data", "smart-turn-v3.2-cpu.onnx")

_loading = threading.Lock()


def shared_session(model: tuple[str, str]) -> onnxruntime.InferenceSession:
    """Return the session of a model; blocks while it loads, the first time."""
    with _loading:
        return _load(*model)


@lru_cache(maxsize=4)
def _load(package: str, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    with resources.as_file(resources.files(package).joinpath(name)) as path:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
