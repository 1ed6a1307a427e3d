"""The name in a message: said, spelled, refused, or corrected while something else is asked for."""

from __future__ import annotations

import re

from conversation.language.names import (
    BEGUN,
    LONGEST_NAME,
    bare_name,
    begun_spelling,
    name_and_rest,
    names_itself,
    only_spelled,
    spelled,
    stated_name,
    with_spelling,
    without_hesitation,
    without_wrong_name,
    written,
)
from conversation.language.spoken_numbers import spoken_number
from conversation.language.utterance import (
    Utterance,
    Wish,
    begins_as_question,
    breaks_off,
    plain,
    wish_of,
    yes_or_no,
)
from conversation.local.dialogue.message_draft import TRIES, drop, next_question
from conversation.local.dialogue.message_number import FULL_NUMBER, with_number
from conversation.local.dialogue.message_words import (
    is_sentence,
    is_written_as_name,
    keep_words,
    says_something,
)
from conversation.local.dialogue.state import Decision, DialogueState, Reply, Script, Stage

_SHORT = 4

_SENTENCE = re.compile(
    r"(?:i|im|id|ill|ive|we|were|you|he|she|they|its|there|theres|this|that|thats|can|could|would|please|my|"
    r"to|for|about|because|tell|let|put|speak|talk|want|need|just|actually)\b"
)
"""Words (see `plain`) that sentences begin with and names do not."""

_NO_NAME_GIVEN = re.compile(
    r"\b(?:rather not (?:say|give|tell)|(?:dont|do not) (?:want|wish|like) to (?:say|give|tell)|anonym(?:ous(?:ly)?)?|"
    r"(?:doesnt|does not) matter|no name)\b"
)


def stated(text: str) -> str:
    """The name that a sentence states, as it is spelled in it."""
    letters, rest = spelled(text)
    name = stated_name(rest)
    return with_spelling(name, letters) if name else ""


def renamed(state: DialogueState, text: str) -> DialogueState | None:
    """Take a name that is corrected, or spelled on, where something else was asked for."""
    name, letters = state.draft.caller_name, only_spelled(text)
    if letters:
        so_far = state.draft.spelling
        if so_far and so_far in name.split():  # spelled in pieces
            longer = written(so_far + letters)
            return state.with_draft(caller_name=name.replace(so_far, longer), spelling=longer)
        if len(so_far) == BEGUN:  # only begun when the name was asked for
            letters = written(so_far + letters)
        return state.with_draft(caller_name=with_spelling(name, [letters]), spelling=letters)
    if names_itself(text) and (said := stated(text)):
        return state.with_draft(caller_name=said)
    return None


def answered_name(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take the answer to the question for the name."""
    letters, rest = spelled(utterance.text)
    rest, begun = (rest, "") if letters else begun_spelling(rest)
    # A name is often said, and written, as if it were asked: "Anna Miller?"
    text = without_wrong_name(without_hesitation(rest)).rstrip(" ?!")
    if _NO_NAME_GIVEN.search(plain(text)):
        return next_question(state.with_draft(caller_name="unknown"), script)
    name, wish = stated_name(text), wish_of(text)
    if not name and not letters:
        if yes_or_no(text)[0] is False and len(plain(text).split()) <= _SHORT:
            return drop(state, script)
        asks = begins_as_question(text) and not is_written_as_name(utterance.text)  # "Will May."
        if (
            not text
            or (asks and wish is not Wish.MESSAGE)
            or wish not in (None, Wish.FILLER, Wish.YES, Wish.MESSAGE)
        ):
            return None
    bare = bare_name(text)
    if not name and bare and wish is not Wish.FILLER and wish_of(bare) not in (Wish.FILLER, Wish.YES):
        name = bare
    first, more = name_and_rest(text)
    if first and not stated_name(text) and is_sentence(text) and is_sentence(f"so {more}"):
        name, text = first, more
        state = keep_words(state, more) if says_something(more) else state
    elif stated_name(text) and (after := text.partition(name)[2]) and says_something(after):
        state = keep_words(state, after.lstrip(" ,.").removeprefix("and "))
    no_name = bool(_SENTENCE.match(plain(name))) or (
        wish is Wish.MESSAGE and not stated_name(text) and name != first
    )
    no_name = no_name or (not stated_name(text) and name != first and is_sentence(text))
    if no_name or len(name.split()) > LONGEST_NAME:  # the message itself, perhaps
        state = keep_words(state, text) if says_something(text) and not letters else state
        name = ""
    if not name and not letters:
        if state.misunderstood + 1 >= TRIES:
            return next_question(state.with_draft(caller_name="unknown"), script)
        again = state.at(Stage.MESSAGE_NAME, misunderstood=state.misunderstood + 1)
        return again, Reply(script.line("message_name"), hesitant=breaks_off(utterance.text))
    name = with_spelling(name, letters)
    found = state.with_draft(caller_name=name[:1].upper() + name[1:], spelling="".join(letters[-1:]) or begun)
    digits = spoken_number(text)
    if len(digits) >= FULL_NUMBER:
        return with_number(found, digits, script)
    return next_question(found, script)
