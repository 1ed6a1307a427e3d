"""The rule of docs/stories.md for speech made of tones, from the bot's side; nothing of the emulator is in it.

A bot speaks in the lower voice and listens to the upper one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

WORD_BYTES = 160 * 8 * 2
WORD_SECS = 0.16
PAIRS = [(one, two) for one in range(17) for two in range(one + 1, 17)]


def words(text: str) -> list[str]:
    kept = ("".join(filter(str.isalnum, piece)) for piece in text.lower().split())
    return list(filter(None, kept))


def chords(word: str) -> tuple[int, int]:
    digest = hashlib.sha256(word.encode("utf-8")).digest()
    one, two = (int.from_bytes(digest[at : at + 4], "big") % 136 for at in (0, 4))
    return (one, two) if one != two else (one, (two + 1) % 136)


def spoken(text: str) -> bytes:
    """16-bit samples at 8 kHz."""
    moments = np.arange(480) / 8000
    pieces = []
    for word in words(text):
        for chord in chords(word):
            low, high = (1750 + 100 * place for place in PAIRS[chord])
            pieces.append(5000 * (np.sin(2 * np.pi * low * moments) + np.sin(2 * np.pi * high * moments)))
        pieces.append(np.zeros(320))
    return np.concatenate(pieces or [np.zeros(160)]).astype("<i2").tobytes()


def understood(audio: bytes, rate: int, vocabulary: Iterable[str]) -> str:
    """The words in 16-bit samples of any rate from 8 kHz up."""
    known = {chords(word): word for word in vocabulary}
    samples = np.frombuffer(audio, dtype="<i2").astype(float)
    size, hop = rate // 50, rate // 100
    heard: list[list[int]] = []  # chord and its number of 10 ms steps
    for at in range(0, len(samples) - size + 1, hop):
        # 20 ms of a signal resolve 50 Hz: the frequencies of the upper voice are every second line from 1800 Hz on.
        lines = np.abs(np.fft.rfft(samples[at : at + size]))[36:70:2] * 2 / size
        two = sorted(np.argsort(lines)[-2:])
        chord = PAIRS.index((int(two[0]), int(two[1]))) if lines[two].min() > 1200 else -1
        if heard and heard[-1][0] == chord:
            heard[-1][1] += 1
        else:
            heard.append([chord, 1])
    steady = [chord for chord, steps in heard if chord >= 0 and steps >= 3]
    found, place = [], 0
    while place + 1 < len(steady):
        word = known.get((steady[place], steady[place + 1]))
        if word is not None:
            found.append(word)
        place += 2 if word is not None else 1
    return " ".join(found)
