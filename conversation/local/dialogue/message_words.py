"""Words of a message that are said where its name or its number was asked for: they are kept, and it is asked again."""

from __future__ import annotations

import re

from conversation.language.answers import yes_or_no
from conversation.language.corrections import is_when
from conversation.language.names import names_itself
from conversation.language.repeats import repeats
from conversation.language.spoken_numbers import digits_alike
from conversation.language.utterance import Wish, begins_as_question, plain, wish_of
from conversation.local.dialogue.state import DialogueState
from conversation.local.wording import content_words

_FEWEST = 4
"""Words of the shortest sentence that is taken for one where a name was asked for."""

_FEWEST_KEPT = 3
"""Words of the shortest sentence that is kept as a part of the message without having been asked for."""

_VERB = re.compile(
    r"\b(?:i|im|id|ill|ive|we|weve|were|well|you|youre|he|she|they|theyre|it|its|there|theres|is|isnt|are|arent|was|"
    r"wasnt|has|have|havent|had|hasnt|do|dont|does|doesnt|did|didnt|can|cant|could|couldnt|would|wouldnt|should|must|"
    r"may not|wont|please|tell|ask|to|feels?|hurts?|needs?|wants?|came|comes?|fell|broke|called|calls|lost|"
    r"because|but)\b"
)
"""Words without which there is hardly a sentence, and which no name has."""

_OF_THE_TALK = re.compile(
    r"\b(?:(?:just |already )(?:told|said|gave|did)|(?:told|said) (?:you|that|it|so)|my name|your name|the name|"
    r"what do you|dont understand|(?:cant|dont) hear|hear me|listen|number)\b"
)
"""Words about what is being asked, and not for anybody else."""


_CALL_BACK = content_words(
    "call calling ring phone back again message messages leave someone somebody anybody as soon"
)
"""Words of a wish that was granted when the name was asked for."""


def is_sentence(text: str) -> bool:
    """Whether words that were said when a name was asked for are a sentence and no name.

    Args:
        text: What the recogniser wrote: also names look like one, as in "Will May" and "Georgia's Dana".
    """
    words = plain(text).split()
    if len(words) < _FEWEST or names_itself(text):
        return False
    # A name is written with capital letters, if anything is.
    written = [
        word
        for word in re.findall(r"[^\W\d_][\w'’]*", text)
        if not re.match(r"I\b", word) and not is_when(word.lower())
    ]
    small = [word for word in written if word[0].islower()]
    return bool(_VERB.search(" ".join(words))) and 2 * len(small) > len(written)


def is_written_as_name(text: str) -> bool:
    """Whether a few words are written with capital letters, as a recogniser writes names."""
    words = text.split()
    if text.rstrip().endswith("?") or not all(word.istitle() for word in words):
        return False
    return 1 < len(words) < _FEWEST or plain(text) in ("will", "may")


def says_something(text: str) -> bool:
    """Whether a sentence is something to pass on, though a name or a number was asked for."""
    said, rest = yes_or_no(text)
    text = rest if said is True else text
    words = plain(text)
    if len(words.split()) < _FEWEST_KEPT or said is False or not _VERB.search(words):
        return False
    if wish_of(text) not in (None, Wish.MESSAGE) or _OF_THE_TALK.search(words):
        return False
    if begins_as_question(text) and wish_of(text) is not Wish.MESSAGE and not words.startswith("i "):
        return False
    alike = digits_alike(text)
    return bool(content_words(text) - _CALL_BACK) and 2 * sum(map(bool, alike)) < len(alike)


def keep_words(state: DialogueState, text: str) -> DialogueState:
    """Add a sentence to what is to be passed on, unless it is there already."""
    text, so_far = _bare(text), state.draft.text
    if repeats(text, so_far):
        return state
    text = text[:1].upper() + text[1:]
    return state.with_draft(text=f"{so_far.rstrip(' .')}. {text}" if so_far else text)


def _bare(text: str) -> str:
    said, rest = yes_or_no(text)
    return rest.lstrip(" ,.") if said is True and plain(rest) else text.strip()
