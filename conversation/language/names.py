"""Names as callers give them: in a sentence, bare, or spelled letter by letter."""

from __future__ import annotations

import difflib
import re

from conversation.language.words import plain

LONGEST_NAME = 5
"""Words of the longest name."""

BEGUN = 2
"""Letters of a spelling that has only begun."""

_NO_NAME = (
    "is|was|calling|just|an?|the|not|here|in|so|looking|having|trying|running|sorry|going|about|because|my|your|"
    "wrong|right|correct|incorrect|back|again|at|on|when|whenever|if|as|after|before|later|tomorrow|today|tonight|this|"
    "that|next|any|anytime|asap|soon|please|to|for|from|with|regarding|important|urgent|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
)
_STATED = re.compile(
    r"\b(?P<lead>my (?:(?:first|last|full) )?name'?s?(?: is)?|name is|the name's?(?: is)?|"
    r"(?:can|could|may|just|please) call me|call me|this is|i am|i'm|it's|it is)\s+"
    rf"(?P<name>(?!(?:{_NO_NAME})\b)[^\W\d][\w'’.-]*"
    r"(?:\s(?!(?:and|from|calling|here|speaking|my|i|with|but|not)\b)[^\W\d][\w'’.-]*){0,3})",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(
    r",|\b(?:and(?!\s(?-i:[A-Z])[\w'’-]*\W*$)|my|from|calling|here|speaking)\b", re.IGNORECASE
)
_LEAD = re.compile(
    r"^(?:(?:um+|uh+|just|yes|yeah|sure|okay|ok|hi|hello|of course|oh|well|actually|it'?s|this is|it is|i'?m|i am|"
    r"(?:the|my) (?:(?:first|last|full) )?name(?:'?s| is)?)(?=[\s,.?]|$)[\s,.?]*)+",
    re.IGNORECASE,
)
_HESITATION = re.compile(r"\b(?:um+|uh+|er+m?|hm+)\b[\s,.…]*", re.IGNORECASE)

_CORRECTS = re.compile(
    r"^(?P<wrong>.+?)(?:[,.;]+\s*no\b|[\s,.;]+(?:sorry|i mean|i meant|wait|actually)\b)"
    r"(?:[\s,.]*(?:no|sorry|i mean|i meant|wait|actually|it['’]?s|that['’]?s|it is|my name is)\b)*"
    r"[\s,.]+(?P<right>\w.*)$",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"^(?P<name>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*){0,2})(?:[,.!]+|\s(?=and\s))\s*(?:and )?(?P<rest>\S.*)$"
)
_NO_HEAD = re.compile(
    r"^(?:\w+ly|sorry|listen|look|hello|hi|please|today|tomorrow|tonight|anyway|also|so|but|because|what|oh|no|yes|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|the|a|an|my|our|i|it|he|she|we|they|you|this|that|there)\b",
    re.IGNORECASE,
)

LETTERS_ALIKE = {
    "ay": "A", "bee": "B", "be": "B", "see": "C", "sea": "C", "dee": "D", "he": "E", "ef": "F", "gee": "G",
    "eye": "I", "aye": "I", "jay": "J", "kay": "K", "el": "L", "ell": "L", "hell": "L", "em": "M", "en": "N",
    "and": "N", "end": "N", "hen": "N", "oh": "O", "pea": "P", "pee": "P", "queue": "Q", "cue": "Q", "are": "R",
    "ess": "S", "tea": "T", "tee": "T", "you": "U", "vee": "V", "ex": "X", "why": "Y", "zee": "Z", "zed": "Z",
}  # fmt: skip
"""Words that recognisers write for the names of letters, between other letters."""

_LETTER = r"(?<![\w'’])[A-Za-z](?![\w'’])"
_RUN = re.compile(rf"{_LETTER}(?:[\s.,–-]+{_LETTER})+[.]?")
_AS_IN = re.compile(
    r"(?<![\w'’])([A-Za-z])\.?,? (?:as in|as|for|like|like in) (?!as\b|in\b)[A-Za-z]{2,}", re.IGNORECASE
)
_DOUBLE = re.compile(r"\bdouble[ -]([A-Za-z])\b", re.IGNORECASE)
_DOUBLE_U = re.compile(r"\bdouble[ -](?:u|you)\b", re.IGNORECASE)
_BEFORE_LETTERS = re.compile(r"\b(?:is|it'?s|that'?s|spelled|spelt|name'?s)\W+|\w{2,}[.,]\s+", re.IGNORECASE)
_BEGUN = re.compile(
    r"\b(?P<first>[a-z])[a-z]{2,}[\s.,]+(?P<letters>(?P=first)[\s.,–-]+[a-z])[\s.,–-]*$", re.IGNORECASE
)
_SHORTEST_RUN = 3
_ALIKE = 0.5


def stated_name(text: str) -> str:
    """Find the name that a sentence states ("my name is Anna"); empty when it states none."""
    match = _STATED.search(text)
    if match is None:
        return ""
    # "I'm late" states no name: after these words a recogniser writes names with a capital letter.
    return match["name"].strip(" .") if _is_explicit(match) or match["name"][0].isupper() else ""


def names_itself(text: str) -> bool:
    """Whether a sentence says that a name comes: "my name is Anna", and not "I'm Anna"."""
    match = _STATED.search(text)
    return match is not None and _is_explicit(match)


def bare_name(text: str) -> str:
    """Take the words around a name away, where only a name was asked for: "Yes, it's Anna, um, Miller speaking."."""
    bare = _LEAD.sub("", without_hesitation(text)).strip(" ,.!?")
    said = [part.strip() for part in re.split(r"(?<=[.!?])\s+", bare) if plain(part)]
    if len(said) > 1 and plain(said[-1]).find(plain(said[0])) >= 0:  # "Miller. Anna Miller."
        bare = said[-1].strip(" ,.!?")
    return _AFTER_NAME.split(bare)[0].strip(" ,.") or bare


def without_wrong_name(text: str) -> str:
    """Take the name that is corrected in the same breath away: "Anna Berg. No, sorry, Hannah Berg."."""
    match = _CORRECTS.match(text)
    if match is None or len(plain(match["right"]).split()) > LONGEST_NAME:
        return text
    wrong, right = bare_name(match["wrong"]), match["right"].strip(" ,.!?")
    # "Anna Berg, sorry, Hannah" corrects the first name alone.
    return with_spelling(wrong, [right]) if len(right.split()) == 1 < len(wrong.split()) else right


def name_and_rest(text: str) -> tuple[str, str]:
    """Part a name that stands before a sentence from it: "Anna Berg, and I need a crown"; else empty and the text."""
    match = _HEAD.match(_LEAD.sub("", without_hesitation(text)))
    if match is None or _NO_HEAD.match(match["name"]):
        return "", text
    return match["name"], match["rest"]


def without_hesitation(text: str) -> str:
    """Leave out "um" and its kind."""
    return _HESITATION.sub("", text)


def spelled(text: str) -> tuple[list[str], str]:
    """Find what is spelled in a text: "M-I-double L-E-R" or "M as in Mike, I, ..." is Miller.

    Returns:
        The words that are spelled, and the text without them.
    """
    text = as_letters(_DOUBLE_U.sub("W", _AS_IN.sub(r"\1", text)))
    text = _DOUBLE.sub(r"\1 \1", text)
    words = []
    for run in _RUN.findall(text):
        letters = re.findall(r"[A-Za-z]", run)
        if len(letters) < _SHORTEST_RUN:
            continue
        # "J-O-H-N S-M-I-T-H" are two words.
        parts = re.split(r"(?<=[A-Za-z])\s+(?=[A-Za-z]-)", run) if "," not in run else [run]
        words += [written("".join(re.findall(r"[A-Za-z]", part))) for part in parts]
        text = text.replace(run, " ", 1)
    return words, text


def as_letters(text: str) -> str:
    """Write letters' names as letters where all else that is said is letters: "Oh, L, L, I, E." is O, L, L, I, E.

    Args:
        text: What the recogniser wrote; "it's" and its kind may be before the letters.
    """
    for start in (0, *(match.end() for match in _BEFORE_LETTERS.finditer(text))):
        words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text[start:])
        letters = [word if len(word) == 1 else LETTERS_ALIKE.get(word.lower(), "") for word in words]
        singles = sum(len(word) == 1 for word in words)
        mostly = len(letters) >= _SHORTEST_RUN and len(letters) / 2 <= singles < len(letters)
        if mostly and all(letters):
            return f"{text[:start]}{', '.join(letter.upper() for letter in letters)}."
    return text


def begun_spelling(text: str) -> tuple[str, str]:
    """Part a name from a spelling of it that has only begun: "It's Whelan. W, H," is "It's Whelan." and WH.

    Returns:
        The text and the letters; these are empty where a text ends with something else, such as initials.
    """
    match = _BEGUN.search(text)
    if match is None:
        return text, ""
    return text[: match.start("letters")].rstrip(), "".join(
        re.findall("[a-z]", match["letters"], re.I)
    ).upper()


def only_spelled(text: str) -> str:
    """The letters of a text that has nothing but letters in it; a name may be spelled in pieces."""
    words, rest = spelled(text)
    return "".join(words) if words and len(plain(rest).split()) <= 1 else ""


def with_spelling(name: str, words: list[str]) -> str:
    """Write a name the way it was spelled: "Anna Muller" and "Mueller" are Anna Mueller."""
    for word in words:
        parts = name.split()
        alike = [difflib.SequenceMatcher(None, part.lower(), word.lower()).ratio() for part in parts]
        if parts and max(alike) >= _ALIKE:
            parts[alike.index(max(alike))] = word
        else:
            parts.append(word)
        name = " ".join(parts)
    return name


def written(letters: str) -> str:
    """Write a name with a capital letter."""
    return letters[:1].upper() + letters[1:].lower()


def is_like(name: str, other: str) -> bool:
    """Whether two names are alike enough that one may be the other, corrected."""
    return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio() >= _ALIKE


def _is_explicit(match: re.Match[str]) -> bool:
    return "name" in match["lead"].lower()
