"""Whether words only say again what was just read out: "Yes, the fifth", "That's right, Anna can't come on Monday".

A recogniser writes the same words differently each time, so words count as the same that are much alike. Days, dates,
hours and a "not" are exactly the same or different: what corrects them must not be lost.
"""

from __future__ import annotations

import difflib
import re

from conversation.language.corrections import is_when
from conversation.language.words import plain

_ALIKE = 0.72
_NEARLY_ALL = 0.75
"""Which share of the words must be in what was read out, where there are several."""

_SAYS_NOTHING = frozenset(
    """a about all also am an and any are as at be been but by called calling can could did do does for from get got
    had has have he her him his i if in is it its just know let like may me message my number of off on one or our
    please said say says she should so some tell than that thats the their them then there they this to too us was we
    were will with would yes yeah you your um uh right correct exactly thanks thank okay ok again name im id ill ive
    theyre youre hes shes going want wants wanted need needs""".split()
)
_NOT = frozenset(
    "not no never cant cannot dont doesnt didnt wont isnt wasnt arent couldnt wouldnt without".split()
)
_AFFIRMS = re.compile(r"\b(?:i|we|he|she|they|you) (?:can|will|could|do|does|want|wants|need|needs)\b")
"""What contradicts a message that says the same with a "not"."""

_ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split()
_NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WRITTEN = {
    f"{number}{end}": word for number, word in enumerate(_ORDINALS) for end in ("st", "nd", "rd", "th")
}


def repeats(said: str, before: str) -> bool:
    """Say whether all, or nearly all, that some words tell was read out before.

    Args:
        said: What the caller says.
        before: What was read out.

    Returns:
        False also where the words tell nothing.
    """
    new, known = telling(said), telling(before)
    if not new or not known:
        return False
    found = [_is_in(word, known) for word in new]
    exact = [
        word for word, one in zip(new, found, strict=True) if not one and (word == "not" or is_when(word))
    ]
    if exact or ("not" in known and "not" not in new and _AFFIRMS.search(plain(said))):
        return False
    return sum(found) >= _NEARLY_ALL * len(new) and sum(found) > 0


def telling(text: str) -> list[str]:
    """The words of a text that tell something, numbers and every kind of "not" written in one way."""
    words = [one for word in plain(text).split() for one in _said(word)]
    return ["not" if word in _NOT else word for word in words if word not in _SAYS_NOTHING]


def _said(word: str) -> list[str]:
    """A word as it is said: "35" is two words, and the "00" of an hour none."""
    if not word.isdigit() or len(word) > 2:
        return [_WRITTEN.get(word, word)]
    tens, ones = divmod(int(word), 10)
    if tens < 2:
        return [_NUMBERS[int(word)]] if int(word) else []
    return [_TENS[tens - 2], *([_NUMBERS[ones]] if ones else [])]


def _is_in(word: str, known: list[str]) -> bool:
    if word in known:
        return True
    if word == "not" or is_when(word):
        return False
    return any(
        len(other) > 2 and difflib.SequenceMatcher(None, word, other).ratio() >= _ALIKE
        for other in known
        if not is_when(other)
    )
