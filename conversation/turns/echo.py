"""Whether what comes from the caller's telephone is the bot's own voice, let back into the line by a loudspeaker.

Two things tell: the sound, which is like what the bot has said a moment ago, later and softer; and the words, which are
those that it is saying. Nothing of this is reckoned while nobody speaks over the bot.

A telephone at arm's length lets back what it plays some 15 dB softer; network and air make it late, 150 ms on a good
line and rarely more than half a second.
"""

from __future__ import annotations

import difflib

import numpy as np

from conversation.turns.words import plain

WINDOW_SECS = 0.3
"""How much of the caller's sound is compared, in seconds: what has come since it began, and a little before."""

LATEST_SECS = 0.8
"""How late it may be, in seconds."""

ALIKE = 0.5
"""How like the bot's voice it is then, from 0 to 1. Of two people, or of one at different times, it is at most 0.4."""

SAME_SHARE = 0.6
"""What part of some words' letters must be the bot's for all to be; a loudspeaker makes a recogniser mishear."""

ROW = 3
"""So many letters in a row are no chance."""

FEWEST_WORDS = 3
"""Fewer than this may be anybody's, unless they sounded like the bot."""


def resemblance(heard: np.ndarray, played: np.ndarray) -> float:
    """How like what was played before something is, whatever its loudness and delay; from 0 to 1.

    It is the greatest correlation of the two over all delays. High frequencies count as much as low ones, in which all
    voices are alike.

    Args:
        heard: The caller's sound.
        played: What the bot has said until then, at the same rate, and longer.
    """
    heard, played = (np.diff(one.astype(np.float32)) for one in (heard, played))
    size = len(heard)
    energy = float(np.dot(heard, heard))
    if size == 0 or len(played) < size or energy == 0.0:
        return 0.0
    length = 1 << (len(played) - 1).bit_length()
    spectrum = np.fft.rfft(played, length) * np.conj(np.fft.rfft(heard, length))
    products = np.abs(np.fft.irfft(spectrum, length)[: len(played) - size + 1])
    sums = np.concatenate(([0.0], np.cumsum(played.astype(np.float64) ** 2)))
    energies = sums[size:] - sums[:-size]
    # A moment of near silence resembles everything.
    loud = energies > 0.05 * float(energies.max())
    if not loud.any():
        return 0.0
    return float(np.max(products[loud] / np.sqrt(energies[loud] * energy)))


def repeats(text: str, said: str) -> bool:
    """Whether words are, but for a recogniser's mistakes, those of the bot in their order.

    Args:
        text: What was understood.
        said: What the bot says now, has said last, and is about to say.
    """
    words, own = plain(text), plain(said)
    if len(words) <= ROW:
        return bool(words) and words in own.split()
    # Letters, as what is misheard is often cut into words elsewhere: "fry day".
    letters, known = words.replace(" ", ""), own.replace(" ", "")
    blocks = difflib.SequenceMatcher(None, letters, known, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= ROW) >= SAME_SHARE * len(letters)
