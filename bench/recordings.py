"""What the callers of the load say: people who were recorded, from a package that the set-up installs.

moonshine-voice 0.1.0 (MIT) brings readings by four people. They are cut here at pauses, brought to the level at which
speech is usually sent over a telephone line, and laid over a quiet line's noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from emulator.errors import ModelsMissing
from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.line.speech import read_wav

SPEECH_DB = -26
"""Level of what is loud in a recording, in dB relative to full scale.

Source: ITU-T G.101 and P.56, the nominal level of speech.
"""

NOISE_DB = -72
"""Level of the line's noise; digital silence, of which detectors make less, is on no telephone line."""

LOUD = 300
"""Samples from here on count when a recording's level is taken, on the 16-bit scale."""

EDGE_MS = 60
"""Kept around each piece: the soft beginnings and ends of words."""


@dataclass(frozen=True)
class Piece:
    """A part of a recording.

    Parameters:
        file: Its name without the ending.
        start_ms: Where it begins to be heard.
        end_ms: Where it was last heard.
    """

    file: str
    start_ms: int
    end_ms: int


FINISHED = (
    Piece("two_cities", 6680, 8000),
    Piece("two_cities", 10760, 12780),
    Piece("two_cities", 13480, 14620),
    Piece("two_cities", 22740, 23800),
    Piece("two_cities", 24660, 25980),
    Piece("two_cities", 26580, 28260),
    Piece("two_cities", 29940, 32220),
    Piece("two_cities", 36980, 38340),
    Piece("two_cities", 38700, 41620),
    Piece("endgame_nagg_nell", 17620, 18780),
    Piece("beckett", 6660, 7460),
)
"""One breath each, after which Smart Turn as Pipecat runs it takes the speaker to be done."""

HESITANT = (
    Piece("two_cities", 1200, 4380),
    Piece("two_cities", 5040, 8000),
    Piece("two_cities", 8820, 12780),
    Piece("two_cities", 13480, 16480),
    Piece("two_cities", 17560, 20460),
    Piece("two_cities", 21240, 23800),
    Piece("two_cities", 24660, 28260),
    Piece("two_cities", 29120, 32220),
    Piece("two_cities", 32780, 38340),
    Piece("two_cities", 36980, 41620),
    Piece("endgame_nagg_nell", 8740, 11200),
    Piece("endgame_nagg_nell", 23760, 27380),
    Piece("beckett", 320, 2840),
    Piece("beckett", 1700, 5500),
    Piece("clone-test", 460, 4020),
)
"""Sentences as they were spoken, with pauses of 180 to 660 ms in them, after which the speaker goes on."""


class Recordings:
    """The pieces, as samples of a phone line.

    Raises:
        ModelsMissing: The package is not installed, or has no recordings.
    """

    def __init__(self) -> None:
        """Read and cut the recordings."""
        folder = _folder()
        whole = {name: _at_level(_read(folder, name)) for name in {one.file for one in FINISHED + HESITANT}}
        self.finished = [_cut(whole[one.file], one) for one in FINISHED]
        self.hesitant = [_cut(whole[one.file], one) for one in HESITANT]


def line_noise(samples: int, seed: int = 20) -> Pcm:
    """A quiet line, the same one each time."""
    noise = np.random.default_rng(seed).normal(0.0, 32768 * 10 ** (NOISE_DB / 20), samples)
    return np.asarray(np.round(noise), dtype=np.int16)


def _folder() -> Path:
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise ModelsMissing(
            "the callers have nothing to say: moonshine-voice is missing; `make setup` brings it"
        )
    return Path(spec.origin).parent / "assets"


def _read(folder: Path, name: str) -> Pcm:
    path = folder / f"{name}.wav"
    if not path.exists():
        raise ModelsMissing(
            f"this release of moonshine-voice has no {path.name}: version 0.1.0 has; `make setup` brings it"
        )
    return read_wav(path)


def _at_level(samples: Pcm) -> Pcm:
    loud = samples[np.abs(samples.astype(np.int32)) > LOUD].astype(np.float64)
    gain = 32768 * 10 ** (SPEECH_DB / 20) / np.sqrt(np.mean(loud**2))
    return np.asarray(np.clip(samples * gain, -32768, 32767), dtype=np.int16)


def _cut(samples: Pcm, piece: Piece) -> Pcm:
    start, end = piece.start_ms - EDGE_MS, piece.end_ms + EDGE_MS
    cut = samples[max(0, start) * SAMPLE_RATE // 1000 : end * SAMPLE_RATE // 1000]
    noisy = cut.astype(np.int32) + line_noise(len(cut))
    return np.asarray(np.clip(noisy, -32768, 32767), dtype=np.int16)
