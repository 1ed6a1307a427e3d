"""Numbers and spelled names that a recogniser of sentences writes as words: "Seven eighths", "E, L, A, then.".

It has heard well, and chosen words that are likelier in a sentence. So where a number or a name was asked for, or most
of what was understood sounds like digits or letters, its own weights write the sound once more, and may write nothing
but digits or letters behind the words that announce them. What is so written is taken when it is about as likely as
what was understood; it loses none of the digits or letters that were in that.

Of letters that sound alike on a telephone line ("B" and "V") the one is taken that is usual behind those before it
(`conversation/local/letters.py`).

Over 23 voices on a telephone line, of phone numbers and pieces of them 87 of 100 are right so, instead of 76, and of
spelled names, few of which a recogniser of sentences hears, 57 instead of 43. Of 1,270 times that sentences with small
numbers and names in them were said, six were changed, where a number or a name had been asked for: "I have one
forty-two." for "I have one for you, too.". It takes 50 ms of one core, and 160 ms for a whole number; nothing where a
number was understood well, and for ordinary speech.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from conversation.language.names import LETTERS_ALIKE, as_letters
from conversation.language.spoken_numbers import (
    ZERO_ALIKE,
    announces_number,
    digits_alike,
    is_number_alone,
    only_number,
    only_sounds_like_digits,
    write_digits,
)
from conversation.local.letters import OUTSIDE, behind_each_pair
from conversation.local.weights import END, Decoding, Weights

BEAM = 4
"""Texts that are written side by side, besides what was understood."""

WIDE = 8
"""Ways in which each of them is tried to go on."""

PER_TOKEN = 0.8
"""By how much a token more makes up for being less likely, in nats: of texts of several lengths the shorter is always
likelier, and lacks a digit."""

MOST_TOKENS = 60
"""A text has no more; nobody says a longer number in one breath."""

WORTH_OF_SPELLING = 0.6
"""How much it counts that letters are usual behind one another; with 0.3 and with 1 a little less is right."""

MARGIN = 5.0
"""How much less likely than what was understood a number or a spelling may be, in nats, all of it together: with 3 and
with 7 nearly the same is right, as what else was said is 10 and more away."""

MARGIN_GOING_ON = 8.0
"""The same where digits or letters were said a moment before, and a few words were understood: of 268 times that
sentences and names were tried so, two were taken for letters or digits."""

MARGIN_OTHERWISE = 3.0
"""The same where nothing that was understood sounds like a digit or a letter."""

MOST_WORDS = 30
"""Who says more does not dictate."""

FEW = 4
"""Words of a short answer, in which one single letter is enough to listen for a spelling."""

SHORT = 5
"""Words of an answer that may be what was asked for, whatever was understood."""

MANY = 3
"""Words that sound like digits, or letters, where nothing of the kind was asked for."""

FEWEST = 3
"""Digits or letters that are taken; where nothing else is said, letters may be one fewer."""

MANY_DIGITS = 6
"""Digits behind words that announce no number."""

_LETTERS = re.compile(r"(?i)[a-z](?:-[a-z])*\W*")
_DIGITS = "zero oh o one two three four five six seven eight nine"
_NUMBERS = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty "
    "seventy eighty ninety hundred double triple"
)
_START, _WORD, _MARK, _SPACE, _DIGIT, _HYPHEN = range(6)


class Grammar:
    """What may be written: in each state some tokens, each of which leads to a state."""

    def __init__(self, usual: NDArray[np.float32] | None = None) -> None:
        """Make one in which nothing may be written yet.

        Args:
            usual: How usual letters are behind two others, see `behind_each_pair`; None where there are no letters.
        """
        self._usual = usual
        self._letters: dict[int, int] = {}
        self._arcs: dict[int, dict[int, int]] = defaultdict(dict)
        self._ends: set[int] = set()
        self._next = 100

    def add(self, states: Iterable[int], tokens: Iterable[int], to: int) -> None:
        """Let some tokens be written in some states, one behind the other."""
        *firsts, last = tokens
        for state in states:
            at = state
            for token in firsts:
                if token not in self._arcs[at]:
                    self._arcs[at][token] = self._next
                    self._next += 1
                at = self._arcs[at][token]
            self._arcs[at].setdefault(last, to)

    def letter(self, states: Iterable[int], token: int, letter: str, to: int) -> None:
        """Let the name of a letter be written."""
        self._letters[token] = ord(letter.lower()) - ord("a")
        self.add(states, [token], to)

    def usual(self, tokens: Sequence[int], token: int) -> float:
        """How usual a letter is behind those before it, in nats; 0 for what is none."""
        letter = self._letters.get(token)
        if letter is None or self._usual is None:
            return 0.0
        before = [OUTSIDE, OUTSIDE, *(self._letters[one] for one in tokens if one in self._letters)]
        return float(self._usual[before[-2], before[-1], letter])

    def end(self, *states: int) -> None:
        """Let the text end in some states."""
        self._ends |= set(states)

    def after(self, state: int) -> tuple[NDArray[np.int64], list[int]]:
        """The tokens that may be written in a state, and where they lead."""
        arcs = self._arcs[state]
        return np.array(list(arcs), np.int64), list(arcs.values())

    def may_end(self, state: int) -> bool:
        """Whether a text may end in a state."""
        return state in self._ends


def of_numbers(weights: Weights) -> Grammar:
    """Numbers, in words or in digits."""
    grammar, piece = Grammar(), weights.pieces
    apart = (_START, _WORD, _MARK, _DIGIT)
    for word in f"{_DIGITS} {_NUMBERS}".split():
        grammar.add(apart, weights.tokens(word), _WORD)
        grammar.add(apart, weights.tokens(word.capitalize()), _WORD)
        if word.encode() in piece:
            grammar.add([_HYPHEN], [piece[word.encode()]], _WORD)
    for word in ZERO_ALIKE:
        grammar.add([_WORD, _MARK], weights.tokens(word), _WORD)
    grammar.add(apart, [piece["▁".encode()]], _SPACE)
    for digit in range(10):
        grammar.add((_SPACE, _DIGIT, _HYPHEN), [piece[str(digit).encode()]], _DIGIT)
    grammar.add((_WORD, _DIGIT), [piece[b"-"]], _HYPHEN)
    for mark in (b",", b".", b"?"):
        grammar.add((_WORD, _DIGIT), [piece[mark]], _MARK)
    grammar.end(_WORD, _DIGIT, _MARK)
    return grammar


def of_letters(weights: Weights) -> Grammar:
    """Single letters."""
    grammar, piece = Grammar(WORTH_OF_SPELLING * behind_each_pair()), weights.pieces
    apart = (_START, _WORD, _MARK)
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        for one in (letter, letter.lower()):
            grammar.letter(apart, piece[f"▁{one}".encode()], letter, _WORD)
        for one in (letter, letter.lower()):
            grammar.letter([_HYPHEN], piece[one.encode()], letter, _WORD)
    for word in LETTERS_ALIKE:
        grammar.add(apart, weights.tokens(word), _WORD)
        grammar.add(apart, weights.tokens(word.capitalize()), _WORD)
    for double in ("double", "Double"):
        grammar.add(apart, weights.tokens(double), _SPACE)
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        grammar.add([_SPACE], [piece[f"▁{letter}".encode()]], _WORD)
    grammar.add([_WORD], [piece[b"-"]], _HYPHEN)
    for mark in (b",", b".", b"?"):
        grammar.add([_WORD], [piece[mark]], _MARK)
    grammar.end(_WORD, _MARK)
    return grammar


class Dictated(Enum):
    """What callers dictate."""

    NUMBER = "number"
    LETTERS = "letters"


def may_be(understood: str, asked: Dictated | None, so_far: str = "") -> Dictated | None:
    """What was probably dictated where something else was understood, such as "Two or two." for 202.

    Args:
        understood: What the recogniser has made of it.
        asked: What the bot has just asked for.
        so_far: What the caller has said since, before this: who has begun to spell goes on with it.

    Returns:
        None where a number or a spelling was understood well, and of ordinary speech.
    """
    words = understood.split()
    if not words or len(words) > MOST_WORDS:
        return None
    if is_number_alone(understood):
        # "Over seven eight." behind other digits has one that is not heard.
        goes_on = asked is Dictated.NUMBER and _ends_with(so_far, asked)
        return asked if goes_on and only_sounds_like_digits(understood) else None
    spelt = _letters_in(understood)
    digits, letters = sum(digits_alike(understood)), sum(map(bool, spelt))
    if asked is Dictated.NUMBER and (digits or len(words) <= SHORT):
        return asked
    if as_letters(understood) != understood or (sum(spelt) >= FEWEST and all(spelt[len(words) - letters :])):
        return Dictated.LETTERS
    if asked and len(words) <= FEW and _ends_with(so_far, asked):
        return asked
    if asked is Dictated.LETTERS and (letters >= 2 or len(words) <= SHORT):
        return Dictated.LETTERS
    if digits >= MANY and 2 * digits >= len(words) and not letters:
        return Dictated.NUMBER
    return Dictated.LETTERS if letters >= MANY and 2 * letters >= len(words) else None


def _ends_with(text: str, dictated: Dictated) -> bool:
    """Whether the last two words of a text are digits or letters."""
    known = digits_alike(text) if dictated is Dictated.NUMBER else _letters_in(text)
    return len(known) > 1 and all(known[-2:])


def _letters_in(text: str) -> list[int]:
    """How many letters are spelled in each word: 4 in "K-A-Y-E.", none in "Kaye"."""
    return [len(re.findall("[A-Za-z]", word)) if _LETTERS.fullmatch(word) else 0 for word in text.split()]


def _letters_of(written: str) -> list[str]:
    """The letters of a text of the grammar; none where fewer than two are written as letters."""
    text = re.sub(r"(?i)double (?:u|you)\b", "W", written)
    words = re.findall(r"[A-Za-z]+", re.sub(r"(?i)double (\w)\b", r"\1 \1", text))
    single = sum(len(word) == 1 for word in words)
    return [LETTERS_ALIKE.get(word.lower(), word).upper() for word in words] if single > 1 else []


class Dictation:
    """Listens again to a sound in which something was dictated, with Moonshine's own weights."""

    def __init__(self, weights: Weights) -> None:
        """Prepare what may be written."""
        self.weights = weights
        self._grammars = {Dictated.NUMBER: of_numbers(weights), Dictated.LETTERS: of_letters(weights)}

    def heard_as(
        self,
        samples: NDArray[np.float32],
        understood: str,
        dictated: Dictated,
        so_far: str = "",
        worth: float = 0.0,
    ) -> str | None:
        """Find the number or the letters that were said, behind the words that announce them.

        Args:
            samples: The sound, at 16 kHz, with little silence before and after it.
            understood: What the recogniser has made of it.
            dictated: Which of them it is, see `may_be`.
            so_far: What the caller has said before, see `may_be`.
            worth: By how many nats what was understood counts as likelier than it seems.

        Returns:
            None when what was understood is all in all likelier, or says the same.
        """
        understood = re.sub(r"\.\.+", ".", understood)
        alike = (digits_alike if dictated is Dictated.NUMBER else _letters_in)(understood)
        latest = next((at for at, one in enumerate(alike) if one and alike[at + 1 : at + 2] != [0]), None)
        begun_to_spell = dictated is Dictated.LETTERS and latest is not None and len(alike) > latest + 1
        goes_on = begun_to_spell or _ends_with(so_far, dictated)
        margin = MARGIN_GOING_ON if goes_on else MARGIN if any(alike) else MARGIN_OTHERWISE
        found = _write(self.weights, samples, understood, self._grammars[dictated], margin - worth, latest)
        if found is None:
            return None
        begun, written = found
        if dictated is Dictated.LETTERS:
            letters = _letters_of(written)
            written, size = ", ".join(letters) + ".", len(letters)
            fewest = FEWEST - 1 if any(alike) and not begun else FEWEST
        else:
            written = write_digits(written)
            size, fewest = len(only_number(written)), FEWEST if announces_number(begun) else MANY_DIGITS
        return f"{begun} {written}".strip() if size >= max(fewest, sum(alike[latest or 0 :])) else None


@dataclass(frozen=True)
class _Text:
    """A text that is being written: where it left what was understood, and what it has behind that."""

    likely: float
    usual: float
    row: int
    left_at: int
    tokens: tuple[int, ...]
    state: int


def _write(
    weights: Weights,
    samples: NDArray[np.float32],
    understood: str,
    grammar: Grammar,
    margin: float,
    latest: int | None,
) -> tuple[str, str] | None:
    """Find the likeliest text that begins as what was understood, and goes on as a grammar has it.

    Args:
        weights: The weights.
        samples: The sound.
        understood: What was understood.
        grammar: What may be written.
        margin: How much less likely than what was understood it may be, in nats.
        latest: Behind how many of the understood words the grammar begins at the latest; None: behind any.

    Returns:
        The words that were understood, and those of the grammar.
    """
    words = weights.tokens(understood)
    begins = [at for at, token in enumerate(words) if token in weights.begin_words][
        : None if latest is None else latest + 1
    ]
    with weights.lock:
        heard = weights.encoded(samples)
        (of_words,) = weights.scores(heard, len(samples), [words])
        so_far = np.concatenate([[0.0], np.cumsum(of_words[range(len(words) + 1), [*words, END]])])
        least, first = float(so_far[-1]) - margin, grammar.after(_START)[0]
        begins = [at for at in begins if so_far[at] + of_words[at, first].max() >= least]
        best: _Text | None = None
        most = -np.inf
        texts: list[_Text] = []
        decoding = Decoding(weights, heard, len(samples)) if begins else None
        for at in range(MOST_TOKENS):
            if decoding is None or not (begins or texts):
                break
            scores = decoding.scores
            for text in texts:
                likely = text.likely + float(scores[text.row, END])
                worth = likely + text.usual + PER_TOKEN * len(text.tokens)
                if grammar.may_end(text.state) and likely >= least and worth > most:
                    most, best = worth, text
            begun = [_Text(float(so_far[at]), 0.0, 0, at, (), _START)] if at in begins else []
            found: dict[tuple[int, ...], _Text] = {}
            for one in (longer for text in (*texts, *begun) for longer in _longer(text, scores, grammar)):
                if one.likely >= least and one.likely + one.usual + PER_TOKEN * (len(one.tokens) + 2) > most:
                    found.setdefault((*words[: one.left_at], *one.tokens), one)
            likeliest = sorted(found.values(), key=lambda one: -one.likely - one.usual)[:BEAM]
            begins = [later for later in begins if later > at]
            kept = [(0, words[at])] if begins else []  # the first row is of what was understood
            kept += [(one.row, one.tokens[-1]) for one in likeliest]
            if not kept:
                break
            decoding.write([row for row, _ in kept], [token for _, token in kept])
            texts = [replace(one, row=row + bool(begins)) for row, one in enumerate(likeliest)]
    if best is None:
        return None
    of_understood = sum(token in weights.begin_words for token in words[: best.left_at])
    return " ".join(understood.split()[:of_understood]), weights.text(best.tokens)


def _longer(text: _Text, scores: NDArray[np.float32], grammar: Grammar) -> Iterator[_Text]:
    tokens, states = grammar.after(text.state)
    of_tokens = scores[text.row, tokens]
    for which in np.argsort(-of_tokens)[:WIDE]:
        token = int(tokens[which])
        likely = text.likely + float(of_tokens[which])
        usual = text.usual + grammar.usual(text.tokens, token)
        yield _Text(likely, usual, text.row, text.left_at, (*text.tokens, token), states[which])
