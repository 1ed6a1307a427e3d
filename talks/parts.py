"""From turns to what comes out of a caller's phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.line.codecs import SAMPLE_RATE, Pcm
from talks.caller import Part
from talks.format import Line, Play, Talk, Turn
from talks.reading import pieces, words_said

ANSWER_SECS = 5.0
"""About how long the bot takes to answer a turn, and to say its answer."""


class Sounds(Protocol):
    """Where speech, sounds and surroundings come from; `talks.voices` and `talks.effects` in earnest."""

    def speech(self, voice: str, text: str) -> Pcm:
        """Words of a voice."""

    def sound(self, name: str) -> Pcm:
        """A cough, a door, ..."""

    def on_line(self, samples: Pcm, line: Line) -> Pcm:
        """What becomes of it on its way to the bot, without what is heard all the time."""

    def background(self, line: Line) -> Pcm:
        """What is heard all the time."""


class Recorded:
    """The speech that `make talks-voices` has made."""

    def __init__(self) -> None:
        """Load what is needed for it: only runs need it, and not the reading of talks."""
        from talks.effects import background, on_line, sound
        from talks.voices import speech

        self.speech: Callable[[str, str], Pcm] = speech
        self.sound: Callable[[str], Pcm] = sound
        self.on_line: Callable[[Pcm, Line], Pcm] = on_line
        self.background: Callable[[Line], Pcm] = background


@dataclass(frozen=True, eq=False)
class Prepared:
    """A talk with all that is heard of its caller.

    Attributes:
        play: The talk, with its carrier and brain.
        parts: Its turns.
        background: What is heard all the time; None for silence.
    """

    play: Play
    parts: Sequence[Part]
    background: Pcm | None = None


def prepared(play: Play, sounds: Sounds) -> Prepared:
    """Make a talk ready; slow.

    Raises:
        TalksError: A line has no speech.
    """
    line = play.talk.line
    background = None if line.noise is None else sounds.background(line)
    return Prepared(play, parts_of(play.talk, sounds), background)


def parts_of(talk: Talk, sounds: Sounds) -> list[Part]:
    """Make all turns of a talk ready; slow."""
    return [_part(turn, turn.voice or talk.voice, turn.line or talk.line, sounds) for turn in talk.turns]


def _part(turn: Turn, voice: str, line: Line, sounds: Sounds) -> Part:
    nothing = np.zeros(0, dtype=np.int16)
    if turn.sound is not None:
        return Part(turn, sounds.on_line(sounds.sound(turn.sound), line), f"({turn.sound})")
    if turn.say is None:
        return Part(turn, nothing, f"(keys {turn.press})" if turn.press else "")
    # Each piece goes over the line by itself: effects that hear the whole line's level must not hear the pauses.
    spoken: list[Pcm] = []
    for words, pause in pieces(turn.say):
        spoken.append(sounds.on_line(sounds.speech(voice, words), line))
        spoken.append(np.zeros(round(pause * SAMPLE_RATE), dtype=np.int16))
    return Part(turn, np.concatenate(spoken), words_said(turn.say))


def about_secs(parts: Sequence[Part]) -> float:
    """About how long a talk takes: all that is said, silence, and an answer to each turn."""
    silent = sum((part.turn.silence or 0) + (part.turn.waits or 0) for part in parts)
    return silent + sum(len(part.samples) for part in parts) / SAMPLE_RATE + ANSWER_SECS * len(parts)
