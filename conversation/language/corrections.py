"""What callers correct without saying it all again: "no, zero five, not nine", "no, the fifth", "it ends with two"."""

from __future__ import annotations

import re

from conversation.language.spoken_numbers import spoken_number
from conversation.language.words import plain

_LEAD = re.compile(
    r"^(?:(?:no|nope|sorry|wait|well|actually|but|and|um+|uh+|it'?s|it is|i said|i meant|i mean|that'?s|that is|"
    r"it should be|should be|make it|make that|rather)\b[\s,.]*)+",
    re.IGNORECASE,
)
_NOT = re.compile(r"[\s,.]+(?:(?:and|but) )?(?:not|instead of|rather than)\s+", re.IGNORECASE)
_BUT = re.compile(r"[\s,.]+(?:but|it'?s|it is)[\s,.]+|[,.;]\s+", re.IGNORECASE)
_END = re.compile(
    r"\b(?:ends? (?:with|in|on)|(?:last|final) (?:\w+ )?(?:digits?|numbers?|ones?|two|three|four) "
    r"(?:is|are|should be|were|was))\b(?P<said>.*)"
)
_START = re.compile(
    r"\b(?:(?:starts?|begins?) with|(?:first|area) (?:\w+ )?(?:digits?|numbers?|code|ones?|two|three|four) "
    r"(?:is|are|should be|were|was))\b(?P<said>.*)"
)
_AGAIN = re.compile(r"\b(?:start(?:ing)? (?:again|over|from)|from the (?:beginning|start)|all over)\b")

_ALIKE = (
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|today|tomorrow|tonight",
    "january|february|march|april|june|july|august|september|october|november|december",
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|"
    "fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|"
    r"(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|\d{1,2}(?:st|nd|rd|th)",
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|midnight",
    "morning|afternoon|evening|night",
)
"""Words that can only be corrected to one another."""

_BEGINS = re.compile(r"^(?:The|On|At|In|An?|My|Our|To|For|From)\b")
"""Words that have a capital letter only where a sentence begins."""

_LONGEST = 6
"""Words of the longest correction that need not say what it corrects."""


def starts_again(said: str) -> bool:
    """Whether a caller begins a number anew."""
    return bool(_AGAIN.search(plain(said)))


def corrected_number(number: str, said: str) -> str | None:
    """Correct some digits of a number.

    Args:
        number: The digits so far.
        said: What the caller said of them.

    Returns:
        The number with the caller's digits, or None when it is not certain which digits were meant.
    """
    words = plain(said)
    for pattern, at_end in ((_END, True), (_START, False)):
        match = pattern.search(words)
        digits = spoken_number(match["said"]) if match else ""
        if digits and len(digits) < len(number):
            return number[: -len(digits)] + digits if at_end else digits + number[len(digits) :]
    right, wrong = (spoken_number(part) for part in _right_and_wrong(said))
    if not right or not wrong:
        return None
    # "Zero five, not nine" corrects "zero nine".
    longer = [right[: -len(wrong)] + wrong, wrong + right[len(wrong) :]] if len(right) > len(wrong) else []
    for old in (*longer, wrong):
        if number.count(old) == 1:
            return number.replace(old, right)
    return None


def corrected_words(text: str, said: str) -> str | None:
    """Correct some words of a text.

    Args:
        text: The words so far.
        said: What the caller said of them: "not two, three", or only "the fifth" where the text has one other day.

    Returns:
        The text with the caller's words, or None when it is not certain which words were meant.
    """
    right, wrong = (_LEAD.sub("", part).strip(" ,.!?") for part in _right_and_wrong(said))
    if right and wrong:
        found = re.findall(rf"\b{re.escape(wrong)}\b", text, re.IGNORECASE)
        return _replaced(text, wrong, right) if len(found) == 1 else None
    if len(plain(said).split()) > _LONGEST:
        return None
    for words in _ALIKE:
        new = re.findall(rf"\b(?:{words})\b", said, re.IGNORECASE)
        old = re.findall(rf"\b(?:{words})\b", text, re.IGNORECASE)
        if len(new) == len(old) == 1 and new[0].lower() != old[0].lower():
            return _replaced(text, old[0], new[0])
    return None


def says_when(words: str) -> bool:
    """Whether words say only when: "tomorrow", "on the fifth", "at three"."""
    when = "|".join(_ALIKE)
    return bool(
        re.fullmatch(rf"(?:(?:on|at|in|the|this|next|around|about|{when}|oclock|am|pm|and) ?)+", words)
    )


def is_when(word: str) -> bool:
    """Whether a word, in lower case, is a day, a date, an hour or a number of the kind that is often corrected."""
    return any(re.fullmatch(words, word) for words in _ALIKE)


def _right_and_wrong(said: str) -> tuple[str, str]:
    """Take "X, not Y", "X instead of Y" and "not Y, X" apart; empty where it is neither."""
    bare = _LEAD.sub("", said.strip())
    if re.match(r"not\b", bare, re.IGNORECASE):
        wrong, right = ([*_BUT.split(bare[3:].strip(), maxsplit=1), ""])[:2]
        return right.strip(), wrong.strip()
    parts = _NOT.split(f" {bare}", maxsplit=1)
    return (parts[0].strip(), parts[1].strip()) if len(parts) == 2 else ("", "")


def _replaced(text: str, old: str, new: str) -> str:
    new = _BEGINS.sub(lambda found: found[0].lower(), new)
    return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, text, count=1, flags=re.IGNORECASE)
