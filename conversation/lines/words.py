"""What callers say in a few set words, by language: yes and no, goodbyes, "hold on", a request for another language.

The words are data, in `[words]` of each language's file. They are compared without capitals, accents of Latin letters
and signs, as recognisers write the same word in several ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from conversation.lines.fixed import fixed, languages, primary
from conversation.lines.names import locale_of

NAMED = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pa pl pt ro ru sk sl sr sv sw ta "
    "th tl tr uk ur vi zh"
).split()
"""The languages whose names callers may say."""

MORE_NAMES = {
    "en": {"zh": ("mandarin",)},
    "es": {"es": ("castellano",)},
    "hi": {"hi": ("हिंदी",), "en": ("इंग्लिश",)},
    "pt": {"es": ("castelhano",)},
}
"""Further names of a language, by the language that they are said in."""

REST_WORDS = 2
"""A turn with no more words than these beside the request is a request and nothing else."""

_CLAUSES = re.compile(r"[.!?,;:¿¡।…]+")
_MARKS: dict[int, int | None] = {**dict.fromkeys(range(0x300, 0x370)), 0x93C: None, 0x901: 0x902}
"""Accents of Latin letters; in Hindi the dot below, which is often left out, and two signs for the same sound."""


def plain(text: str) -> str:
    """Words without capitals, accents of Latin letters and signs."""
    letters = unicodedata.normalize("NFKD", text.casefold().replace("'", "").replace("’", ""))
    # Vowels of Indian scripts are marks, which regular expressions take for no part of a word.
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in letters.translate(_MARKS))
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


@dataclass(frozen=True)
class Words:
    """The set words of one language, as `plain` writes them.

    Parameters:
        yes: Answers that mean yes.
        no: Answers that mean no.
        thanks: Words of thanks.
        backchannels: What says no more than that somebody listens.
        fillers: What is said while thinking.
        goodbyes: Words that end a call.
        hold_on: What asks for a moment.
        greetings: First words of a call.
        please: What makes a request polite.
        common: Words that most sentences of the language have some of.
    """

    yes: frozenset[str]
    no: frozenset[str]
    thanks: frozenset[str]
    backchannels: frozenset[str]
    fillers: frozenset[str]
    goodbyes: frozenset[str]
    hold_on: frozenset[str]
    greetings: frozenset[str]
    please: frozenset[str]
    common: frozenset[str]

    def are_only(self, text: str, *kinds: str) -> bool:
        """Whether a text has nothing but words of these kinds, such as "yes, okay" of `yes` and `backchannels`."""
        known: set[str] = set().union(*(getattr(self, kind) for kind in kinds))
        said = plain(text)
        if not said:
            return False
        either = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
        return re.fullmatch(rf"(?:(?:{either})(?: |$))+", said) is not None


@cache
def words_of(tag: str) -> Words:
    """The set words of a language; the English ones where it has none.

    Args:
        tag: The language, as in BCP 47.
    """
    table = fixed(tag, "words")
    kinds = Words.__dataclass_fields__
    return Words(**{kind: frozenset(filter(None, map(plain, table[kind]))) for kind in kinds})


@dataclass(frozen=True)
class Asked:
    """That the caller wants another language.

    Parameters:
        language: Which one, by its code.
        only: Whether they have said nothing else.
    """

    language: str
    only: bool


def asked_for(text: str, spoken: Sequence[str], current: str) -> Asked | None:
    """Whether a caller's words ask for a language, in whichever language they do.

    Args:
        text: The whole turn.
        spoken: The languages that the agent speaks. The mere name of one of these is a request, too; that of another
            may be anything.
        current: The language of the conversation. Who says that they do not speak it wants the one they say it in.
    """
    clauses = [clause for part in _CLAUSES.split(text) if (clause := plain(part))]
    for clause in clauses:
        if (found := _request(clause, spoken, current)) is not None:
            beside = sum(len(_bare(other).split()) for other in clauses if other is not clause)
            return Asked(found, only=beside <= REST_WORDS)
    # Recognisers put commas into a request as well.
    found = _request(" ".join(clauses), spoken, current) if len(clauses) > 1 else None
    return Asked(found, only=True) if found is not None else None


def _request(clause: str, spoken: Sequence[str], current: str) -> str | None:
    mine = {primary(tag) for tag in spoken}
    for language in languages():
        asks, cannot, names = _patterns(language)
        for said in (clause, _bare(clause, language)):
            for pattern in cannot:
                # "I don't speak English": the language that they say it in, if it is another.
                match = pattern.fullmatch(said)
                if match and names[match["language"]] == primary(current) != language:
                    return language
            for pattern in asks:
                if match := pattern.fullmatch(said):
                    return names[match["language"]]
            if names.get(said) in mine:
                return names[said]
    return None


@cache
def _patterns(language: str) -> tuple[list[re.Pattern[str]], list[re.Pattern[str]], dict[str, str]]:
    """The requests of one language, what they say who do not speak one, and languages' codes by their names."""
    names: dict[str, str] = {}
    known = locale_of(language).languages
    for code in NAMED:
        for name in (known.get(code, ""), *MORE_NAMES.get(language, {}).get(code, ())):
            if name:
                names.setdefault(plain(name), code)
    if language == "pl":  # "po polsku", "po angielsku": an adverb of the adjective
        names |= {re.sub("ki$", "ku", name): code for name, code in list(names.items())}
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    table = fixed(language, "words")

    def compiled(patterns: Iterable[str]) -> list[re.Pattern[str]]:
        return [
            re.compile(_plain_pattern(pattern).replace("LANGUAGE", f"(?P<language>{either})"))
            for pattern in patterns
        ]

    return compiled(table["ask"]), compiled(table["cannot"]), names


def _plain_pattern(pattern: str) -> str:
    letters = unicodedata.normalize("NFKD", pattern).translate(_MARKS)
    return unicodedata.normalize("NFC", letters)


@cache
def _courtesies(language: str) -> re.Pattern[str]:
    """What may stand before a request, and behind it."""
    of = (words_of(one) for one in ((language,) if language else languages()))
    known = set().union(*(words.greetings | words.fillers | words.thanks | words.please for words in of))
    either = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
    return re.compile(rf"(?:{either})(?= |$)| (?:{either})$")


def _bare(clause: str, language: str = "") -> str:
    """The words of a clause without courtesies and fillers around them: those of one language, or of all."""
    courtesies = _courtesies(language)
    while match := courtesies.match(clause):
        clause = clause[match.end() :].strip()
    while (match := courtesies.search(clause)) and match.end() == len(clause) and match.start():
        clause = clause[: match.start()].strip()
    return clause


SURE_WORDS = 3
"""How many of the commonest words of a language a sentence must have to be taken for it."""

SURE_MARGIN = 2
"""How many more of them than of any other language's."""


def guessed(text: str, among: Iterable[str]) -> str | None:
    """The language that a sentence is in, where that is plain from its commonest words.

    Args:
        text: The sentence.
        among: Codes of the languages that it may be in.

    Returns:
        The code; None when there are too few words to tell, or two languages are about as near.
    """
    said = plain(text).split()
    counts = Counter({code: sum(word in words_of(code).common for word in said) for code in set(among)})
    (best, most), *others = counts.most_common(2) or [("", 0)]
    second = others[0][1] if others else 0
    return best if most >= SURE_WORDS and most >= second + SURE_MARGIN else None
