"""Answers to a question: yes, no, or whether somebody will come."""

from __future__ import annotations

import re

from conversation.language.words import plain

_HESITATION = r"^(?:(?:um+|uh+|oh|ah|well|so|okay so|actually) )*"
_YES = re.compile(
    rf"{_HESITATION}(?:yes|yeah|yep|yup|ya|yea|sure|correct|exactly|absolutely|definitely|certainly|of course|"
    r"please do|go ahead|thats (?:right|correct)|that is (?:right|correct)|uh huh|mh+m+|m+ ?h+m+|"
    r"(?:that would|thatd) be (?:great|good|nice|lovely)|sounds good|i would like that|id like that|"
    r"(?:now )?(?:its|it is|thats|that is|everythings|everything is) (?:all )?(?:right|correct)(?: now)?$|"
    r"by all means|no (?:problem|worries)|indeed|lets do (?:it|that)|i (?:think|guess) so)\b(?! (?:not\b|no$|no thank))"
)
# These begin other sentences too: "please tell them ..." is no yes.
_WEAK_YES = re.compile(
    rf"{_HESITATION}(?:right|please|ok|okay|alright|all right|thats (?:fine|it|good|great)|it is|i am|i do|fine|"
    r"perfect|great|good(?! ?(?:bye?|buy|night|day|morning|afternoon|evening)\b)|i would)\b"
    r"(?! (?:call|tell|have|ask|let|give|say|ring|phone|send|could|can|dont|do|make|take|leave|put|pass|get)\b)"
)
_WEAK_YES_WORDS = 3
NO = re.compile(
    rf"{_HESITATION}(?:(?:okay|sorry|hm+|thanks|thank you|thanks but|yeah|please|absolutely|definitely|certainly|"
    r"of course|sure|better|lets|im afraid) )?(?:no(?! (?:problem|worries|trouble)\b)|nope|nah|(?:its )?not$|uh uh|"
    r"not (?:really|now|right|correct|quite|today|yet|necessary|exactly|at all)|negative|maybe later|dont|do not|"
    r"(?:thats|that is) (?:not|wrong|incorrect)|wrong|incorrect|never ?mind|nothing|"
    r"id rather not|i would rather not|i dont|i do not|it isnt|it is not|rather not)\b"
)


def yes_or_no(text: str) -> tuple[bool | None, str]:
    """Read an answer to a question.

    Returns:
        True, False, or None when it is neither; and the words after it ("no, the number" leaves "the number").
    """
    words = plain(text)
    short = len(words.split()) <= _WEAK_YES_WORDS
    for answer, pattern in ((False, NO), (True, _YES), (True, _WEAK_YES if short else None)):
        if pattern and (match := pattern.match(words)):
            return answer, _after(text, len(match.group().split()))
    return None, text


def _after(text: str, count: int) -> str:
    """Cut as many words (see `plain`) off the beginning of a text; "Uh-huh" are two."""
    written = text.split()
    while written and count > 0:
        count -= len(plain(written.pop(0)).split())
    return " ".join(written)


def strong_yes(text: str) -> bool:
    """Say whether a sentence begins with a yes that can be nothing else; "okay" can also end a call."""
    return bool(_YES.match(plain(text)))


_NAMES_SELF = re.compile(
    r"(?:(?:hello|hi|hey|yes|yeah|yep|oh|good (?:morning|afternoon|evening)|speaking) )*"
    r"(?:(?:this is|thats|its|it is|im|i am)(?! (?:fine|good|great|okay|ok|perfect|correct|right|not|coming|sorry|away|"
    r"busy|afraid|going|happy|a|an|the|it|in|on|at|no|so|too|my|that|what|how|ridiculous|nonsense)\b)"
    r"(?: (?!(?:about|from|calling|why|what|who|where)\b)\w+){1,3}|"
    r"(?!(?:im|i|is|not|nobody|he|she|they|hes|shes|its|no|are|am|whos?)\b)\w+(?: (?!not\b|isnt\b|is\b)\w+)? "
    r"(?:here|speaking)|speaking)(?: (?:here|speaking|now))?"
)


def names_self(text: str) -> bool:
    """Say whether somebody only says who they are, as one does on coming to the telephone."""
    words = plain(text)
    return bool(_NAMES_SELF.fullmatch(words)) and not _COMES.search(words)


_COMES = re.compile(
    r"\b(?:ill (?:be|come)|i (?:can|will)(?: (?:be|come|make))?|see you (?:then|there|on|tomorrow|at)|"
    r"confirm|confirmed|im coming|that works|works for me)\b"
)
_DOES_NOT_COME = re.compile(
    r"\b(?:cant|cannot|can not|wont|will not|unable|not able|not coming|reschedule|cancel|"
    r"(?:an)?other (?:day|time|date)|move (?:it|my|the)|change (?:it|my|the)|postpone)\b"
)


_ABOUT_COMING = re.compile(r"\b(?:come|coming|be there|make it|attend|confirm(?:ed)?|reschedule|postpone)\b")


def says_whether_coming(text: str) -> bool:
    """Say whether words can be nothing but an answer to "Can you come?"."""
    return will_come(text) is not None and bool(_ABOUT_COMING.search(plain(text)))


def will_come(text: str) -> bool | None:
    """Read an answer to "Can you come?" that does not need a yes or a no; None when there is none."""
    words = plain(text)
    if _DOES_NOT_COME.search(words):
        return False
    return True if _COMES.search(words) else None
