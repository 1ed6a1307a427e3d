"""What is heard behind callers, 24 s of each, whose end goes over into its beginning.

Babble and the television are made of the voices of the talks: what people around a caller say is speech, so that no
noise is harder for what tells speech from noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from talks.voices.bystanders import BABBLE, TELEVISION
from talks.voices.sound import RATE
from talks.voices.store import speech

SECONDS = 24
JOIN = RATE // 2
"""The last half second is mixed with what comes before the first."""

Samples = NDArray[np.float64]


@cache
def noise(name: str) -> Samples:
    """A noise of this name, at any level.

    Raises:
        KeyError: There is none of this name.
        NotMade: It is made of speech that was not made.
    """
    made = NOISES[name]()
    length = SECONDS * RATE
    # Fade what would follow the end into the beginning, with constant power
    fade = np.sqrt(np.linspace(0, 1, JOIN))
    looped = made[:length].copy()
    looped[:JOIN] = looped[:JOIN] * fade + made[length : length + JOIN] * fade[::-1]
    return looped


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _shaped(random: np.random.Generator, gain: Callable[[Samples], Samples]) -> Samples:
    """Noise with this gain at each frequency."""
    count = SECONDS * RATE + JOIN
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    out = np.fft.irfft(spectrum * gain(np.maximum(frequencies, 1)), count)
    return np.asarray(out / np.sqrt(np.mean(out**2)), np.float64)


def _seconds() -> Samples:
    return np.arange(SECONDS * RATE + JOIN) / RATE


def _repeated(voice: str, text: str, begin: int, gap_secs: float) -> Samples:
    """One who says the same over and over, from somewhere in the middle on."""
    said = speech(voice, text).astype(np.float64) / 32768
    once = np.concatenate([said, np.zeros(int(gap_secs * RATE))])
    times = -(-(SECONDS * RATE + JOIN + len(once)) // len(once))
    return np.tile(once, times)[begin % len(once) :][: SECONDS * RATE + JOIN]


def _babble() -> Samples:
    """Six people talk to one another, none of them to the phone, in a room that takes the highs."""
    random = _random("babble")
    people = [
        _repeated(voice, text, int(random.integers(RATE, 5 * RATE)), 0.3 + random.random())
        for voice, text in BABBLE
    ]
    return _room(np.sum(people, axis=0), random)


def _television() -> Samples:
    """The news in the next room."""
    return _room(_repeated(*TELEVISION, begin=RATE, gap_secs=0.4), _random("television"))


def _room(samples: Samples, random: np.random.Generator) -> Samples:
    """Sound from across a room: reflections for a third of a second, fewer highs."""
    length = RATE // 3
    decay = np.exp(-np.arange(length) / (RATE * 0.06)) * random.standard_normal(length) * 0.25
    decay[0] = 1
    size = len(samples) + length
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(decay, size), size)[: len(samples)]
    return np.asarray(heard + np.concatenate([[0.0], heard[:-1]]), np.float64)


def _line() -> Samples:
    """An old line: hiss, the mains and its overtones, and a crackle now and then."""
    random, t = _random("line"), _seconds()
    hum = sum(np.sin(2 * np.pi * 50 * n * t) / n for n in (1, 3, 5, 7))
    out = _shaped(random, lambda f: np.ones_like(f)) + 0.5 * hum
    for at in random.integers(0, len(out) - 40, SECONDS * 2):
        out[at : at + 40] += random.standard_normal(40) * np.exp(-np.arange(40) / 8) * 6
    return np.asarray(out, np.float64)


def _car() -> Samples:
    """Inside a car: the road below 300 Hz, and the engine."""
    random, t = _random("car"), _seconds()
    road = _shaped(random, lambda f: 1 / (1 + (f / 180) ** 2))
    return np.asarray(road + 0.35 * np.sin(2 * np.pi * 82 * t + np.sin(2 * np.pi * 0.2 * t)), np.float64)


def _street() -> Samples:
    """Beside a street: cars that come and go."""
    random, t = _random("street"), _seconds()
    out = 0.4 * _shaped(random, lambda f: 1 / np.sqrt(f))
    for passing in range(2, SECONDS, 4):
        near = np.exp(-(((t - passing - random.random()) / (0.7 + random.random())) ** 2))
        out = out + near * _shaped(random, lambda f: 1 / (1 + (f / 900) ** 2))
    return np.asarray(out, np.float64)


def _wind() -> Samples:
    """Wind in the microphone, in gusts."""
    random, t = _random("wind"), _seconds()
    gusts = 0.3 + np.abs(np.sin(2 * np.pi * 0.21 * t) + 0.6 * np.sin(2 * np.pi * 0.53 * t + 1))
    return np.asarray(gusts * _shaped(random, lambda f: 1 / (1 + (f / 120) ** 2)), np.float64)


def _kitchen() -> Samples:
    """A running fan, and plates."""
    random = _random("kitchen")
    out = _shaped(random, lambda f: 1 / np.sqrt(f))
    for at in random.integers(0, len(out) - RATE, SECONDS):
        t = np.arange(RATE // 4) / RATE
        ring = sum(np.sin(2 * np.pi * f * t) for f in random.uniform(1200, 3600, 4))
        out[at : at + len(t)] += 2.5 * ring * np.exp(-t * 30)
    return out


NOISES: Mapping[str, Callable[[], Samples]] = {
    "babble": _babble,
    "television": _television,
    "line": _line,
    "car": _car,
    "street": _street,
    "wind": _wind,
    "kitchen": _kitchen,
}
"""What can be heard behind a caller."""
