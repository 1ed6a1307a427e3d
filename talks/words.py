"""Words to compare: what one says in words another writes in figures, and a recogniser spells names as it likes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import cache

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_ODD_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
    "twentieth": 20,
    "thirtieth": 30,
}
_VALUES = (
    {word: value for value, word in enumerate(UNITS)}
    | {word: 10 * value for value, word in enumerate(TENS) if value > 1}
    | {f"{word}th": value for value, word in enumerate(UNITS) if value}
    | _ODD_ORDINALS
)
"""What number words are worth, ordinals like the others."""

SAME = {
    "ok": "okay",
    "o": "oh",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "til": "until",
    "till": "until",
    "st": "street",
    "hm": "mhm",
    "hmm": "mhm",
    "mm": "mhm",
    "mmhmm": "mhm",
    "uhhuh": "mhm",
    "cheque": "check",
    "bye": "bye",
    "by": "bye",
    "goodbye": "goodbye",
}
"""Spellings of what sounds the same; `by` is how recognisers write a lone "bye"."""

_SHORT_IS = frozenset("it that there what here where who he she how".split())
_SHORT_ENDS = {"'m": "am", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would"}
_SHORT_NOTS = {"can't": "can", "won't": "will", "shan't": "shall"}
_WITHOUT_MARK = {
    one.replace("'", ""): one
    for one in "it's that's there's what's don't can't doesn't didn't isn't i'm i've you're".split()
}
"""Short forms as some recognisers write them, where that is no other word that sounds otherwise."""

SIMILAR = 0.75
"""How alike a word and what was understood of it must be, for words of more than three letters."""

SIMILAR_NAME = 0.7

_TOKENS = re.compile(r"\d+(?:[.:,]\d+)*(?:st|nd|rd|th)?|[a-z]+(?:'[a-z]+)*")
_DIGITS = {word: str(number) for number, word in enumerate(UNITS[:10])} | {"oh": "0", "o": "0"}
_TIMES = {"double": 2, "triple": 3}


def in_words(number: int) -> list[str]:
    """A number below a thousand as it is said."""
    if number < len(UNITS):
        return [UNITS[number]]
    if number < 100:
        return [TENS[number // 10], *([UNITS[number % 10]] if number % 10 else [])]
    return [UNITS[number // 100], "hundred", *(in_words(number % 100) if number % 100 else [])]


def words_of(text: str) -> list[str]:
    """A text in lower case, without punctuation, and with its figures in words.

    Up to three figures are a number ("24": twenty four), more of them are read one by one. Hyphens part words.
    """
    text = re.sub(r"\bgood[- ]bye\b", "goodbye", text.lower().replace("’", "'").replace("$", " "))
    text = re.sub(r"(?<=\d)\s*(am|pm)\b", r" \1", re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text))
    found: list[str] = []
    for token in _TOKENS.findall(text):
        figures = re.match(r"\d[\d.:,]*", token)
        if figures is None:
            found.append(SAME.get(token, token))
            continue
        for part in re.split(r"[.:]", figures[0].replace(",", "").strip(".:")):
            if len(part) > 3 or (len(part) > 1 and part[0] == "0"):
                found += [UNITS[int(one)] for one in part]
            elif part:
                found += in_words(int(part))
    return found


def compared(text: str) -> list[str]:
    """The words of a text as they are compared: numbers in single figures, short forms written out.

    "Two oh two", "202" and "two hundred two" are one, and so are "there's" and "there is".
    """
    words = words_of(text)
    found: list[str] = []
    place = 0
    while place < len(words):
        value, after = _number_at(words, place)
        if value is not None:
            found += str(value)
        elif words[place] == "oh" and (found[-1:] or [""])[0].isdigit():
            found.append("0")
        else:
            found += _written_out(words[place])
        place = after
    return found


def _written_out(word: str) -> list[str]:
    """A word, or the two that a short form stands for; a possessive stays one word."""
    word = _WITHOUT_MARK.get(word, word)
    before, mark, after = word.rpartition("'")
    if word.endswith("n't"):
        return [_SHORT_NOTS.get(word, word[:-3]), "not"]
    if mark + after in _SHORT_ENDS:
        return [before, _SHORT_ENDS[mark + after]]
    if mark + after == "'s" and before in _SHORT_IS:
        return [before, "is"]
    return [word.replace("'", "")]


def _number_at(words: Sequence[str], place: int) -> tuple[int | None, int]:
    """The number that begins at a place, as it is said, and the place after it."""
    value = _VALUES.get(words[place])
    if value is None:
        return None, place + 1
    place += 1
    if 0 < value < 10 and words[place : place + 1] == ["hundred"]:
        value, place = 100 * value, place + 1
        after = place + 1 if words[place : place + 1] == ["and"] else place
        rest, end = _number_at(words, after) if after < len(words) else (None, after)
        if rest is not None and rest < 100:
            return value + rest, end
    elif value >= 20 and value % 10 == 0 and value < 100 and place < len(words):
        unit = _VALUES.get(words[place], 0)
        if 0 < unit < 10:
            return value + unit, place + 1
    return value, place


def has(pattern: str, text: str) -> bool:
    """Whether a pattern is in a text, in which numbers may be in figures; case and punctuation do not count."""
    written = " ".join(re.sub(r"[^\w\s']", " ", text.lower()).split())
    forms = (" ".join(words_of(text)), written, text)
    return any(re.search(pattern, form, re.IGNORECASE) is not None for form in forms)


@cache
def alike(word: str, other: str) -> bool:
    """Whether two words are the same, or nearly where they are long enough."""
    if word == other:
        return True
    return min(len(word), len(other)) > 3 and difflib.SequenceMatcher(None, word, other).ratio() >= SIMILAR


def matched(wanted: Sequence[str], heard: Sequence[str]) -> list[bool]:
    """Which of some words are among others, in their order: the longest common row of words that are alike."""
    rows, columns = len(wanted), len(heard)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    same = [[alike(one, other) for other in heard] for one in wanted]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            best[row][column] = max(
                best[row + 1][column],
                best[row][column + 1],
                best[row + 1][column + 1] + 1 if same[row][column] else 0,
            )
    found = [False] * rows
    row = column = 0
    while row < rows and column < columns:
        if same[row][column] and best[row][column] == best[row + 1][column + 1] + 1:
            found[row] = True
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def share(wanted: str, heard: str) -> float:
    """Which share of a text's words is in another, in their order; 1 for a text without words."""
    found = matched(compared(wanted), compared(heard))
    return sum(found) / len(found) if found else 1.0


def digits_of(text: str) -> str:
    """The figures of a telephone number, however it was said or written."""
    found = ""
    times = 1
    for word in re.findall(r"\d+|[a-z]+", text.lower()):
        if word in _TIMES:
            times = _TIMES[word]
            continue
        found += (word if word.isdigit() else _DIGITS.get(word, "")) * times
        times = 1
    return found


def same_number(wanted: str, found: str) -> bool:
    """Whether two numbers are the same; a country code may be missing in one of them."""
    one, other = digits_of(wanted), digits_of(found)
    shorter, longer = sorted((one, other), key=len)
    return (
        len(shorter) >= min(7, len(one)) > 0 and longer.endswith(shorter) and len(longer) - len(shorter) <= 3
    )


def same_name(wanted: str, found: str) -> bool:
    """Whether two names sound alike: recognisers cannot know how one is spelled. No word may be missing or more."""
    one, other = (re.findall(r"[a-z]+", text.lower()) for text in (wanted, found))
    if abs(len(one) - len(other)) > 1 or not other:
        return False
    return difflib.SequenceMatcher(None, "".join(one), "".join(other)).ratio() >= SIMILAR_NAME
