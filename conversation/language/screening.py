"""What a telephone says that asks callers for a name and a reason before it rings, and what people ask callers.

The words are data, by language, in `screening.toml` beside this file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

Kind = Literal["asks", "key", "waits"]

ENGLISH = "en"

FEW_WORDS = 14
"""A person's question who calls is no longer than this; more is a message, a menu or a talk."""

NEAR_WORDS = 9
"""So many words before "press 1", or behind it, say what the key is for."""

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
        language: _Words(**{name: _compiled(one) for name, one in words.items()})
        for language, words in table.items()
    }


def _compiled(given: str | list[str]) -> Any:
    if isinstance(given, str):
        return re.compile(given)
    return tuple(re.compile(one) for one in given)
