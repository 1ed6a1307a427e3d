"""One line as a voice has spoken it, and the file that it is kept in.

A file is one line of JSON, which says what follows and proves that it is whole, and the samples behind it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

VERSION = 1

SILENT = 300
"""Samples below this, of 32767, are silence: -40 dB."""

LEAD_SECS = 0.04
"""How much silence stays before the first sound. Voices begin with up to 0.3 s of it, which a caller would wait."""


class Damaged(ValueError):
    """A file is not what was written."""


@dataclass(frozen=True)
class TimedWord:
    """A word that the voice has timed.

    Parameters:
        text: The word.
        secs: When it begins, in seconds of the line.
        at: How many bytes of sound had come before the voice named it.
        has_spaces: Whether it brings the space around it along.
    """

    text: str
    secs: float
    at: int
    has_spaces: bool = False


@dataclass(frozen=True)
class SpokenLine:
    """A line's sound.

    Parameters:
        audio: 16-bit mono PCM.
        rate: Its rate, in Hz.
        words: What the voice has timed; none for a voice that times nothing.
    """

    audio: bytes
    rate: int
    words: tuple[TimedWord, ...] = ()

    @property
    def secs(self) -> float:
        """How long it is, in seconds."""
        return len(self.audio) / 2 / self.rate

    def at_rate(self, rate: int) -> SpokenLine:
        """The same for a line of another rate, without the silence that it began with."""
        samples = np.frombuffer(self.audio, np.int16)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SILENT)
        cut = max(0, int(loud[0]) - round(LEAD_SECS * self.rate)) if loud.size else 0
        samples = samples[cut:]
        if rate != self.rate:
            samples = soxr.resample(samples, self.rate, rate, quality="HQ")
        words = tuple(
            TimedWord(
                word.text,
                max(0.0, word.secs - cut / self.rate),
                max(0, round((word.at / 2 - cut) * rate / self.rate)) * 2,
                word.has_spaces,
            )
            for word in self.words
        )
        return SpokenLine(samples.astype(np.int16).tobytes(), rate, words)

    def packed(self, about: dict[str, str]) -> bytes:
        """The content of its file.

        Args:
            about: For people who look at it: which voice says what.
        """
        head = {
            "version": VERSION,
            **about,
            "rate": self.rate,
            "bytes": len(self.audio),
            "sha256": hashlib.sha256(self.audio).hexdigest(),
            "words": [[word.text, word.secs, word.at, word.has_spaces] for word in self.words],
        }
        return json.dumps(head, ensure_ascii=False).encode() + b"\n" + self.audio


def unpacked(content: bytes) -> SpokenLine:
    """Read a file.

    Raises:
        Damaged: It is not whole.
    """
    head, audio = head_of(content), content.partition(b"\n")[2]
    try:
        if len(audio) != head["bytes"] or hashlib.sha256(audio).hexdigest() != head["sha256"]:
            raise Damaged("its sound is not whole")
        words = tuple(
            TimedWord(str(text), float(secs), int(at), bool(has)) for text, secs, at, has in head["words"]
        )
        rate = int(head["rate"])
    except (KeyError, TypeError, ValueError) as error:
        raise error if isinstance(error, Damaged) else Damaged("its first line is not ours") from None
    if rate <= 0 or len(audio) % 2 or not audio:
        raise Damaged("its sound is no sound")
    return SpokenLine(audio, rate, words)


def head_of(content: bytes) -> dict[str, Any]:
    """Read a file's first line.

    Raises:
        Damaged: It is not one of ours.
    """
    try:
        head = json.loads(content.partition(b"\n")[0])
    except ValueError:
        raise Damaged("its first line is not ours") from None
    if not isinstance(head, dict) or head.get("version") != VERSION:
        raise Damaged("its first line is not ours")
    return head
