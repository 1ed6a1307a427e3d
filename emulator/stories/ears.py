"""What was heard, in words: exactly where speech is made of tones, as well as can be understood where it is a voice."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm
from emulator.line.earpiece import AUDIBLE
from emulator.line.hearing import SpeechWatch
from emulator.line.line import PhoneLine
from emulator.line.tonespeech import HeardText, Pace, ToneEars, longest_row, utterances, words_of

Transcribe = Callable[[Pcm], str]

SPOKEN_PACE = Pace(shortest_ms=0, word_ms=1200, hole_ms=2500, sound_ms=300)
SIMILAR = 0.75
"""How alike a word and what was understood of it must be."""

SEGMENT_GAP_MS = 400
UTTERANCE_GAP_MS = 600


class Ears(Protocol):
    """Finds texts in the audio that one person heard."""

    enough: float
    """What part of a text has to be found for it to count as heard."""

    def find(self, text: str, *, after_ms: int = 0) -> HeardText | None:
        """Where a text was heard, in ms from the beginning; None if nothing of it was."""

    def utterances(self) -> list[tuple[int, str]]:
        """All that was understood, with its beginning in ms."""


class ToneHearing:
    """Ears for speech made of tones.

    Args:
        heard: What was heard.
        vocabulary: Words that may occur, for `utterances`.
    """

    enough = 1.0

    def __init__(self, heard: Pcm, vocabulary: Iterable[str]) -> None:
        """Listen to a recording."""
        self._ears = ToneEars(heard)
        self._vocabulary = vocabulary

    def find(self, text: str, *, after_ms: int = 0) -> HeardText | None:
        """See `Ears`."""
        return self._ears.find(text, after_ms=after_ms)

    def utterances(self) -> list[tuple[int, str]]:
        """See `Ears`."""
        return utterances(self._ears.transcript(self._vocabulary))


class VoiceHearing:
    """Ears for a real voice, with a tolerance for what a small model misunderstands.

    Args:
        heard: What was heard.
        transcribe: The local speech recognition. Slow: make this object in a thread.
    """

    enough = 0.65

    def __init__(self, heard: Pcm, transcribe: Transcribe) -> None:
        """Listen to a recording."""
        self._said: list[tuple[int, str]] = []
        self._words: list[tuple[int, str]] = []
        for start_ms, end_ms in spoken_parts(heard):
            text = transcribe(heard[start_ms * SAMPLE_RATE // 1000 : end_ms * SAMPLE_RATE // 1000])
            if text.strip():
                self._said.append((start_ms, text.strip()))
            words = words_of(text)
            # When each word was said is not known; evenly is near enough for seconds.
            self._words += [
                (start_ms + (end_ms - start_ms) * place // len(words), word)
                for place, word in enumerate(words)
            ]

    def find(self, text: str, *, after_ms: int = 0) -> HeardText | None:
        """See `Ears`."""
        words = words_of(text)
        times = {
            word: [at for at, heard in self._words if at >= after_ms and _alike(word, heard)]
            for word in words
        }
        return longest_row(words, times, SPOKEN_PACE, self.enough)

    def utterances(self) -> list[tuple[int, str]]:
        """See `Ears`."""
        return self._said


def spoken_parts(heard: Pcm) -> list[tuple[int, int]]:
    """Where something audible is, in ms, cut at pauses."""
    watch = SpeechWatch(utterance_gap_ms=SEGMENT_GAP_MS)
    size = SAMPLE_RATE * FRAME_MS // 1000
    for index in range(len(heard) // size):
        watch.hear(heard[index * size : (index + 1) * size], index * FRAME_MS)
    return [(part.start_ms, part.end_ms) for part in watch.utterances]


def longest_silence(heard: Pcm) -> tuple[int, int]:
    """The longest stretch in which nothing is audible, in ms."""
    size = SAMPLE_RATE * FRAME_MS // 1000
    frames = heard[: len(heard) // size * size].reshape(-1, size).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) >= AUDIBLE)
    edges = np.concatenate([[-1], loud, [len(frames)]])
    gaps = np.diff(edges) - 1
    longest = int(np.argmax(gaps))
    start = int(edges[longest]) + 1
    return start * FRAME_MS, (start + int(gaps[longest])) * FRAME_MS


def _alike(word: str, heard: str) -> bool:
    return word == heard or (len(word) > 3 and difflib.SequenceMatcher(None, word, heard).ratio() >= SIMILAR)


@dataclass
class Listening:
    """Waits for a text on a line while the call goes on.

    Args:
        text: What to wait for.
        transcribe: The local speech recognition, or None for tones.
    """

    text: str
    transcribe: Transcribe | None = None

    def __post_init__(self) -> None:
        """Nothing was heard yet."""
        self._tones = ToneEars()
        self._taken = 0
        self._understood: list[str] = []
        self._working: asyncio.Task[None] | None = None

    def heard(self, line: PhoneLine) -> bool:
        """Whether the text has been heard on the line to its end."""
        return self._in_words(line) if self.transcribe is not None else self._in_tones(line)

    def _in_tones(self, line: PhoneLine) -> bool:
        fresh, self._taken = line.heard[self._taken :], len(line.heard)
        if fresh:
            self._tones.hear(np.concatenate(fresh))
        found = self._tones.find(self.text)
        return found is not None and found.share >= ToneHearing.enough

    def _in_words(self, line: PhoneLine) -> bool:
        ended = [one for one in line.hearing.utterances if line.now_ms - one.end_ms > UTTERANCE_GAP_MS]
        if self._working is None and len(ended) > self._taken:
            part = ended[self._taken]
            self._taken += 1
            zero_ms = line.now_ms - len(line.heard) * FRAME_MS
            first, last = ((ms - zero_ms) // FRAME_MS for ms in (part.start_ms, part.end_ms))
            samples = np.concatenate(line.heard[max(0, first - 2) : last + 2])
            self._working = asyncio.create_task(self._write_down(samples))
        words = words_of(" ".join(self._understood))
        times = {
            word: [place for place, heard in enumerate(words) if _alike(word, heard)]
            for word in words_of(self.text)
        }
        found = longest_row(words_of(self.text), times, Pace(1, 3, 3, 1))
        return found is not None and found.share >= VoiceHearing.enough

    async def _write_down(self, samples: Pcm) -> None:
        assert self.transcribe is not None
        self._understood.append(await asyncio.to_thread(self.transcribe, samples))
        self._working = None
