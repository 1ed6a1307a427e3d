"""What a caller said or keyed in, taken apart: keys, sentences and questions.

Yes and no are in `conversation.language.answers`, wishes in plain words in `conversation.language.wishes`. Only
explicit words are decided here. What they do not decide is left to the meaning: see `conversation.local.retrieval`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conversation.language.answers import strong_yes, will_come, yes_or_no
from conversation.language.wishes import Wish, wish_of
from conversation.language.words import plain

__all__ = [
    "Utterance",
    "Wish",
    "begins_as_question",
    "breaks_off",
    "clauses",
    "is_question",
    "plain",
    "says_goodbye",
    "strong_yes",
    "will_come",
    "wish_of",
    "yes_or_no",
]

LONGEST_TEXT = 2000
"""Characters of one turn that are kept: two minutes of speech."""

_KEYS = re.compile(r"DTMF:\s*([0-9*#]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Utterance:
    """One turn of the caller.

    Attributes:
        text: What was said, as the recogniser wrote it.
        keys: What was keyed in: digits, `*` and `#`.
    """

    text: str = ""
    keys: str = ""

    @classmethod
    def parse(cls, content: str) -> Utterance:
        """Take a user message apart; keys arrive in it as "DTMF: 123#"."""
        keys = "".join(_KEYS.findall(content))
        return cls(text=" ".join(_KEYS.sub(" ", content).split())[:LONGEST_TEXT], keys=keys)

    @property
    def digits(self) -> str:
        """The keyed digits without `*` and `#`."""
        return re.sub(r"[^0-9]", "", self.keys)


_QUESTION = re.compile(
    r"^(?:(?:and|but|so|also|well|ok|okay|hi|hello|hey|i said|i asked|i mean) )*"
    r"(?:what|whats|where|wheres|when|whens|who|whos|whose|which|"
    r"why|how|hows|do|does|did|is|are|am|was|can|could|would|will|should|may|have you|has|tell me|id like|"
    r"i would like|i need|i want|i have to|i am looking|im looking)\b"
)

_CLAUSES = re.compile(
    r"(?<=[.?!;])(?<!\bdr\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bms\.)(?<!\bst\.)\s+|"
    # A question that ends in "it" is about what stands before it.
    r",\s+(?![^.?!]*\b(?:it|that|this|them|those|one)[.?!]*$)"
    r"(?=(?:(?:good)?bye|what|where|when|how|who|which|why|do (?:you|i|we)|does|did you|"
    r"are (?:you|there)|is (?:there|it|that|this|the|your|my)|(?:can|could|may|should|would|will) (?:i|we|you))\b)|"
    r",?\s(?:and|also|then|but)\s(?:also\s)?(?=(?:what|where|when|how|who|which|do you|does|is|are|can|could|i need|"
    r"i want|i would|i'd like)\b)",
    re.IGNORECASE,
)


_BREAKS_OFF = re.compile(
    r"(?:.* )?(?:an?|the|to|of|for|with|and|or|but|because|if|than|my|your|our|his|their|is|are|am|was|were|im|id|ill|"
    r"ive|youre|its|whats|wheres|i|we|wanna|gonna|looking for|calling about|wondering|uh+|u+m+|e+r+m?|would like|"
    r"id like|(?<!all )(?<!everything )(?<!what )(?<!that )(?:i|we)(?: just)? (?:need|want|would|will)|"
    r"(?:do|can|could|would|will|should|are|have|if|that|when|and|but|because|what|where) (?:you|they|he|she|there)|"
    r"question (?:about|on|regarding))|well|so|hello|hi|hey"
)
"""Last words after which, in English, more must come. A question is whole with them ("Where are you?")."""


_ENDS = re.compile(
    r"(?:.* )?(?:what|where|who|how|when|which one) (?:you|they|we|it|he|she|that|this)(?: all)? (?:is|are|was|were)"
)
"""With these words a sentence is whole, though the last of them is one after which more often comes."""


_OPENS = re.compile(
    r"(?:(?:hi|hello|hey|yes|ok|okay|so|well|um|uh|please|sorry|excuse me|good (?:morning|afternoon|evening)) )*"
    r"(?:(?:can|could|would) you (?:please )?tell me|tell me|do you know|"
    r"(?:i have|i had|ive got) (?:a|one|another) question|"
    r"i (?:want|wanted|would like) to (?:ask|know)(?: you)?|id like to (?:ask|know)|i was (?:just )?wondering|"
    r"i(?:m| am) calling(?: to ask)?|one (?:more )?question)"
)
"""Words that only announce what follows, whatever melody they have."""


_NOT_A_QUESTION = re.compile(
    r"(?:.* )?(?:an?|the|and|or|but|because|my|your|our|their|uh+|u+m+|e+r+m?)|"
    r"(?:(?:hi|hello|so|well|and|okay|ok|um|uh|sorry) )*(?:could|can|would|will|do|does|did|are|is|may|should) "
    r"(?:you|i|we|it|there)"
)
"""Words with which no question is whole, though a voice that rises before a pause makes a recogniser write one."""


def breaks_off(text: str) -> bool:
    """Whether words stop in the middle of a sentence.

    Args:
        text: As the recogniser wrote it.
    """
    text = text.strip()
    if text.endswith((",", "-", "…", "...")):
        return True
    words = plain(text)
    ends = not text.endswith("?") and bool(_BREAKS_OFF.fullmatch(words)) and not _ENDS.fullmatch(words)
    return ends or bool(_OPENS.fullmatch(words) or _NOT_A_QUESTION.fullmatch(words))


def clauses(text: str) -> list[str]:
    """Cut an utterance into the sentences and questions that it is made of, not where only a pause was."""
    parts: list[str] = []
    for part in (part.strip() for part in _CLAUSES.split(text) if part and plain(part)):
        if parts and breaks_off(parts[-1]):
            parts[-1] = f"{parts[-1].rstrip(' .?!,;…-')} {part}"
        else:
            parts.append(part)
    return parts


def is_question(text: str) -> bool:
    """Say whether a sentence asks for something."""
    return text.rstrip().endswith("?") or begins_as_question(text)


def begins_as_question(text: str) -> bool:
    """Say whether a sentence has the words of a question; the mark may be the recogniser's guess from the melody."""
    return bool(_QUESTION.match(plain(text)))


def says_goodbye(text: str) -> bool:
    """Say whether a sentence is, or ends with, a goodbye."""
    return any(wish_of(part) is Wish.GOODBYE for part in [text, *clauses(text)])
