"""The words of a sentence that tell what it is about: without politeness, the days it names, the way it asks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

STOP_WORDS = frozenset(
    """a about all also am an and any are as at be been but by can could did do does else for from get give go got
    had has have hello hey hi how i if in is it just know let like may me much my need of off okay on one or our
    please put say should so some tell than thank thanks that the their them then there they this time to too us
    want was we well what when where which who why will with would yes you your""".split()
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_POLITENESS = re.compile(
    r"""^(?:(?:hi|hello|hey|good\s(?:morning|afternoon|evening)|yes|yeah|okay|ok|well|so|um+|uh+|and|also|sorry|
    excuse\sme|please|oh|no|i\s(?:said|asked)|alright|great|thanks|thank\syou|there)\b[\s,.!]*)+|
    \b(?:can|could|would)\syou\s(?:please\s)?(?:tell\sme|let\sme\sknow)\s(?:please\s)?|
    \bi(?:\swas|'m|\sam)?\s(?:just\s)?(?:wondering|calling\sto\sask|want\sto\sknow|wanted\sto\sknow)\s(?:if\s)?|
    \bi(?:\shave|'ve\sgot|\shad)\s(?:a|one|another)(?:\squick)?\squestion(?:\s(?:about|on|regarding))?\b|
    \bi(?:'m|\sam)\scalling\s(?:about|regarding)\s|\bi\swant(?:ed)?\sto\sask\s(?:you\s)?(?:about\s)?|
    \bi(?:'d|\swould)\slike\sto\sknow\s|\bplease\b""",
    re.IGNORECASE | re.VERBOSE,
)


_WAY = re.compile(
    r"\b(how (?:old|often|far|big|tall)|how many(?! (?:minutes|hours|days|weeks|months|years))|"
    r"how long (?=do|does|will|is|are|did)|how many (?=minutes|hours|days|weeks|months|years)|why|who(?:se)?)\b"
)
_AGE = re.compile(
    r"\b(?:how (?:old|young)|(?:what|which) age|the age of|years? old|year-olds?|too (?:young|old))\b"
)
_HOW_TO = re.compile(r"\bhow (?:do|can|could|would|should|to) (?:i |we )?(?:properly )?([a-z]+)")


def ways_of_asking(text: str) -> set[str]:
    """Name the ways of asking in a text that a fact either answers or does not, whatever it is about."""
    text = text.lower()
    told = _telling()
    ways = {"how long" if way == "how many " else way.strip() for way in _WAY.findall(text)}
    if _AGE.search(text):
        ways = (ways - {"how old"}) | {"age"}
    ways |= {verb for verb in _HOW_TO.findall(text) if verb not in told["verbs"]}
    return ways | (told["words"] & set(re.findall(r"[a-z]+", text)))


_OBJECT = re.compile(
    r"\b(?:(?:do you|you guys|you also) (?:\w+ )?(?:sell|offer|carry|stock|rent|fit|make|do|own)|(?:price|cost) of|"
    r"how much (?:is|are|for)|are you) (?:(?:the|an?|any|some|your|out) )*(\w+(?: \w+)?)"
)


def asked_object(text: str) -> set[str]:
    """Name the thing that is asked for: "burgers" in "Do you sell burgers?"; whatever the frame, it must be known."""
    found = _OBJECT.search(text.lower())
    return content_words(found[1]) if found else set()


def names_somebody(text: str) -> bool:
    """Whether a wish for a person says for whom, or what about."""
    return bool(content_words(text) - content_words(" ".join(_telling()["asking"])))


@cache
def _telling() -> Mapping[str, frozenset[str]]:
    table = tomllib.loads(
        resources.files("conversation.local.data").joinpath("telling.toml").read_text("utf-8")
    )
    return {name: frozenset(words) for name, words in table.items()}


_WEAK = frozenset("today tonight tomorrow now day days time times".split())
"""Words that go with any question: who says no other names no fact by them."""


def tells_little(words: set[str]) -> bool:
    """Whether the words that tell what a text is about could be of any question: "How am I today?"."""
    return bool(words) and words <= _WEAK


_OURS = re.compile(
    r"\b(?P<at>(?:to|at|from|near|in|into|inside|of|find|reach) )?your (?:own |new |\w+ )?"
    r"(?P<place>hotel|inn|guest ?house|restaurant|shop|store|pizzeria|salon|gym|pharmacy|bakery|garage|studio|library|"
    r"museum|school|church|bank|hospital|theater|clinic|practice|office|building|place|location|business|company)\b",
    re.IGNORECASE,
)


def without_our_place(text: str) -> str:
    """Write "you" for what the caller calls us: "How do I get to your hotel?" asks for no other hotel."""
    text = _OURS.sub(lambda found: f"{found['at'] or ''}you", text)
    return re.sub(r"(?i)\bdoes you\b", "do you", re.sub(r"(?i)(?<=where )(?:is|was) you\b", "are you", text))


_YOU = re.compile(r"\b(?:you|your|yours|youre|ya|u)\b")


def speaks_to_us(text: str) -> bool:
    """Whether a question is about the business that is called: "your office" and not "the museum"."""
    return bool(_YOU.search(_POLITENESS.sub("", text).lower()))


def without_politeness(text: str) -> str:
    """Take away what says nothing of the wish: it moves every sentence a little towards every other one."""
    bare = _POLITENESS.sub("", text).strip(" ,.!")
    return bare if len(bare.split()) > 1 else text


def weekdays_in(text: str) -> set[str]:
    """Name the weekdays in a text, in lower case; "weekend" is Saturday and Sunday."""
    words = re.findall(r"[a-z]+", text.lower())
    days = {day for day in WEEKDAYS if day in words or f"{day}s" in words}
    if {"weekend", "weekends"} & set(words):
        days |= {"saturday", "sunday"}
    if {"weekday", "weekdays", "workday", "workdays"} & set(words) or "during the week" in " ".join(words):
        days |= set(WEEKDAYS[:5])
    for first, link, last in zip(words, words[1:], words[2:], strict=False):
        if link in ("to", "until", "through") and first in WEEKDAYS and last in WEEKDAYS:
            start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
            days |= set(WEEKDAYS[start : end + 1] if start <= end else WEEKDAYS[start:] + WEEKDAYS[: end + 1])
    return days


def content_words(text: str) -> set[str]:
    """Name the words that tell what a text is about, without their endings."""
    words = re.findall(r"[a-z]+", text.lower().replace("'", ""))
    return {_stem(word) for word in words if word not in STOP_WORDS and len(word) > 1}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
