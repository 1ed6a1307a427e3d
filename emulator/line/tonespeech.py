"""Speech made of tones, for calls in which it must be known exactly which words were heard, and how many of them.

A real voice takes half a second a word and what is heard of it has to be guessed. Here a word takes 160 ms and is
found again with certainty, also while another voice talks. The rule, which a bot's test voice follows too (it is
written down in docs/stories.md so that nothing has to be shared but the text):

* A text is cut into words at white space; of each word the letters and digits count, in lower case. Words of
  nothing else are left out.
* The letters' SHA-256 digest (of UTF-8) says how a word sounds. Bytes 0-3 as a big-endian number, modulo 136,
  choose its first chord, bytes 4-7 the second; a second chord that is the same as the first is the next one,
  modulo 136.
* A chord is two of 17 frequencies, which are 1750, 1850, ... 3350 Hz in a bot's voice and 50 Hz higher in a
  person's, so that two who speak at once do not cancel each other. Chord 0 is the first and second, chord 1 the
  first and third, and so on in lexicographic order.
* A chord lasts 60 ms, each of its sines with an amplitude of 5000 (of 32767), beginning at phase 0. A word is its
  two chords and 40 ms of silence.

All frequencies are multiples of 50 Hz, so in any 20 ms of a chord they do not disturb each other; all lie above
the tones of keys, of ringing and of beeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from emulator.line.codecs import SAMPLE_RATE, Pcm

BOT, PERSON = 0, 1
"""The two voices."""

FREQUENCIES = tuple(range(1750, 3401, 50))
"""Those of both voices, in turn."""

CHORDS = tuple(combinations(range(0, len(FREQUENCIES), 2), 2))
"""Places in FREQUENCIES for the bot's voice; a person's are one place higher."""

CHORD_MS = 60
GAP_MS = 40
WORD_MS = 2 * CHORD_MS + GAP_MS
AMPLITUDE = 5000.0

HOP_MS = 10
WINDOW_MS = 20
AUDIBLE_AMPLITUDE = 1200.0
LONGEST_HOLE_MS = 1200
"""Silence between two words of what is still one text: the pause of a voice that makes a text piece by piece."""

_HOP = SAMPLE_RATE * HOP_MS // 1000
_WINDOW = SAMPLE_RATE * WINDOW_MS // 1000


def words_of(text: str) -> list[str]:
    """The words of a text as the tones know them."""
    plain = ("".join(c for c in word.lower() if c.isalnum()) for word in text.split())
    return [word for word in plain if word]


@lru_cache(maxsize=4096)
def chords_of(word: str) -> tuple[int, int]:
    """The two chords of a word, as numbers in `CHORDS`."""
    digest = hashlib.sha256(word.encode()).digest()
    first = int.from_bytes(digest[:4], "big") % len(CHORDS)
    second = int.from_bytes(digest[4:8], "big") % len(CHORDS)
    return first, second if second != first else (second + 1) % len(CHORDS)


def speak(text: str, voice: int = PERSON) -> Pcm:
    """Say a text in tones: 8 kHz samples, 160 ms a word."""
    time = np.arange(SAMPLE_RATE * CHORD_MS // 1000) / SAMPLE_RATE
    gap = np.zeros(SAMPLE_RATE * GAP_MS // 1000)
    pieces: list[NDArray[np.float64]] = []
    for word in words_of(text):
        for chord in chords_of(word):
            tones = (np.sin(2 * np.pi * FREQUENCIES[place + voice] * time) for place in CHORDS[chord])
            pieces.append(np.sum(list(tones), axis=0) * AMPLITUDE)
        pieces.append(gap)
    return np.concatenate(pieces or [gap[:0]]).astype(np.int16)


@dataclass(frozen=True)
class Pace:
    """How fast a voice speaks, in ms.

    Attributes:
        shortest_ms: At least so much is between the beginnings of two words.
        word_ms: What a word takes at most.
        hole_ms: Silence between two words of what is still one text.
        sound_ms: How long the last word sounds.
    """

    shortest_ms: int
    word_ms: int
    hole_ms: int
    sound_ms: int


PACE = Pace(WORD_MS - 2 * HOP_MS, WORD_MS, LONGEST_HOLE_MS, 2 * CHORD_MS)


@dataclass(frozen=True)
class HeardText:
    """Where a text was heard, in ms from the recording's beginning.

    Attributes:
        start_ms: Beginning of the first word that was heard.
        end_ms: End of the last word that was heard.
        heard: How many of its words were heard, in their order.
        words: How many it has.
    """

    start_ms: int
    end_ms: int
    heard: int
    words: int

    @property
    def share(self) -> float:
        """What part of the text was heard, 0 to 1."""
        return self.heard / self.words if self.words else 0.0


class ToneEars:
    """Finds words in audio that arrives bit by bit.

    A chord was heard when both of its frequencies sounded, whatever else did, so a bot and a person who speak at
    once are both understood.
    """

    def __init__(self, samples: Pcm | None = None) -> None:
        """Begin with a recording, or with nothing."""
        self._rest: Pcm = np.zeros(0, dtype=np.int16)
        self._sounding: list[NDArray[np.int64]] = []
        self._hops = 0
        bins = np.outer(np.arange(_WINDOW), np.asarray(FREQUENCIES)) / SAMPLE_RATE
        self._waves = np.exp(-2j * np.pi * bins) * 2 / _WINDOW
        if samples is not None:
            self.hear(samples)

    @property
    def heard_ms(self) -> int:
        """How much audio there was."""
        return self._hops * HOP_MS

    def hear(self, samples: Pcm) -> None:
        """Take more audio."""
        audio = np.concatenate([self._rest, samples])
        count = max(0, (len(audio) - _WINDOW) // _HOP + 1)
        self._rest = audio[count * _HOP :]
        if not count:
            return
        windows = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[: count * _HOP : _HOP]
        loud = np.abs(windows.astype(np.float64) @ self._waves) >= AUDIBLE_AMPLITUDE
        self._sounding.append(loud @ (1 << np.arange(len(FREQUENCIES), dtype=np.int64)))
        self._hops += count

    def occurrences(self, word: str, *, after_ms: int = 0) -> list[int]:
        """When a word began to be heard, in ms."""
        starts = [start for voice in (BOT, PERSON) for start in self._occurrences(word, voice)]
        return sorted(start for start in starts if start >= after_ms)

    def _occurrences(self, word: str, voice: int) -> list[int]:
        masks = self._masks()
        one, other = (
            (masks & chord) == chord
            for chord in (sum(1 << place + voice for place in CHORDS[number]) for number in chords_of(word))
        )
        # The first and the last hop of a chord may lie half outside of it, so those between them are asked for.
        span = 2 * CHORD_MS // HOP_MS - 2
        count = len(masks) - span
        if count <= 0:
            return []
        found = np.ones(count, dtype=bool)
        for hop in range(1, CHORD_MS // HOP_MS - 2):
            found &= one[hop : hop + count]
            found &= other[hop + CHORD_MS // HOP_MS : hop + CHORD_MS // HOP_MS + count]
        hops = np.flatnonzero(found)
        runs = np.split(hops, np.flatnonzero(np.diff(hops) > 1) + 1) if len(hops) else []
        # Some neighbouring hops fit as well; the word began in their middle.
        return [int(run[0] + run[-1]) * HOP_MS // 2 for run in runs]

    def find(self, text: str, *, after_ms: int = 0) -> HeardText | None:
        """Where as much as possible of a text was heard, in the order of its words; None if no word was."""
        words = words_of(text)
        times = {word: self.occurrences(word, after_ms=after_ms) for word in set(words)}
        return longest_row(words, times, PACE)

    def transcript(self, vocabulary: Iterable[str]) -> list[tuple[int, str]]:
        """Every word of a vocabulary that was heard, with its beginning in ms, in order."""
        found = [(at, word) for word in set(vocabulary) for at in self.occurrences(word)]
        return sorted(found)

    def _masks(self) -> NDArray[np.int64]:
        if len(self._sounding) > 1:
            self._sounding = [np.concatenate(self._sounding)]
        return self._sounding[0] if self._sounding else np.zeros(0, dtype=np.int64)


def longest_row(
    words: Sequence[str], times: Mapping[str, Sequence[int]], pace: Pace, enough: float = 1.0
) -> HeardText | None:
    """The first row of a text's words in their order that is long enough, else the longest one; None if none was heard.

    Args:
        words: The text.
        times: When each word began to be heard, in ms.
        pace: How fast is spoken.
        enough: What part of the words is enough, 0 to 1.
    """
    # For each place where a word was heard, the longest row of earlier words that leads there.
    rows: list[tuple[int, int, int, int]] = []  # place in the text, when, length of the row, its beginning
    for index, word in enumerate(words):
        for at in times.get(word, ()):
            before = [
                (length, start)
                for earlier, when, length, start in rows
                if earlier < index
                and pace.shortest_ms <= at - when <= (index - earlier) * pace.word_ms + pace.hole_ms
            ]
            length, start = max(before, default=(0, at))
            rows.append((index, at, length + 1, start))
    if not rows:
        return None
    good = [row for row in rows if row[2] >= enough * len(words)]
    if good:
        begin = min(good, key=lambda row: row[1])[3]
        rows = [row for row in rows if row[3] == begin]
    _, at, length, start = max(rows, key=lambda row: (row[2], -row[1]))
    return HeardText(start, at + pace.sound_ms, length, len(words))


def utterances(transcript: Sequence[tuple[int, str]], *, gap_ms: int = 500) -> list[tuple[int, str]]:
    """Join a transcript's words into things said, with the beginning of each."""
    said: list[tuple[int, list[str]]] = []
    last = None
    for at, word in transcript:
        if last is None or at - last > WORD_MS + gap_ms:
            said.append((at, []))
        said[-1][1].append(word)
        last = at
    return [(at, " ".join(words)) for at, words in said]
