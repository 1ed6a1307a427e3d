"""The network's own sounds, as 20 ms frames for a line: ringing, keys, a conference's beep and hold music.

Sources: North American precise tone plan (ringing is 440 + 480 Hz, 2 s on and 4 s off); ITU-T Q.23 (keys).
How long a carrier holds a key and pauses after it is not documented; 100 ms each here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm

LEVEL = 0.08
KEY_MS = 100
KEY_GAP_MS = 100
RING_MS = 2000
RING_GAP_MS = 4000
BEEP_HZ = 620
BEEP_MS = 200
MUSIC_HZ = (262, 330, 392)
NOTE_MS = 400
PAUSE_MS = {"w": 500, "W": 1000}

_ROWS = {"1": 697, "4": 770, "7": 852, "*": 941}
_KEYPAD = ("123A", "456B", "789C", "*0#D")
_COLUMNS = (1209, 1336, 1477, 1633)


def key_frequencies(key: str) -> tuple[int, int]:
    """The two frequencies of a key, in Hz. KeyError for what is no key."""
    for row in _KEYPAD:
        if key in row and key:
            return _ROWS[row[0]], _COLUMNS[row.index(key)]
    raise KeyError(key)


def ringing() -> Iterator[Pcm]:
    """Ringing that never ends."""
    while True:
        yield from _frames((440, 480), RING_MS)
        yield from _silence(RING_GAP_MS)


def key(digit: str, length_ms: int = KEY_MS) -> Iterator[Pcm]:
    """One key, with the pause after it."""
    yield from _frames(key_frequencies(digit), length_ms)
    yield from _silence(KEY_GAP_MS)


def beep() -> Iterator[Pcm]:
    """A participant came into a conference, or left it."""
    yield from _frames((BEEP_HZ,), BEEP_MS)


def hold_music() -> Iterator[Pcm]:
    """Three notes over and over, for ever."""
    while True:
        for frequency in MUSIC_HZ:
            yield from _frames((frequency,), NOTE_MS)


def _frames(frequencies: tuple[int, ...], length_ms: int) -> Iterator[Pcm]:
    time = np.arange(length_ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)
    samples = (np.asarray(wave) * LEVEL * 32767).astype(np.int16)
    for at in range(0, len(samples), FRAME_SAMPLES):
        yield samples[at : at + FRAME_SAMPLES]


def _silence(length_ms: int) -> Iterator[Pcm]:
    for _ in range(length_ms // FRAME_MS):
        yield np.zeros(FRAME_SAMPLES, dtype=np.int16)
