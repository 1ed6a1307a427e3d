"""What callers' words say of whose turn it is, in the language of the call: `data/words.toml` has the words.

Here nothing is decided: `interrupting` and `pausing` do that. Of a language without words of its own only sounds are
known, so that any word stops the bot, and every pause is judged by its melody.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from conversation.language.utterance import breaks_off, is_question, says_goodbye, wish_of, yes_or_no
from conversation.language.wishes import is_back
from conversation.lines.words import words_of

ENGLISH = "en"

LONGEST_COUNT = 15
"""Digits of the longest telephone number. Source: ITU-T E.164, section 6."""

WHOLE_COUNT = 10
"""From this many digits on a number is taken for whole; national numbers of most countries have no more."""

NEARLY_COUNT = 7
"""From this many on it may be whole, in a small town or a small country."""

CODE_COUNT = 4
"""From this many on it may be all of a code."""

FEW_WORDS = 10
"""Who asks for patience does so in no more words; in a longer sentence such words mean something else."""

REMARK_WORDS = 20
"""A turn with such a sentence in it, and what it is for ("..., the kettle is boiling"), has no more words."""

ONE_OR_TWO = 2
"""So many words may be what a recogniser makes of a cough, or become others as more is said."""

STREET_WORDS = 5
"""A street's number, and its name, have no more words."""

A_FEW = 4
"""So many are too few for a sentence of one whose first words were quite others a moment before."""

SAME_SHARE = 0.5
"""What was said is understood twice with so much of its letters in common; noises are other words each time."""

SAME_BEGINNING = 0.34
"""The same for more than two words and those that were understood of their beginning."""

_LAUGHTER = (
    r"[a-z]?[ai]?(?:h+[aeiou]+){2,}h*",
    r"(?:[a-z]?a )?ha+h?(?: ha+h?)*",
    r"he+h?(?: he+h?)+",
    r"(?:[a-z]?a )?(?P<again>[a-z]{1,2}ah?)(?: (?P=again)){2,}",
)
"""As recognisers write it: "hahaha", "ta-ha-ha", "hehehe", "ta-cha-cha-cha"."""

_YES = ("yes ", "yeah ", "yep ")
_THINKING = ("u+h+", "u+m+", "e+h+")
_SOUNDS = (
    "m+",
    "h+m+",
    "mh+m+",
    "m+h+m+",
    "a+h+",
    "o+h+",
    "u+h+",
    "u+m+",
    "e+h+",
    "aha",
    "okay",
    "ok",
    "a+hem+",
    "hem",
)


def plain(text: str) -> str:
    """Words in small letters, without punctuation: "Don't, 5!" is "dont 5"."""
    # Vowels of Devanagari are no letters to Python; all of its block but the two marks that end sentences are kept.
    text = re.sub(r"[\u0964\u0965]", " ", text.lower().replace("'", "").replace("’", ""))
    return " ".join(re.sub(r"[^\w\s\u0900-\u097f]|_", " ", text).split())


def question_of(said: str) -> str:
    """The last question in the bot's words, and what is said to explain it; the last sentence if there is none."""
    sentences = re.split(r"(?<=[.!?।])\s+", said.strip())
    questions = [number for number, sentence in enumerate(sentences) if sentence.endswith("?")]
    return " ".join(sentences[questions[-1] if questions else -1 :])


class TurnWords:
    """The words of one language."""

    def __init__(self, language: str, data: dict[str, list[str]]) -> None:
        """Prepare them.

        Args:
            language: Two letters.
            data: As in `data/words.toml`; empty for a language without words of its own.
        """
        self._language = language
        self._is_english = language == ENGLISH
        self._listens = _row([*_SOUNDS, *data.get("listens", ())], _LAUGHTER)
        self._asks = re.compile(rf"(?:{_any(['dtmf', *data.get('asks', ())])})(?: |$)")
        self._answers = _row(data.get("answers", ()))
        self._courtesies = _row(data.get("courtesies", ()))
        self._goes_on = _last([*data.get("goes_on", ()), *_THINKING, *data.get("hesitates", ())])
        self._announces = _last(data.get("announces", ()))
        self._asides = _last(data.get("asides", ()))
        self._streets = frozenset(data.get("streets", ()))
        self._says_nothing = frozenset(plain(word) for word in data.get("says_nothing", ()))
        self._begins = frozenset(plain(word) for word in data.get("begins", ()))
        self._asks_for_words = tuple(data.get("asks_for_words", ()))
        self._holds_on = re.compile(rf"(?:.* )?(?:{_any(data.get('holds_on', ()))})(?: |$)")
        again = _any(data.get("thinks_again", ()))
        self._thinks_again = re.compile(rf"(?:.* )?(?<!cant )(?:{again})(?: |$)")  # "I can't wait"
        self._goodbyes = _last(words_of(language).goodbyes if data and language != ENGLISH else ())
        self._asks_for_number = tuple(data.get("asks_for_number", ()))
        self._asks_for_letters = tuple(data.get("asks_for_letters", ()))
        names = [names.split() for names in data.get("digits", ())]
        self._digits = {plain(name) for digit in names for name in digit}
        between = [*data.get("between", ()), *data.get("hesitates", ())]
        self._between = {plain(word) for word in between}  # without the "+" of those that are drawn out

    def without_backchannels(self, text: str) -> str:
        """The words without those that only show that the caller listens ("yeah", "okay"), as `plain` writes them."""
        words = plain(text)
        match = self._listens.match(words)
        return words[match.end() :] if match else words

    def asks(self, words: str) -> bool:
        """Whether plain words begin like those of somebody who wants to speak."""
        return bool(self._asks.match(words))

    def may_change(self, text: str) -> bool:
        """Whether an early transcript is too short to be relied upon, and not one of somebody who wants to speak."""
        words = self.without_backchannels(text)
        return len(words.split()) <= ONE_OR_TWO and not self.asks(words)

    def is_noise(self, text: str, before: str) -> bool:
        """Whether a few words are unlike what was understood before: a recogniser makes of a cough what it likes.

        Args:
            text: What is understood now.
            before: What was understood of the beginning of the same sound; empty when nothing was.
        """
        words, earlier = plain(text), plain(before)
        few = len(words.split())
        if not earlier or few > A_FEW or (self.asks(words) and not self.is_courtesy(text)):
            return False
        begun, share = (words, SAME_SHARE) if few <= ONE_OR_TWO else (words[: len(earlier)], SAME_BEGINNING)
        return difflib.SequenceMatcher(None, earlier, begun, autojunk=False).ratio() < share

    def says_nothing(self, text: str) -> bool:
        """Whether a few words are none that anybody says alone ("I am."): such is made of a throat that is cleared."""
        words = plain(text).split()
        return 0 < len(words) <= A_FEW and self._says_nothing.issuperset(words)

    def is_short_answer(self, text: str) -> bool:
        """Whether a turn is of a few set words, or a whole number."""
        words = plain(text)
        return (
            bool(self._answers.fullmatch(words)) or WHOLE_COUNT <= self.digits_at_end(words) <= LONGEST_COUNT
        )

    def is_courtesy(self, text: str) -> bool:
        """Whether a turn is one of mere courtesy."""
        return bool(self._courtesies.fullmatch(plain(text)))

    def says_goodbye(self, text: str) -> bool:
        """Whether a turn is, or ends with, a goodbye."""
        if self._is_english:
            return says_goodbye(text)
        return bool(self._goodbyes.fullmatch(plain(text)))

    def is_sentence(self, text: str) -> bool:
        """Whether a turn ends where the recogniser has heard the end of a sentence."""
        text = text.rstrip()
        return text.endswith((".", "?", "!", "।")) and not text.endswith("...") and len(plain(text)) > 1

    def only_tells(self, text: str) -> bool:
        """Whether a turn of whole sentences ends with one that asks and answers nothing, so that its point may follow.

        "I have a toothache.", and after a breath, "Should I come in?". Only known of English.
        """
        last = re.split(r"(?<=[.!])\s+", text.strip())[-1]
        return (
            self._is_english
            and self.is_sentence(text)
            and len(plain(last).split()) > ONE_OR_TWO
            and not is_question(last)
            and not self.asks(plain(last))
            and wish_of(text) is wish_of(last) is None
            and yes_or_no(text)[0] is None
        )

    def ends_in_a_comma(self, text: str) -> bool:
        """Whether a word or two, which are no beginning, have a comma behind them: so a recogniser writes "Prices."."""
        text = text.rstrip()
        few = 0 < len(plain(text).split()) <= ONE_OR_TWO
        return text.endswith(",") and few and not self.breaks_off(f"{text[:-1]}.")

    def may_begin_more(self, text: str) -> bool:
        """Whether a turn is of a word behind which more often follows: "No, ... that's all, thanks."."""
        return plain(text) in self._begins

    def is_greeting(self, text: str) -> bool:
        """Whether a turn only greets."""
        return words_of(self._language).are_only(text, "greetings")

    def holds_on(self, text: str) -> bool:
        """Whether the caller asks for patience, in a short turn, or in a short part of one that asks nothing else."""
        words = plain(text)
        if len(words.split()) <= FEW_WORDS:
            return bool(self._holds_on.match(words))
        parts = [part for part in re.split(r"[,.;:!?…।]+", text) if plain(part)]
        return len(words.split()) <= REMARK_WORDS and any(
            len(plain(part).split()) <= FEW_WORDS
            and self._holds_on.match(plain(part))
            and not any(self.asks(plain(later)) for later in parts[place + 1 :])
            for place, part in enumerate(parts)
        )

    def thinks_again(self, text: str) -> bool:
        """Whether somebody to whom goodbye is said wants something else."""
        asks = text.rstrip().endswith("?") and len(plain(text).split()) > ONE_OR_TWO
        return (asks and not self.says_goodbye(text)) or bool(self._thinks_again.match(plain(text)))

    def may_be_a_remark(self, text: str) -> bool:
        """Whether a turn asks and answers nothing, so that it may only say what the patience is for."""
        words = plain(text)
        asks = any(self.asks(plain(part)) for part in re.split(r"[,.;:!?…।]+", text) if plain(part))
        return len(words.split()) <= REMARK_WORDS and not (
            (self._is_english and is_back(text))
            or asks
            or self.is_short_answer(text)
            or self.says_goodbye(text)
            or self.digits_at_end(words)
        )

    def breaks_off(self, text: str) -> bool:
        """Whether words stop in the middle of a sentence, or with a sound of one who is thinking."""
        words = plain(text)
        if (self._is_english and breaks_off(text)) or self._asides.fullmatch(words):
            return True
        return not text.rstrip().endswith("?") and bool(self._goes_on.fullmatch(words))

    def is_dictating(self, text: str, *, was_asked: bool = False) -> bool:
        """Whether the caller is in the middle of a number, or spells, or has only announced it.

        Args:
            text: What was said so far in the turn.
            was_asked: Whether the bot has just asked for a number, a name or an address.
        """
        words = plain(text)
        if not words or text.rstrip().endswith("?"):
            return False
        # "Yes, it is." is a whole answer; so is "It is." where no number may follow it.
        answers = self._answers.fullmatch(words) and (not was_asked or words.startswith(_YES))
        if self._announces.fullmatch(words) and not answers:
            return True
        end = self._end_of(words)
        if end.letters >= 2:
            return True
        if not 2 <= end.digits < NEARLY_COUNT:
            return False
        several = end.words >= 2
        if self._announces.fullmatch(end.before) or (not end.before and end.words >= 3):
            return True
        # A single "1985" is a year, and a code of four digits is whole.
        return was_asked and (several or (not end.before and end.digits < CODE_COUNT))

    def may_be_whole(self, text: str, *, was_asked: bool = False) -> bool:
        """Whether the caller has given a number or an address that is long enough for some, and may be going on."""
        words = plain(text)
        if not text.rstrip().endswith("?") and self._ends_with_a_street(words.split()):
            return True
        end = self._end_of(words)
        a_code = was_asked and not end.before and CODE_COUNT <= end.digits
        return (a_code or NEARLY_COUNT <= end.digits) and end.digits < WHOLE_COUNT

    def asks_for_dictation(self, said: str) -> bool:
        """Whether the bot's words ask for a number, a name or an address."""
        return self.asks_for_number(said) or self.asks_for_letters(said)

    def asks_for_number(self, said: str) -> bool:
        """Whether the bot's words ask for a number and nothing else."""
        asked = question_of(said).lower()
        return any(word in asked for word in self._asks_for_number) and not self.asks_for_letters(said)

    def asks_for_letters(self, said: str) -> bool:
        """Whether the bot's words ask for a name, an address or a code, which may be spelled."""
        asked = question_of(said).lower()
        return any(word in asked for word in self._asks_for_letters)

    def asks_for_words(self, said: str) -> bool:
        """Whether the bot's words ask for a name, or for something to be said in the caller's own words."""
        asked = question_of(said).lower()
        return any(word in asked for word in self._asks_for_words)

    def digits_at_end(self, words: str) -> int:
        """How many digits the number has that plain words end with."""
        return self._end_of(words).digits

    def _ends_with_a_street(self, row: list[str]) -> bool:
        """Whether words end with a street and a number in it: "I live at twenty two Mill Road", and then the town."""
        number = (one for one in row[-STREET_WORDS:-2] if one.isdigit() or one in self._digits)
        return len(row) > 2 and row[-1] in self._streets and any(number)

    def _end_of(self, words: str) -> _End:
        row = words.split()
        digits = letters = count = 0
        while row:
            word = row[-1]
            if word.isdigit():
                digits += len(word)
                count += 1
            elif word in self._digits or self._is_oh(row, digits):
                digits += 1
                count += 1
            elif len(word) == 1 and not (self._is_english and word in "ai" and not letters):
                letters += 1
            elif word not in self._between:
                break
            row.pop()
        return _End(digits, letters, count, " ".join(row))

    def _is_oh(self, row: list[str], digits: int) -> bool:
        """Whether the last word of a row is a zero that is written as a letter: "two o two"."""
        beside = digits > 0 or (len(row) > 1 and (row[-2] in self._digits or row[-2].isdigit()))
        return self._is_english and row[-1] == "o" and beside


@dataclass(frozen=True)
class _End:
    """What words end with: how many digits and letters, in how many words the digits are, and the words before."""

    digits: int
    letters: int
    words: int
    before: str


@lru_cache(maxsize=32)
def turn_words(language: str) -> TurnWords:
    """The words of a language.

    Args:
        language: As agents have it, such as `en` or `pt-BR`.
    """
    short = re.split(r"[-_]", language.lower())[0]
    return TurnWords(short, _data().get(short, {}))


def is_digit(word: str) -> bool:
    """Whether a plain word is a digit, in any of the languages."""
    return word.isdigit() or word in _all_digits()


@lru_cache(maxsize=1)
def _all_digits() -> frozenset[str]:
    names = (name for data in _data().values() for digit in data["digits"] for name in digit.split())
    return frozenset(plain(name) for name in names)


def languages() -> list[str]:
    """The languages that have words of their own."""
    return sorted(_data())


@lru_cache(maxsize=1)
def _data() -> dict[str, dict[str, list[str]]]:
    text = resources.files(__package__).joinpath("data/words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _any(items: Iterable[str]) -> str:
    """A pattern of any of some words, the longest first."""
    patterns = {_pattern(item) for item in items}
    return "|".join(sorted(patterns, key=lambda one: (-len(one), one))) or "(?!)"


def _pattern(item: str) -> str:
    # "+" behind a letter is the pattern's own.
    return "+".join(re.escape(plain(part)) if part.strip() else "" for part in item.split("+")).replace(
        r"\ ", " "
    )


def _row(items: Iterable[str], patterns: Iterable[str] = ()) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{'|'.join([_any(items), *patterns])})(?: |$))+")


def _last(items: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:.* )?(?:{_any(items)})")
