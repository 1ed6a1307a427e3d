"""What callers do besides speaking: coughs, breath and the like, which no recogniser should take for words.

What throats do with their voice is said by voices (a cough, a laugh, "ahem"), because that is what is taken for speech.
The rest is synthesised: the noise of breath and of things, through resonances. Each is as loud as it is beside speech,
and the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from talks.voices.bystanders import COUGH, LAUGH, SNEEZE, THROAT
from talks.voices.sound import LEVEL_DB, RATE
from talks.voices.store import speech

Samples = NDArray[np.float64]


@cache
def sound(name: str) -> NDArray[np.int16]:
    """A sound of this name, at its natural level beside speech.

    Raises:
        KeyError: There is none of this name.
        NotMade: A voice makes it, and has not been made to.
    """
    make, above_speech_db = SOUNDS[name]
    made = make(np.random.default_rng(list(name.encode())))
    loud = np.abs(made) > 0.02 * np.abs(made).max()
    level = 10 ** ((LEVEL_DB + above_speech_db) / 20) / np.sqrt(np.mean(made[loud] ** 2))
    return np.asarray(np.round(np.clip(made * level, -1, 1) * 32767), np.int16)


def _through(samples: Samples, resonances: Sequence[tuple[float, float]]) -> Samples:
    """Sound through resonances of these frequencies and widths in Hz, in parallel."""
    size = 2 * len(samples)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    gain = sum(1 / (1 + ((frequencies - middle) / (width / 2)) ** 2) for middle, width in resonances)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float64)


def _breath(random: np.random.Generator, secs: float) -> Samples:
    return random.standard_normal(int(secs * RATE))


def _voiced(
    random: np.random.Generator, secs: float, begin_hz: float, end_hz: float, rough: float
) -> Samples:
    """Pulses of the vocal folds, whose flow ends at once, from one pitch to another, more or less evenly."""
    count = int(secs * RATE)
    pitch = np.linspace(begin_hz, end_hz, count) * (1 + rough * random.standard_normal(count))
    phase = np.cumsum(pitch) / RATE % 1
    opening, closing = phase < 0.5, (phase >= 0.5) & (phase < 0.58)
    return np.asarray(
        np.where(opening, 0.35 * np.sin(2 * np.pi * phase), np.where(closing, -1, 0)), np.float64
    )


def _rise_and_fall(count: int, rise_secs: float, fall: float) -> Samples:
    t = np.arange(count) / RATE
    return np.asarray(np.minimum(t / rise_secs, 1) * np.exp(-t * fall), np.float64)


def _pause(secs: float) -> Samples:
    return np.zeros(int(secs * RATE))


_CHEST = ((480.0, 260.0), (1300.0, 500.0), (2500.0, 800.0))
_OPEN = ((700.0, 150.0), (1200.0, 200.0), (2600.0, 400.0))
_UH = ((600.0, 90.0), (1190.0, 110.0), (2390.0, 170.0))


def _one_cough(random: np.random.Generator) -> Samples:
    """The burst of a cough, and the voice that often ends it."""
    burst = _breath(random, 0.16)
    burst *= _rise_and_fall(len(burst), 0.006, 14)
    voice = _voiced(random, 0.22, 190, 120, 0.06) + 0.12 * _breath(random, 0.22)
    voice *= _rise_and_fall(len(voice), 0.02, 11)
    return np.concatenate([_through(burst, _CHEST), 1.6 * _through(voice, _UH)])


def _dry_cough(random: np.random.Generator) -> Samples:
    return np.concatenate(
        [_one_cough(random), _pause(0.09), 0.8 * _one_cough(random), _pause(0.14), 0.5 * _one_cough(random)]
    )


def _spoken(voice: str, text: str, breath: float, random: np.random.Generator) -> Samples:
    """What a voice makes of such a sound, strained, with so much breath in it."""
    said = speech(voice, text).astype(np.float64) / 32768
    around = np.sqrt(np.convolve(said**2, np.ones(160) / 160, "same"))
    strained = np.tanh(4 * said / np.abs(said).max())
    breathed = _through(random.standard_normal(len(said)), _CHEST) * around / around.max()
    return np.asarray(strained + breath * breathed, np.float64)


def _cough(random: np.random.Generator) -> Samples:
    """A cough with the voice in it, which much takes for a word."""
    return np.concatenate([0.5 * _one_cough(random), _spoken(*COUGH, 0.6, random)])


def _throat(random: np.random.Generator) -> Samples:
    return _spoken(*THROAT, 0.2, random)


def _sneeze(random: np.random.Generator) -> Samples:
    return _spoken(*SNEEZE, 0.8, random)


def _laugh(random: np.random.Generator) -> Samples:
    return _spoken(*LAUGH, 0.2, random)


def _sigh(random: np.random.Generator) -> Samples:
    out = _breath(random, 0.9)
    return _through(out * np.hanning(len(out)), ((600, 400), (1500, 700), (2700, 900)))


def _inhale(random: np.random.Generator) -> Samples:
    out = _breath(random, 0.45)
    return _through(out * np.linspace(0, 1, len(out)) ** 2, ((1100, 700), (2400, 1200)))


def _sniff(random: np.random.Generator) -> Samples:
    once = _breath(random, 0.16)
    once = _through(once * np.hanning(len(once)), ((1900, 900), (3000, 900)))
    return np.concatenate([once, _pause(0.12), 0.7 * once])


def _door(random: np.random.Generator) -> Samples:
    """A door falls shut in the room."""
    thump = _breath(random, 0.5) * _rise_and_fall(int(0.5 * RATE), 0.002, 16)
    return _through(thump, ((110, 120), (340, 200))) + 0.05 * thump


def _typing(random: np.random.Generator) -> Samples:
    out = np.zeros(int(1.6 * RATE))
    for at in np.cumsum(random.integers(int(0.08 * RATE), int(0.22 * RATE), 9)):
        click = _breath(random, 0.025) * _rise_and_fall(int(0.025 * RATE), 0.001, 200)
        end = min(int(at) + len(click), len(out))
        out[int(at) : end] += click[: end - int(at)]
    return _through(out, ((1800, 1200), (3200, 1200)))


def _bark(random: np.random.Generator) -> Samples:
    parts = []
    for strength in (1.0, 0.8):
        voice = _voiced(random, 0.19, 420, 260, 0.12) + 0.4 * _breath(random, 0.19)
        parts += [strength * _through(voice * _rise_and_fall(len(voice), 0.012, 12), _OPEN), _pause(0.25)]
    return np.concatenate(parts)


SOUNDS: Mapping[str, tuple[Callable[[np.random.Generator], Samples], float]] = {
    "cough": (_cough, 1.0),
    "dry-cough": (_dry_cough, 1.0),
    "throat": (_throat, -4.0),
    "sneeze": (_sneeze, 2.0),
    "sigh": (_sigh, -12.0),
    "inhale": (_inhale, -16.0),
    "laugh": (_laugh, -2.0),
    "sniff": (_sniff, -12.0),
    "door": (_door, -3.0),
    "typing": (_typing, -14.0),
    "bark": (_bark, -6.0),
}
"""What can be heard of a caller that is no word: how it is made, and how many dB louder than speech it is."""
