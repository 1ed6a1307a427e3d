"""What a person recorded: the prompts of Asterisk, spoken by Allison Smith.

A text is put together of what was recorded, the longest phrases first, with the gap between them that people leave
between things that they list. Words that nobody recorded are refused, with the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from talks.voices.packages import folder
from talks.voices.roster import PACKAGES
from talks.voices.sound import trimmed

GAP_SECS = 0.12
"""Between two recordings, a comma or not: people who read a number out leave as much."""

ALLISON = Path("usr/share/asterisk/sounds/en_US_f_Allison")

_DIGITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_DIGITS += " seventeen eighteen nineteen twenty"
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_DAYS = "sunday monday tuesday wednesday thursday friday saturday"
_MONTHS = "january february march april may june july august september october november december"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
)
_ORDINALS += " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"

PHRASES: Mapping[str, Mapping[str, str]] = {
    "allison": {
        "thank you": "auth-thankyou",
        "goodbye": "vm-goodbye",
        "hello": "hello",
        "hours": "hours",
        "location": "location",
        "time": "time",
        "i'm sorry": "im-sorry",
        "one moment please": "one-moment-please",
        "no": "vm-no",
        "please try again": "please-try-again",
        "message": "vm-message",
        "number": "number",
        "telephone number": "telephone-number",
        "extension": "extension",
        "something is terribly wrong": "something-terribly-wrong",
        "information about your last call": "info-about-last-call",
        "urgent": "vm-Urgent",
        "work": "vm-Work",
        "and": "vm-and",
        "o'clock": "digits/oclock",
        "a m": "digits/a-m",
        "p m": "digits/p-m",
        "today": "digits/today",
        "tomorrow": "digits/tomorrow",
        "oh": "digits/oh",
        "hundred": "digits/hundred",
        "at": "letters/at",
        "dot": "letters/dot",
        "dash": "letters/dash",
        **{word: f"digits/{number}" for number, word in enumerate(_DIGITS.split())},
        **{word: f"digits/{number}" for word, number in _TENS.items()},
        **{word: f"digits/h-{number}" for number, word in enumerate(_ORDINALS.split(), 1)},
        **{word: f"digits/day-{number}" for number, word in enumerate(_DAYS.split())},
        **{word: f"digits/mon-{number}" for number, word in enumerate(_MONTHS.split())},
        **{letter: f"letters/{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"},
    },
}
"""By speaker: what was recorded, in lower case without punctuation, and the file that has it."""

_FILES: Mapping[str, tuple[str, Path, str]] = {
    "allison": ("asterisk-core-sounds-en-wav", ALLISON, ".wav"),
}


def speak(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text as this person recorded its words.

    Raises:
        NotMade: The recordings were not fetched.
        ValueError: It has words that were not recorded.
    """
    pieces: list[NDArray[np.float32]] = []
    rate = 0
    for file in files(speaker, text):
        samples, rate = _recording(speaker, file)
        pieces += [samples, np.zeros(int(GAP_SECS * rate), np.float32)]
    return np.concatenate(pieces[:-1]), rate


def files(speaker: str, text: str) -> list[str]:
    """The recordings of a text.

    Raises:
        ValueError: It has words that were not recorded, or none.
    """
    words = re.findall(r"[a-z']+", text.lower().replace("’", "'"))
    found = list(_found(PHRASES[speaker], words, text))
    if not found:
        raise ValueError(f"there are no words in {text!r}")
    return found


def _found(phrases: Mapping[str, str], words: list[str], text: str) -> Iterator[str]:
    """The longest recorded phrases that make up the words."""
    longest = max(phrase.count(" ") for phrase in phrases) + 1
    while words:
        for count in range(min(longest, len(words)), 0, -1):
            if (phrase := " ".join(words[:count])) in phrases:
                yield phrases[phrase]
                words = words[count:]
                break
        else:
            raise ValueError(f"nobody recorded {words[0]!r} of {text!r}: take another voice or another word")


@cache
def _recording(speaker: str, file: str) -> tuple[NDArray[np.float32], int]:
    """A recording without the silence around it."""
    package, inside, ending = _FILES[speaker]
    path = folder(PACKAGES[package]) / inside / f"{file}{ending}"
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return trimmed(np.asarray(samples.mean(axis=1), np.float32), int(rate)), int(rate)
