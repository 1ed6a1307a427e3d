"""What a telephone says that asks callers for a name and a reason before it rings, and what people ask callers.

The words are data, by language, in `screening.toml` beside this file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal

Kind = Literal["asks", "key", "waits"]

ENGLISH = "en"

FEW_WORDS = 14
"""A person's question who calls is no longer than this; more is a message, a menu or a talk."""

NEAR_WORDS = 9
"""So many words before "press 1", or behind it, say what the key is for."""

HEARD_SHARE = 0.6
"""So many words of a service's sentence must have been heard, in their order, for it to be known though misheard."""

SIMILAR = 0.65
"""How alike a word and what was heard of it must be, of more than three letters."""

BETWEEN_WORDS = 2
"""So many more words than a sentence has may be among those that were heard of it."""

_LEFT = re.compile(r"\b(?:leave|leaving|message|number|back|beep|tone)\b")
"""What boxes say, and services that are known from misheard words must not."""

_KEYS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine".split())
} | {"star": "*", "pound": "#", "hash": "#"}


@dataclass(frozen=True)
class Screening:
    """What a telephone wants that screens calls.

    Parameters:
        kind: It asks who calls and why, wants a key pressed, or has the caller wait.
        key: The key.
        after_tone: Whether the answer has to wait for a tone.
    """

    kind: Kind
    key: str = ""
    after_tone: bool = False


@dataclass(frozen=True)
class _Words:
    services: tuple[re.Pattern[str], ...] = ()
    asks: tuple[re.Pattern[str], ...] = ()
    who: tuple[re.Pattern[str], ...] = ()
    waits: tuple[re.Pattern[str], ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    press: re.Pattern[str] | None = None
    key: re.Pattern[str] | None = None
    recorded: re.Pattern[str] | None = None
    thanks: re.Pattern[str] | None = field(default=None)


def screening(text: str, language: str = ENGLISH) -> Screening | None:
    """What the words of a screening service ask for; None when they are no such service's.

    Args:
        text: All that was said in a turn.
        language: Of the conversation, as in BCP 47. Services of English telephones are known in any.
    """
    words = normal(text)
    for known in _in(language):
        if known.recorded is not None and known.recorded.search(words):
            return None  # a box, whatever else it says
        if key := _key(words, known):
            return Screening("key", key)
        asks = _any(known.asks, words)
        if asks or (
            _any(known.services, words) and not (_any(known.waits, words) and not _any(known.who, words))
        ):
            return Screening("asks", after_tone=bool(re.search(r"\b(?:tone|beep)\b", words)))
        if _any(known.services, words):
            wanted = re.search(r"\b(?:record|recording|your) (?:your )?names?\b", words)
            return Screening("asks" if wanted else "waits")
    if not _LEFT.search(words) and any(_misheard(words, known) for known in _in(language)):
        return Screening("asks")
    return None


def asks_who(text: str, language: str = ENGLISH) -> bool:
    """Whether somebody asks who calls, or why.

    Args:
        text: What was said.
        language: See `screening`.
    """
    words = normal(text)
    if not words or len(words.split()) > FEW_WORDS:
        return False
    return any(_any((*known.who, *known.asks), words) for known in _in(language))


def has_us_wait(text: str, language: str = ENGLISH) -> bool:
    """Whether words only thank, or have the caller wait: somebody may come to the telephone.

    Args:
        text: What was said.
        language: See `screening`.
    """
    words = normal(text)
    return any(
        _any(known.waits, words) or (known.thanks is not None and bool(known.thanks.fullmatch(words)))
        for known in _in(language)
    )


def normal(text: str) -> str:
    """A text in small letters, without accents, apostrophes and punctuation."""
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[a-z0-9]+", re.sub(r"['’]", "", plain)))


def _key(words: str, known: _Words) -> str:
    if known.key is None or known.press is None:
        return ""
    for found in known.key.finditer(words):
        behind = " ".join(words[found.end() :].split()[:NEAR_WORDS])
        behind = re.split(r"\b(?:press|dial|enter|push)\b", behind)[0]
        before = " ".join(words[: found.start()].split()[-NEAR_WORDS:])
        if known.press.search(behind) or (
            known.press.search(before) and not re.match(r"(?:to|for|if)\b", behind)
        ):
            return _KEYS.get(found["key"], found["key"])
    return ""


def _misheard(words: str, known: _Words) -> bool:
    """Whether most words of a service's sentence were heard, near one another and in their order."""
    heard = words.split()
    for phrase in known.phrases:
        length = len(phrase) + BETWEEN_WORDS
        for start in range(max(1, len(heard) - length + 1)):
            if _common(phrase, heard[start : start + length]) >= HEARD_SHARE * len(phrase):
                return True
    return False


def _common(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """How many words are in both rows, in their order."""
    best = [0] * (len(heard) + 1)
    for word in wanted:
        before = 0
        for place, other in enumerate(heard, start=1):
            above = best[place]
            best[place] = before + 1 if _alike(word, other) else max(above, best[place - 1])
            before = above
    return best[-1]


@lru_cache(maxsize=4096)
def _alike(word: str, other: str) -> bool:
    if word == other:
        return True
    return min(len(word), len(other)) > 3 and SequenceMatcher(None, word, other).ratio() >= SIMILAR


def _any(patterns: tuple[re.Pattern[str], ...], words: str) -> bool:
    return any(pattern.search(words) for pattern in patterns)


def _in(language: str) -> list[_Words]:
    """The words of a language, and the English ones, as telephones speak their owner's language."""
    known, own = _known(), language.split("-")[0].lower()
    return [known[one] for one in dict.fromkeys((own, ENGLISH)) if one in known]


@cache
def _known() -> dict[str, _Words]:
    table = tomllib.loads(
        resources.files("conversation.language").joinpath("screening.toml").read_text(encoding="utf-8")
    )
    return {
        language: _Words(**{name: _compiled(name, one) for name, one in words.items()})
        for language, words in table.items()
    }


def _compiled(name: str, given: str | list[str]) -> Any:
    if name == "phrases":
        return tuple(tuple(one.split()) for one in given)
    if isinstance(given, str):
        return re.compile(given)
    return tuple(re.compile(one) for one in given)
