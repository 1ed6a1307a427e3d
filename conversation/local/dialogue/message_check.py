"""The words of a message, and what is said when it has been read back: a yes, a correction, or more of it."""

from __future__ import annotations

import re
from dataclasses import replace

from conversation.language.corrections import (
    corrected_number,
    corrected_words,
    is_when,
    says_when,
    starts_again,
)
from conversation.language.names import LONGEST_NAME, bare_name, is_like, only_spelled, with_spelling
from conversation.language.repeats import repeats, telling
from conversation.language.spoken_numbers import spoken_number
from conversation.language.utterance import (
    Utterance,
    Wish,
    begins_as_question,
    clauses,
    is_question,
    plain,
    says_goodbye,
    wish_of,
    yes_or_no,
)
from conversation.local.dialogue.message_draft import (
    TRIES,
    drop,
    keyed_answer,
    next_question,
    send,
    sentence,
    unclear,
    words_of,
)
from conversation.local.dialogue.message_name import renamed, stated
from conversation.local.dialogue.message_number import FULL_NUMBER, more_of_the_number, with_number
from conversation.local.dialogue.state import Decision, DialogueState, Draft, Reply, Script, Stage

_SHORT = 4
_LONE_YES = 2
"""So few words of which one is "right" or "correct" confirm, whatever the other was before it was misheard."""

_MISHEARD_YES = re.compile(r"\w+|(?:right|correct) (?!them|my|name|number)\w+")
"""What a word more behind a yes is: of "Yes, correct." a recogniser makes "Yes, correct her."."""

_WRONG = re.compile(r"\b(?:wrong|change|not (?:quite )?right|isnt right|incorrect|mistake)\b")
_ONLY_POLITE = frozenset(("please", "thanks", "thank you", "please do", "of course"))
_ADDS_NOTHING = re.compile(
    r"(?:(?:please|thanks|thank you|very much|so much|yes|yeah|yep|sure|right|correct|exactly|perfect|great|good|fine|"
    r"okay|ok|is it|its|it|is|thats|that|this|all|sounds|looks|do|send|pass|on|for now|absolutely|definitely|you|got|"
    r"are|and|now|everything|the|message|looking|it|up|then|indeed|alright|cool|no changes|exact|"
    r"exactly|quite|just|so|yup|mhm|uh huh|for me|to me|will|would|be|awesome|wonderful|lovely|cheers|sir|maam|"
    r"but|thus|thats all|go|ahead|by me|have|i|guess|think|believe|suppose|what i said|what i want|what i wanted|"
    r"what i mean|what i meant|to them|along|off|needed|changes|everythings)(?: |$))*+"
)
_CONFIRMS = re.compile(
    r"^(?:(?:oh|yeah|and|that|it|this|everything|all) )*(?:sounds?|looks?|is|seems) (?:about |all )?(?:right|good|fine|"
    r"great|perfect|correct|okay|ok)\b|^(?:all|everything) (?:good|right|correct|fine)\b|^you(?:ve)? got (?:it|that)\b|"
    r"^(?:(?:oh|yeah|and|i|guess|think|believe|suppose|so) )*(?:thats|its|everythings|that is|it is|this is) "
    r"(?:all |about |exactly |absolutely |just |quite )?(?:right|good|fine|great|perfect|correct|okay|ok|lovely|"
    r"wonderful|what i (?:said|want|wanted|mean|meant))\b|^you have (?:it|that|everything) right\b|"
    r"^exactly\b|^spot on\b|^(?:\w+ )?(?:correct|right)(?: (?:sir|maam|thanks|thank you))?$|"
    r"^thats (?:the one|the message|it)\b"
)
"""A plain confirmation in other words than yes."""
_THANKS = re.compile(r"\b(?:thanks|thank you|ok|okay|great|perfect|good|cheers|alright)\b")
_KEEPS = re.compile(
    r"^(?:no )?(?:nothing|its (?:fine|right|ok|okay|all right|correct)|all (?:good|right)|leave it|keep it)\b"
)
_VERB_FIRST = re.compile(r"^(?:its|it|im|ill|i|hes|shes|theyre|were|dont|do|call|for|in|at|from)\b")
"""Words of which two say something: "Yes, it's urgent", "Yes, for Anna"."""

_NO_CHANGE = re.compile(
    r"^no (?:more |other |further )?(?:changes?|corrections?|mistakes?)\b|"
    r"^nothing (?:wrong|to (?:change|correct|add))\b"
)
_RATHER = re.compile(
    r"^(?:(?:oh|um|uh|well|wait|sorry) )*(?:actually|rather|make (?:it|that)|i meant?|better)\b"
)

_IT_IS = re.compile(r"^(?:its|it is|thats|i said|i mean|i meant) ")
_MORE = re.compile(r"^(?:and|also|plus|oh and|one more thing|but|please also|as well)\b")


def answered_text(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take the words that are to be passed on."""
    if decision := more_of_the_number(state, utterance, script):
        return decision
    text = utterance.text.strip()
    wish = wish_of(text)
    if wish in (Wish.REPEAT, Wish.GOODBYE) and len(text.split()) <= 6:
        return None
    said, rest = yes_or_no(text)
    if said is True:  # "Yes, please call me."
        text = rest.strip(" ,.") and rest
        wish = wish_of(text)
    if not plain(text) or plain(text) in _ONLY_POLITE or wish in (Wish.FILLER, Wish.YES, Wish.HOLD_ON):
        return state, Reply(script.line("go_on"), hesitant=True)
    text = text[:1].upper() + text[1:]
    asked, reply = next_question(state.with_draft(text=text), script)
    # Who dictates takes breaths; the read-back does not come into one.
    return asked, replace(reply, hesitant=True)


def answered_read_back(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Send the message on a yes only. What else is said belongs to it, and is read back with it."""
    text = utterance.text.strip()
    said, rest = keyed_answer(utterance), yes_or_no(text)[1].lstrip(" ,.")
    if utterance.digits:
        rest = text
    elif _NO_CHANGE.match(plain(text)):
        said, rest = True, ""
    if says_goodbye(text) and state.draft.agreed and _ends(text):
        return send(state.with_draft(text=state.draft.agreed, then_end=True), script)
    if said is False and says_goodbye(text):
        return state.at(Stage.OPEN, draft=Draft()), script.goodbye(script.line("message_dropped"))
    if said is None and says_goodbye(text) and _THANKS.search(plain(text)):
        return send(state.with_draft(then_end=True), script)  # "Okay, thanks, bye."
    if not utterance.keys and (
        said is False or (rest and _WRONG.search(plain(text))) or _is_correction(state, text)
    ):
        state = state.with_draft(agreed="")
        return answered_what_is_wrong(state, Utterance(rest if said is False else text), script)
    if utterance.digits and said is False:
        return answered_what_is_wrong(state, Utterance(), script)
    if said is True:
        if says_goodbye(rest) and len(plain(rest).split()) <= _SHORT:
            return send(state.with_draft(then_end=True), script)
        if utterance.digits:
            return send(state, script)
        if _ADDS_NOTHING.fullmatch(plain(rest)) or _MISHEARD_YES.fullmatch(plain(rest)):
            state, reply = send(state, script)
            return state, replace(
                reply, hesitant=not plain(rest)
            )  # "Yes." and, after a breath, "That's right."
        text = _without_yes(rest)
        if not text or _is_read_back(text, state.draft):
            return send(state, script)
        if changed := corrected_words(state.draft.text, text):  # "Yes, the fifth."
            return next_question(state.with_draft(text=changed, agreed=changed), script)
        return _added(state, text, script, agreed=state.draft.agreed or state.draft.text)
    elif _CONFIRMS.search(plain(text)) and (
        _ADDS_NOTHING.fullmatch(plain(text)) or len(plain(text).split()) <= _LONE_YES
    ):
        return send(state, script)
    elif wish_of(text) is Wish.CLOSING and len(plain(text).split()) <= _SHORT:
        return send(state, script)  # "That was everything."
    elif name := _other_name(text, state.draft.caller_name):
        return next_question(state.with_draft(caller_name=name), script)
    elif starts_again(text) and len(plain(text).split()) <= _SHORT:
        return next_question(state.with_draft(text="", agreed=""), script)
    elif (repeats(text, words_of(state.draft)) and not stated(text)) or wish_of(text) is Wish.CLOSING:
        return unclear(state, script)
    return _added(state, text, script)


def answered_what_is_wrong(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Correct what the caller says is wrong, and read the message back again; ask when it is not clear."""
    text, words, draft = utterance.text, plain(utterance.text), state.draft
    if corrected := _corrected(state, text, script):
        return corrected
    if re.search(r"\bname\b", words):
        return next_question(state.with_draft(caller_name="", spelling=""), script)
    if re.search(r"\b(?:number|phone|digits?)\b", words) or (spoken_number(text) and draft.number):
        asked = state.with_draft(number="", number_done=False).at(Stage.MESSAGE_NUMBER)
        return asked, Reply(script.line("message_number"))
    if re.search(r"\b(?:message|text|words|rest)\b", words):
        return next_question(state.with_draft(text=""), script)
    if state.stage is Stage.MESSAGE_CORRECT:
        name = bare_name(text)
        if name and len(name.split()) <= LONGEST_NAME and is_like(name, draft.caller_name):
            return next_question(state.with_draft(caller_name=name[:1].upper() + name[1:]), script)
        if _KEEPS.search(words) or keyed_answer(utterance) is True:
            return next_question(state, script)
    if state.misunderstood + 1 >= TRIES:
        return unclear(state, script)
    again = state.at(
        Stage.MESSAGE_CORRECT, misunderstood=state.misunderstood + (state.stage is Stage.MESSAGE_CORRECT)
    )
    return again, Reply(script.line("message_correct"))


def answered_try_again(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take the answer to the question whether a message that was not kept is to be tried again."""
    said = keyed_answer(utterance)
    if said is True:
        return send(state, script)
    if said is False:
        return drop(state, script)
    return unclear(state, script)


def _says_too_little(text: str) -> bool:
    """Whether a few words without a verb, one of which tells something, were rather a yes or a no that was misheard."""
    words = plain(text)
    return (
        len(words.split()) < _SHORT
        and len(telling(text)) <= 1
        and not (_MORE.match(words) or _VERB_FIRST.match(words) or any(map(is_when, telling(text))))
    )


def _other_name(text: str, name: str) -> str:
    """The name that is nearly the one which was read back, where nothing else is said; else empty."""
    other = bare_name(text)
    alone = other.istitle() and len(other.split()) == len(plain(text).split()) <= len(name.split())
    return other if alone and other != name and is_like(other, name) else ""


def _ends(text: str) -> bool:
    """Whether somebody who says goodbye wants nothing else: "No, that was it, bye." is no "No"."""
    return yes_or_no(text)[0] is not False or any(wish_of(part) is Wish.CLOSING for part in clauses(text))


def _without_yes(text: str) -> str:
    """Leave out the sentences that only confirm: "That is right. Anna can't come." is "Anna can't come."."""
    parts = re.split(r"(?<=[.!?;])\s+", text)
    while parts and _ADDS_NOTHING.fullmatch(plain(parts[0])):
        parts.pop(0)
    return " ".join(parts)


def _is_read_back(text: str, draft: Draft) -> bool:
    """Whether words behind a yes only say again what was read back; a word that is nowhere in it was misheard."""
    if repeats(text, words_of(draft)):
        return True
    words = telling(text)
    alone = len(plain(text).split()) <= _LONE_YES and len(words) == 1 and not _MORE.match(plain(text))
    return alone and not is_when(words[0]) and not _VERB_FIRST.match(plain(text))


def _is_correction(state: DialogueState, text: str) -> bool:
    """Whether words without a no correct what was read back: "Joanna, not Joan"."""
    draft = state.draft
    if draft.number and corrected_number(draft.number, text) is not None:
        return True
    if _RATHER.match(plain(text)) and corrected_words(draft.text, text):  # "Actually, make that Thursday."
        return True
    says_not = re.search(r"\b(?:not|instead of|rather than)\b", plain(text))
    return bool(says_not and (corrected_words(draft.caller_name, text) or corrected_words(draft.text, text)))


def _corrected(state: DialogueState, text: str, script: Script) -> Decision | None:
    """Correct the part of the message that the caller's words name, or that has what they say is wrong."""
    draft = state.draft
    if only_spelled(text) and (changed := renamed(state, text)):
        return next_question(changed, script)
    if name := corrected_words(draft.caller_name, text):
        return next_question(state.with_draft(caller_name=name), script)
    if name := stated(text):
        return next_question(state.with_draft(caller_name=name), script)
    if letters := only_spelled(re.sub(r"(?i)\b(?:the|my|name|is|spelled|its|it's|that's)\b", " ", text)):
        return next_question(
            state.with_draft(caller_name=with_spelling(draft.caller_name, [letters])), script
        )
    if len(digits := spoken_number(text)) >= FULL_NUMBER:
        return with_number(state.with_draft(number=""), digits, script)
    if words := corrected_words(draft.text, text):
        return next_question(state.with_draft(text=words), script)
    if draft.number and draft.number != script.caller_number:
        if (number := corrected_number(draft.number, text)) is not None:
            return with_number(state, number, script)
    return None


def _added(state: DialogueState, text: str, script: Script, agreed: str = "") -> Decision | None:
    """Take what is neither a yes nor a no: a name, a number, or more of the message.

    Args:
        state: Where the conversation stands.
        text: What was said, without a yes before it.
        script: The agent's words.
        agreed: The words of the message that the yes was for.
    """
    words, agreed = plain(text), agreed or state.draft.agreed
    state = state.with_draft(agreed="")
    if wish_of(text) in (Wish.REPEAT, Wish.GOODBYE, Wish.HOLD_ON):
        return None
    if (name := stated(text)) and len(words.split()) <= LONGEST_NAME + 3:
        return next_question(state.with_draft(caller_name=name), script)
    if only_spelled(text) and (changed := renamed(state, text)):
        return next_question(changed, script)
    if len(digits := spoken_number(text)) >= FULL_NUMBER and len(words.split()) <= len(digits) + _SHORT:
        return with_number(state, digits, script)
    if is_question(text) and not _MORE.match(words):
        return None if begins_as_question(text) else unclear(state, script)
    if says_when(_IT_IS.sub("", words)) and (other := corrected_words(state.draft.text, text)):
        return next_question(state.with_draft(text=other), script)
    if words and says_when(words):
        longer = state.with_draft(text=f"{state.draft.text.rstrip(' .')} {text}", agreed=agreed)
        asked, reply = next_question(longer, script)
        return asked, replace(reply, hesitant=True)
    if not agreed and _says_too_little(text):
        return unclear(state, script)
    if len(words.split()) >= 2 and wish_of(text) not in (Wish.FILLER, Wish.YES, Wish.THANKS):
        more = text[:1].upper() + text[1:]
        longer = state.with_draft(text=f"{sentence(state.draft.text)} {more}", agreed=agreed)
        asked, reply = next_question(longer, script)
        return asked, replace(reply, hesitant=True)
    return unclear(state, script)
