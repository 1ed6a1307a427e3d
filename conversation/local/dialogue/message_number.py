"""The number in a message: the caller's own, in one piece or in several, keyed in, corrected or refused."""

from __future__ import annotations

import re
from dataclasses import replace

from conversation.language.corrections import corrected_number, starts_again
from conversation.language.spoken_numbers import (
    Fit,
    dictated_number,
    fit,
    has_other_words,
    only_number,
    say_digits,
    spoken_number,
    without_stammer,
)
from conversation.language.utterance import Utterance, Wish, is_question, plain, wish_of, yes_or_no
from conversation.local.dialogue.message_draft import TRIES, keyed_answer, next_question, unclear
from conversation.local.dialogue.message_words import keep_words, says_something
from conversation.local.dialogue.state import Decision, DialogueState, Reply, Script, Stage

_PIECE = 3
"""Digits that are the beginning of a number where none was asked for."""

FULL_NUMBER = 7
"""Digits from which a number is taken to be complete; the shortest that can be called from elsewhere."""

_NO_NUMBER = re.compile(
    r"\b(?:no number|dont have|do not have|dont know|do not know|no idea|cant remember|rather not|"
    r"(?:they|you)(?: already)?(?: have|ve got) (?:it|my number)|on (?:file|record)|skip|not necessary|no need)\b"
)
_THIS_NUMBER = re.compile(
    r"\b(?:this (?:number|one)|(?:the )?same (?:number|one)|this is (?:fine|good|my number|the right number)|"
    r"call me here|(?:number|one) (?:that )?i(?:m| am) (?:calling|on|using|phoning)|my (?:own|current) number|"
    r"where im calling from|you (?:can|may)|they (?:can|may))\b|"
    r"^(?:please )?(?:call|ring|phone) me(?: back)?(?: please)?$"
)


_FINE = re.compile(
    r"\b(?:that|this|it|here|phone|line|cell|mobile|one)(?:s|ll| is| will| would| should)? (?:be |just |all |the )*"
    r"(?:fine|good|ok|okay|great|perfect|best|right|works?|do|correct|alright|easiest|better)\b|"
    r"\bbest (?:number|one|way|phone)\b|^(?:yes )?(?:please )?use (?:this|that|it|the same)\b|"
    r"^(?:works|good|great) for me\b|"
    r"^(?:call|reach|ring|phone|try) (?:me )?(?:back )?(?:on |at )?(?:this|that|the same|here)\b"
)
"""What agrees to be called on a number without a yes."""

_NO_CALL = re.compile(
    r"\b(?:no need|(?:dont|do not|doesnt|wont) (?:need|have|want)) (?:to |a |any |them to |you to |anybody to )*call\b|"
    r"\b(?:dont|do not|no) call(?:ing)?(?: me)? back\b|\bno call ?back\b"
)
_LONG = 4
"""Words of the shortest sentence that is no answer to whether a number will do."""


def answered_known_number(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take the answer to the question whether the number of the call will do."""
    digits = utterance.digits if len(utterance.digits) > 1 else dictated_number(utterance.text)
    if len(digits) >= FULL_NUMBER or (len(digits) >= _PIECE and yes_or_no(utterance.text)[0] is not True):
        return answered_number(state.at(Stage.MESSAGE_NUMBER), utterance, script)
    said = keyed_answer(utterance)
    words = "" if utterance.keys else plain(utterance.text)
    if _NO_CALL.search(words):
        return next_question(state.with_draft(number="", number_done=True), script)
    if said is None and _FINE.search(words):
        said = True
    about_else = len(words.split()) >= _LONG and not _THIS_NUMBER.search(words)
    if said is None and about_else and says_something(utterance.text):
        return _keep(state, utterance.text, script, script.line("message_number_known"))
    if said is not False and _THIS_NUMBER.search(plain(utterance.text)):
        said = True
    if said is False:
        return state.at(Stage.MESSAGE_NUMBER), Reply(script.line("message_number"))
    if said is True or state.misunderstood + 1 >= TRIES:  # it is known anyway, and read back
        return next_question(state.with_draft(number=script.caller_number, number_done=True), script)
    return unclear(state, script)


def answered_number(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take a number or a piece of one."""
    words, so_far = plain(utterance.text), state.draft.number
    if not utterance.keys and so_far and (changed := _changed(so_far, utterance.text)) is not None:
        if len(changed) >= FULL_NUMBER:
            return with_number(state, changed, script)
        return _ask_on(state, changed, script)
    digits = utterance.digits or dictated_number(utterance.text, goes_on=bool(so_far))
    if script.caller_number and not utterance.keys and len(digits) < _PIECE and _THIS_NUMBER.search(words):
        return next_question(state.with_draft(number=script.caller_number, number_done=True), script)
    full = len(digits) >= FULL_NUMBER
    if not utterance.keys and not full and not _NO_NUMBER.search(words) and has_other_words(utterance.text):
        if says_something(utterance.text):
            return _keep(state, utterance.text, script, asked_number(state, script))
        digits = ""
    whole = digits.startswith("+") or len(utterance.digits) >= FULL_NUMBER  # it is begun again
    if so_far and full and fit(so_far + digits, script.region) is Fit.NO:
        whole = whole or fit(digits, script.region) is Fit.YES
    number = digits if whole else so_far + digits
    wish = wish_of(utterance.text)
    if wish is Wish.YES and not digits and so_far and not state.misunderstood:
        if fit(so_far, script.region) is Fit.TOO_SHORT:  # a yes to what is there so far
            asked, reply = _ask_on(state, so_far, script)
            return replace(asked, misunderstood=1), reply
    finished = "#" in utterance.keys or (not digits and wish in (Wish.CLOSING, Wish.YES))
    if len(number) >= FULL_NUMBER and (digits or finished):
        return with_number(state, number, script)
    if finished and len(number) >= _PIECE:  # an extension, perhaps
        return next_question(state.with_draft(number=number, number_done=True), script)
    if digits:
        return _ask_on(state, number, script)
    if _NO_NUMBER.search(words) or wish_of(utterance.text) is Wish.NO:
        return next_question(state.with_draft(number="", number_done=True), script)
    if is_question(utterance.text) and "number" not in words:
        return None
    if state.misunderstood + 1 >= TRIES:  # some voices are not heard well
        return next_question(state.with_draft(number="", number_done=True), script)
    again = state.at(Stage.MESSAGE_NUMBER, misunderstood=state.misunderstood + 1)
    return again, Reply(asked_number(again, script))


def more_of_the_number(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take digits that are said after a number that seemed complete; None when these are no more of it."""
    number, digits = state.draft.number, only_number(utterance.text)
    if not digits or not number or number == script.caller_number:
        return None
    for longer in (number + digits, digits):
        if len(longer) >= FULL_NUMBER and fit(longer, script.region) is Fit.YES:
            return with_number(state, longer, script)
    return None


def with_number(state: DialogueState, number: str, script: Script) -> Decision:
    """Take a number if it can be one; ask again if it cannot, and for the rest if some of it is missing."""
    match fit(number, script.region):
        case Fit.YES:
            asked, reply = next_question(state.with_draft(number=number, number_done=True), script)
            return asked, replace(reply, hesitant=True)  # the rest of it may follow after a breath
        case Fit.NO if (shorter := without_stammer(number, script.region)) != number:
            return with_number(state, shorter, script)
        case Fit.TOO_SHORT if not state.draft.number or state.draft.number != number:
            return _ask_on(state, number, script)
    wrong = state.with_draft(number="", number_done=False).at(
        Stage.MESSAGE_NUMBER, misunderstood=state.misunderstood + 1
    )
    if wrong.misunderstood >= TRIES:
        return next_question(wrong.with_draft(number_done=True), script)
    return wrong, Reply(script.line("message_number_wrong"))


def asked_number(state: DialogueState, script: Script) -> str:
    """The question for a number that was asked last: for all of it, or for the rest."""
    if number := state.draft.number:
        return script.line("message_number_more", number=say_digits(number))
    return script.line("message_number")


def _keep(state: DialogueState, text: str, script: Script, question: str) -> Decision:
    """Keep what was said of the message where its number was asked for, and ask for that again."""
    if state.misunderstood + 1 >= TRIES:
        number = script.caller_number if state.stage is Stage.MESSAGE_NUMBER_KNOWN else ""
        state = state.with_draft(number=number, number_done=True)
        return next_question(keep_words(state, text), script)
    again = keep_words(state, text).at(state.stage, misunderstood=state.misunderstood + 1)
    return again, Reply(question, hesitant=True)


def _ask_on(state: DialogueState, number: str, script: Script) -> Decision:
    asked = state.with_draft(number=number).at(Stage.MESSAGE_NUMBER)
    return asked, Reply(asked_number(asked, script), hesitant=True)


def _changed(number: str, text: str) -> str | None:
    """Correct the digits so far: "no, five not nine", "no, five five five", "sorry, start again"; else None."""
    digits = spoken_number(text)
    if starts_again(text):
        return digits
    if (changed := corrected_number(number, text)) is not None:
        return changed
    if yes_or_no(text)[0] is False and digits:
        return digits if len(digits) >= min(len(number), FULL_NUMBER) else number[: -len(digits)] + digits
    return None
