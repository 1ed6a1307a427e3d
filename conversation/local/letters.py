"""How words and names are spelled: which letter is likely behind the two before it.

On a phone line "E" and "P", "M" and "N", "F" and "S" sound alike; in a name one of them is usual and the other is not.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from conversation.local.wordpiece import vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PAIRS = 12.0
"""So many times a pair of letters must have been seen to count as much as the letter alone behind the last."""

OUTSIDE = len(LETTERS)
"""Stands for what is before the first letter."""


@cache
def behind_each_pair() -> NDArray[np.float32]:
    """How much likelier each letter is behind two others than any letter would be, in nats; of 21,000 words and names.

    Returns:
        An array of 27 x 27 x 26: the last but one, the last and the next letter; `OUTSIDE` for none.
    """
    size = len(LETTERS)
    triples = np.zeros((size + 1, size + 1, size))
    for word in vocabulary():
        if len(word) < 3 or not (word.isascii() and word.isalpha()):
            continue
        letters = [OUTSIDE, OUTSIDE, *(ord(letter) - ord("a") for letter in word.lower())]
        for (first, second), third in zip(pairwise(letters), letters[2:], strict=False):
            triples[first, second, third] += 1
    pairs = triples.sum(axis=0) + 1
    alone = pairs / pairs.sum(axis=1, keepdims=True)
    likely = (triples + _PAIRS * alone) / (triples.sum(axis=2, keepdims=True) + _PAIRS)
    found: NDArray[np.float32] = np.log(likely * size).astype(np.float32)
    return found
