"""Telephone numbers as people say them, and as they are read back."""

from __future__ import annotations

import re
from enum import Enum

import phonenumbers

_DIGITS = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TEENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15",
    "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
_TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fifty": "5", "sixty": "6", "seventy": "7", "eighty": "8",
    "ninety": "9",
}  # fmt: skip
_BETWEEN = frozenset(("and", "then", "um", "uh", "dash", "hyphen", "space", "plus", "area", "code"))
_TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}

_SOUNDS_LIKE = {
    "to": "two", "too": "two", "tu": "two", "for": "four", "fore": "four", "ate": "eight", "won": "one", "low": "zero",
    "owe": "zero", "ow": "zero", "tree": "three", "free": "three", "sick": "six", "sicks": "six", "sex": "six",
    "nein": "nine", "line": "nine", "fife": "five", "hive": "five", "fives": "five", "or": "zero", "ore": "zero",
    "aw": "zero", "over": "zero", "twos": "two", "threes": "three", "fours": "four", "sevens": "seven",
    "eights": "eight", "eighth": "eight", "eighths": "eight", "nines": "nine", "ones": "one", "juan": "one",
    "a": "eight", "ah": "zero", "all": "zero", "old": "zero", "out": "zero",
}  # fmt: skip
ZERO_ALIKE = tuple(word for word, digit in _SOUNDS_LIKE.items() if digit == "zero")
"""Words that recognisers write for "oh" between other digits."""

_FEWEST_ALIKE = 3
_ANNOUNCES = re.compile(
    r"^\W*(?:(?:yes|yeah|sure|okay|ok|um+|uh+|so|well|it['’]?s|it is|that['’]s|(?:my |the )?number(?: is|['’]s)?)\W+)+"
)

_ANNOUNCED_WITHIN = re.compile(
    r"^.{0,40}?\b(?:number(?: is|s)?|(?:call|reach|text|ring|phone) (?:me|us)(?: back)?(?: (?:at|on|under))?)\W+"
)
_AROUND = frozenset(
    """its it is thats that this my the our number numbers phone telephone cell mobile home work office and then so
    well um uh yes yeah sure okay ok no not sorry please at on me us you they can could call reach back ring text try
    area code begins starts ends with last first digits digit again wait say said was i mean a here next rest after
    comes dash extension plus country""".split()
)
"""Words that stand around a number that is said."""

_SENTENCE = 3
"""So many other words are no longer said around a number."""

LONGEST = 15
"""Digits of the longest number. Source: ITU-T E.164, section 6."""

_ANNOUNCED = re.compile(
    r"(?:\bnumber(?: is|['’]s)?|\b(?:call|reach|text|ring) (?:me|us)(?: back)?(?: (?:at|on))?|\bcode)\W*$"
)

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spoken_number(text: str) -> str:
    """Collect the digits of a spoken or written number, with a + where it was said in front of them.

    "five five five, double oh, twenty-one" is 5550021, and "plus four four" begins with a country's code.
    Words that are no numbers are passed over, so a number inside a sentence is found too. "to" and "for" are not taken
    for two and four: they are in every sentence.

    Args:
        text: What the recogniser wrote.

    Returns:
        Digits, with a + in front where it was said, and without an extension; empty when there are none.
    """
    number = re.split(r"\b(?:extension|ext)\b|(?<=\d) ?x ?(?=\d)", text.lower())[0]
    number = number if _runs(_words(number))[0] else text.lower()
    runs, others = _runs(_words(number))
    # "use another one" names no digit.
    digits = "".join(run for run in runs if len(run) > 1 or others <= 2)
    plus = re.search(rf"(?:\+|\bplus) ?(?=\(?\d|(?:{'|'.join([*_DIGITS, *_TENS, *_TIMES])})\b)", number)
    first = plus is not None and not _runs(_words(number[: plus.start()]))[0]
    return f"+{digits}" if digits and first else digits


def dictated_number(text: str, *, goes_on: bool = False) -> str:
    """Collect the digits of what was said when a number was asked for.

    Words that sound like digits are taken for them where all that was said sounds so, or what stands behind the words
    that announce a number: "It's too low too" is 202, and "You can reach me at two oh to" is 202.

    Args:
        text: What the recogniser wrote.
        goes_on: A part of the number was said before, so one word may be the whole of what was said.

    Returns:
        As `spoken_number`.
    """
    bare = re.sub(r"['’]", "", _ANNOUNCES.sub("", text.lower()))
    if announced := _ANNOUNCED_WITHIN.search(bare):
        bare = bare[announced.end() :]
    words = _words(bare)
    if len(words) >= (1 if goes_on else _FEWEST_ALIKE) and any(word in _SOUNDS_LIKE for word in words):
        runs, others = _runs([_SOUNDS_LIKE.get(word, word) for word in words])
        if not others:
            return "".join(runs)
    return spoken_number(text)


def has_other_words(text: str) -> bool:
    """Whether digits only occur in what was said, such as "I will be ten minutes late": then they are no number.

    Args:
        text: What the recogniser wrote when a number was asked for.
    """
    bare = re.sub(r"['’]", "", text.lower())
    runs, others = _runs([word for word in _words(bare) if word not in _AROUND and word not in _SOUNDS_LIKE])
    return others >= max(_SENTENCE, len("".join(runs)))


def without_stammer(number: str, region: str | None) -> str:
    """Take a digit away that a recogniser has written once too often: "five, five-five-five" is three fives.

    Args:
        number: Digits that can be no telephone number.
        region: See `fit`.

    Returns:
        The number as it was, unless it is one with a digit fewer in its only long row of the same digit.
    """
    rows = list(re.finditer(r"(\d)\1{3,}", number))
    shorter = number[: rows[0].start()] + number[rows[0].start() + 1 :] if len(rows) == 1 else number
    return shorter if fit(shorter, region) is Fit.YES else number


def write_digits(text: str) -> str:
    """Write words that sound like digits as digits' names: "two or two" is "two zero two"."""
    return re.sub(r"[A-Za-z]+", lambda word: _SOUNDS_LIKE.get(word[0].lower(), word[0]), text)


def digits_alike(text: str) -> list[int]:
    """How many digits there may be in each word of a text, as spaces part them: 2 in "seven-eighths", none in "yes"."""
    return [
        len(parts)
        if (parts := _words(word.lower().replace("'", ""))) and all(map(_may_be_digit, parts))
        else 0
        for word in text.split()
    ]


def _may_be_digit(word: str) -> bool:
    known = (_DIGITS, _TEENS, _TENS, _TIMES, _SOUNDS_LIKE, ("hundred",))
    return word.isdigit() or any(word in words for words in known)


def is_number_alone(text: str) -> bool:
    """Whether all of a text sounds like a number, but for what announces it: "My number is two or two."."""
    alike = digits_alike(_ANNOUNCES.sub("", text.lower()))
    return bool(alike) and all(alike)


def only_sounds_like_digits(text: str) -> bool:
    """Whether some of a text's words are taken for digits that are written otherwise: "Over seven eight."."""
    return any(word in _SOUNDS_LIKE for word in _words(text.lower()))


def announces_number(text: str) -> bool:
    """Whether a number may follow words: none at all, "Yes, it's", or "You can reach me at"."""
    return not text or bool(_ANNOUNCED.search(text.lower()) or _ANNOUNCES.fullmatch(f"{text.lower()} "))


def only_number(text: str) -> str:
    """The digits of a text that has nothing but a number in it; empty when it says anything else."""
    runs, others = _runs(_words(text.lower()))
    return "".join(runs) if not others else ""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", text)


def _runs(words: list[str]) -> tuple[list[str], int]:
    """Collect the numbers that stand together, and count the words that are no numbers."""
    runs: list[str] = []
    run = ""
    others = 0
    times = 1
    tens_open = False  # "twenty" was said and may be followed by "one"
    for word in words:
        if word in _TIMES:
            times = _TIMES[word]
            continue
        found = word if word.isdigit() else _DIGITS.get(word) or _TEENS.get(word)
        if found and tens_open and len(found) == 1 and found != "0":
            run = run[:-1] + found
        elif found:
            run += found * times
        elif word in _TENS:
            run += f"{_TENS[word]}0"
        elif word == "hundred" and run:
            run += "00"
        elif word not in _BETWEEN:
            others += 1
            if run:
                runs.append(run)
            run = ""
        tens_open = word in _TENS
        times = 1
    return ([*runs, run] if run else runs), others


def say_digits(number: str) -> str:
    """Spell a number out for a voice, in groups: "two zero two, five five five, zero one zero zero".

    Args:
        number: Digits; anything else in it is passed over. The 1 before ten digits is left out, as people in North
            America do.
    """
    digits = re.sub(r"\D", "", number)
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    groups = [digits[:3], digits[3:6], digits[6:]] if len(digits) == 10 else _groups_of_three(digits)
    return ", ".join(" ".join(_NAMES[int(digit)] for digit in group) for group in groups if group)


class Fit(Enum):
    """Whether digits can be a telephone number."""

    YES = "yes"
    TOO_SHORT = "too short"
    NO = "no"


def fit(number: str, region: str | None) -> Fit:
    """Find out whether digits that a caller said or keyed in can be a telephone number.

    Args:
        number: Digits, with a + in front or not.
        region: The country that the number is called from, by its two letters; None when it is not known: all that is
            known of a number then is how long the longest one is.
    """
    if region is None and not number.startswith("+"):
        return Fit.YES if len(number) <= LONGEST else Fit.NO
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        short = error.error_type == error.TOO_SHORT_NSN
        return Fit.TOO_SHORT if short else Fit.NO
    match phonenumbers.is_possible_number_with_reason(parsed):
        case phonenumbers.ValidationResult.IS_POSSIBLE | phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return Fit.YES
        case phonenumbers.ValidationResult.TOO_SHORT | phonenumbers.ValidationResult.INVALID_LENGTH:
            return Fit.TOO_SHORT
        case _:
            return Fit.NO


def _groups_of_three(digits: str) -> list[str]:
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups
