"""BERT's uncased WordPiece tokens, for the sentence model that the local brain compares meanings with."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

MAX_TOKENS = 64
"""Tokens kept of one text. A caller's sentence has about fifteen; the model was trained on up to 128."""

_LONGEST_WORD = 100


@cache
def vocabulary() -> dict[str, int]:
    """Return the vocabulary that comes with the project: token to id."""
    text = resources.files("conversation.local.data").joinpath("bert-base-uncased.vocab").read_text("utf-8")
    return {token: number for number, token in enumerate(text.splitlines())}


def token_ids(text: str) -> list[int]:
    """Cut a text into word pieces.

    Args:
        text: Any text. Case and accents do not matter.

    Returns:
        The ids, between `[CLS]` and `[SEP]`; at most `MAX_TOKENS`.
    """
    known = vocabulary()
    ids: list[int] = []
    for word in _words(text):
        ids.extend(_pieces(word, known))
    return [known["[CLS]"], *ids[: MAX_TOKENS - 2], known["[SEP]"]]


def _words(text: str) -> list[str]:
    spaced = []
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if category == "Mn" or character in "\0\ufffd":
            continue  # an accent
        if character.isspace():
            spaced.append(" ")
        elif category.startswith("C"):
            continue
        elif category.startswith("P") or character in "$+<=>^`|~" or _is_ideograph(character):
            spaced.append(f" {character} ")
        else:
            spaced.append(character)
    return "".join(spaced).split()


def _is_ideograph(character: str) -> bool:
    return 0x3400 <= ord(character) <= 0x9FFF or 0xF900 <= ord(character) <= 0xFAFF


def _pieces(word: str, known: dict[str, int]) -> list[int]:
    if len(word) > _LONGEST_WORD:
        return [known["[UNK]"]]
    ids = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if piece in known:
                ids.append(known[piece])
                start = end
                break
        else:
            return [known["[UNK]"]]
    return ids
