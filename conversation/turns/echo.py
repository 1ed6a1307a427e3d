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

SIMILAR_WORD = 0.75
"""How alike two spellings of a word are that a recogniser has heard through a loudspeaker."""

SAME_SHARE = 0.6
"""What part of some words must be the bot's for all to be."""

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
    words, own = plain(text).split(), plain(said).split()
    if not words or not own:
        return False
    # Alike words are made the same, so that their order can be compared.
    known = set(own)
    heard = [
        word if word in known else next(iter(difflib.get_close_matches(word, known, 1, SIMILAR_WORD)), word)
        for word in words
    ]
    blocks = difflib.SequenceMatcher(None, heard, own, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= SAME_SHARE * len(words)
