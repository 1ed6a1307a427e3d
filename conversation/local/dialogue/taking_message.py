"""Taking a message: name, number, words, read back, confirmed. A small dialogue inside the dialogue."""

from __future__ import annotations

import re
from dataclasses import replace

from conversation.language.spoken_numbers import Fit, fit, say_digits, spoken_number
from conversation.language.utterance import (
    Utterance,
    Wish,
    begins_as_question,
    is_question,
    plain,
    says_goodbye,
    wish_of,
    yes_or_no,
)
from conversation.local.dialogue.state import Decision, DialogueState, Draft, Reply, Script, Stage, ToolCall

MESSAGE_STAGES = frozenset(
    {
        Stage.MESSAGE_NAME,
        Stage.MESSAGE_NUMBER_KNOWN,
        Stage.MESSAGE_NUMBER,
        Stage.MESSAGE_TEXT,
        Stage.MESSAGE_CONFIRM,
        Stage.MESSAGE_CORRECT,
        Stage.MESSAGE_FAILED,
    }
)

FULL_NUMBER = 7
"""Digits from which a number is taken to be complete; the shortest that can be called from elsewhere."""

_LONGEST_NAME = 5
_SHORT = 4
_TRIES = 3

_NO_NAME = (
    "calling|just|an?|the|not|here|in|so|looking|having|trying|running|sorry|going|about|because|my|your|"
    "wrong|right|correct|incorrect|back|again|at|on|when|whenever|if|as|after|before|later|tomorrow|today|tonight|this|"
    "that|next|any|anytime|asap|soon|please|to|for|from|with|regarding|important|urgent|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
)
_NAME = re.compile(
    r"\b(?P<lead>my name'?s?(?: is)?|name is|the name's?(?: is)?|(?:can|could|may|just|please) call me|call me|this is|"
    r"i am|i'm|it's|it is)\s+"
    rf"(?P<name>(?!(?:{_NO_NAME})\b)[^\W\d][\w'’.-]*"
    r"(?:\s(?!(?:and|from|calling|here|speaking|my|i|with|but)\b)[^\W\d][\w'’.-]*){0,3})",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(r",|\b(?:and|my|from|calling|here|speaking)\b", re.IGNORECASE)
_NAME_LEAD = re.compile(
    r"^(?:(?:um+|uh+|yes|yeah|sure|okay|ok|hi|hello|of course|oh|well|it's)\b[\s,.]*)+", re.IGNORECASE
)
_SENTENCE = re.compile(
    r"(?:i|im|id|ill|ive|we|were|you|he|she|they|its|there|theres|this|that|thats|can|could|would|please|my|"
    r"to|for|about|because|tell|let|put|speak|talk|want|need|just|actually)\b"
)
"""Words (see `plain`) that sentences begin with and names do not."""

_CANCEL = re.compile(
    r"\b(?:never ?mind|forget (?:it|about it|that)|cancel (?:it|that|the message)|no message|dont bother|skip it)\b|"
    r"^(?:(?:no|oh|please|ok|okay|actually|well|thats (?:ok|okay|fine|alright)|its (?:ok|okay|fine|alright)) )*"
    r"(?:cancel|stop(?: it)?|i(?:ve)? changed my mind|i(?:ll| will) (?:just )?call (?:back|again)(?: later)?)"
    r"(?: please| thanks| thank you)*$"
)
_NO_NUMBER = re.compile(
    r"\b(?:no number|dont have|do not have|rather not|they have (?:it|my number)|you have (?:it|my number)|skip|"
    r"not necessary|no need)\b"
)
_THIS_NUMBER = re.compile(
    r"\b(?:this (?:number|one)|(?:the )?same (?:number|one)|this is (?:fine|good|my number|the right number)|"
    r"call me here|number im calling|you (?:can|may)|they (?:can|may))\b"
)
_TELL = re.compile(
    r"\b(?:tell|let)\s+(?P<who>(?:dr\.?|doctor|the|them|him|her|mr\.?|mrs\.?)(?:\s+[A-Z][\w'’-]*|\s+\w+(?=\s+(?:that|know)))?)\s+"
    r"(?:know\s+)?(?:that\s+)?(?P<what>.{8,})",
    re.IGNORECASE,
)
_WRONG = re.compile(r"\b(?:wrong|change|not (?:quite )?right|isnt right|incorrect|mistake)\b")
_ONLY_POLITE = frozenset(("please", "thanks", "thank you", "please do", "of course"))
_ADDS_NOTHING = re.compile(
    r"(?:(?:please|thanks|thank you|very much|so much|yes|yeah|yep|sure|right|correct|exactly|perfect|great|good|fine|"
    r"okay|ok|is it|its|it|is|thats|that|this|all|sounds|looks|do|send|pass|on|for now|absolutely|definitely|you|got|"
    r"are|and|now|everything|the|message)(?: |$))*"
)
_MORE = re.compile(r"^(?:and|also|plus|oh and|one more thing|but|please also|as well)\b")


def start(state: DialogueState, script: Script, said: str = "", *, recipient: str = "") -> Decision:
    """Begin to take a message, with what the caller has already said of it.

    Args:
        state: Where the conversation stands.
        script: The agent's words.
        said: The sentence in which the message was asked for; "tell them that ..." already is one.
        recipient: Whom the caller had asked for.
    """
    if not script.can_take_message:
        return state.at(Stage.ANYTHING_ELSE), Reply(script.lines("message_unavailable", "anything_else"))
    draft = Draft(recipient=recipient, caller_name=_stated_name(said))
    if match := _TELL.search(said):
        words = match["what"].strip(" ?")
        draft = replace(draft, text=words[:1].upper() + words[1:])
        if match["who"].lower() not in ("them", "him", "her"):
            draft = replace(draft, recipient=match["who"])
    asked, reply = next_question(DialogueState(draft=draft), script)
    return asked, Reply(f"{script.line('message_start')} {reply.text}")


def next_question(state: DialogueState, script: Script) -> Decision:
    """Ask for what is still missing, or read the message back."""
    draft = state.draft
    if not draft.caller_name:
        return state.at(Stage.MESSAGE_NAME), Reply(script.line("message_name"))
    if not draft.number_done:
        if script.caller_number and not draft.number:
            return state.at(Stage.MESSAGE_NUMBER_KNOWN), Reply(script.line("message_number_known"))
        return state.at(Stage.MESSAGE_NUMBER), Reply(script.line("message_number"))
    if not draft.text:
        return state.at(Stage.MESSAGE_TEXT), Reply(script.line("message_prompt"))
    return state.at(Stage.MESSAGE_CONFIRM), Reply(_read_back(draft, script))


def answer(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Take the answer to a question about the message.

    Returns:
        What to say next, or None when the caller said something that has nothing to do with the message.
    """
    words = plain(utterance.text)
    if state.stage is not Stage.MESSAGE_TEXT and _CANCEL.search(words):
        return drop(state, script)
    if state.stage is Stage.MESSAGE_TEXT and _CANCEL.search(words) and len(words.split()) <= 5:
        return drop(state, script)
    if state.stage not in (Stage.MESSAGE_TEXT, Stage.MESSAGE_CONFIRM) and says_goodbye(utterance.text):
        return None
    if wish_of(utterance.text) is Wish.HOLD_ON and state.stage is not Stage.MESSAGE_TEXT:
        return state, Reply(script.line("hold_on"))
    match state.stage:
        case Stage.MESSAGE_NAME:
            return _name(state, utterance, script)
        case Stage.MESSAGE_NUMBER_KNOWN:
            return _known_number(state, utterance, script)
        case Stage.MESSAGE_NUMBER:
            return _number(state, utterance, script)
        case Stage.MESSAGE_TEXT:
            return _text(state, utterance, script)
        case Stage.MESSAGE_CONFIRM:
            return _confirm(state, utterance, script)
        case Stage.MESSAGE_CORRECT:
            return _correct(state, utterance, script)
        case _:
            return _retry(state, utterance, script)


def goodbye(state: DialogueState, script: Script) -> Decision | None:
    """Let a caller go who says goodbye during a message: a message that is complete is passed on first."""
    if state.stage in (Stage.MESSAGE_CONFIRM, Stage.MESSAGE_FAILED) and state.draft.text:
        return send(state.with_draft(then_end=True), script)
    return None


def drop(state: DialogueState, script: Script) -> Decision:
    """Forget the message."""
    return (
        state.at(Stage.ANYTHING_ELSE, draft=Draft()),
        Reply(script.lines("message_dropped", "anything_else")),
    )


def send(state: DialogueState, script: Script) -> Decision:
    """Hand the message to the tool."""
    draft = state.draft
    text = f"For {draft.recipient}: {draft.text}" if draft.recipient else draft.text
    call = ToolCall(
        "take_message",
        {"caller_name": draft.caller_name, "message": text, "callback_number": draft.number},
    )
    return state.at(Stage.WAITING), Reply(tool_call=call)


def sent(state: DialogueState, script: Script, *, taken: bool) -> Decision:
    """Say what became of the message."""
    if not taken:
        return state.at(Stage.MESSAGE_FAILED), Reply(script.line("message_failed"))
    if state.draft.then_end:
        return state.at(Stage.OPEN, draft=Draft()), script.goodbye(script.line("message_taken"))
    return (
        state.at(Stage.ANYTHING_ELSE, draft=Draft()),
        Reply(script.lines("message_taken", "anything_else")),
    )


def _stated_name(text: str) -> str:
    match = _NAME.search(text)
    if match is None:
        return ""
    # "I'm late" states no name: after these words a recogniser writes names with a capital letter.
    explicit = "name" in match["lead"].lower()
    return match["name"].strip(" .") if explicit or match["name"][0].isupper() else ""


def _name(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    # A name is often said, and written, as if it were asked: "Anna Miller?"
    text = utterance.text.rstrip(" ?!")
    name = _stated_name(text)
    wish = wish_of(text)
    digits = spoken_number(text)
    if not name:
        if yes_or_no(text)[0] is False and len(plain(text).split()) <= _SHORT:
            return drop(state, script)
        if not text or begins_as_question(text) or wish not in (None, Wish.FILLER, Wish.YES, Wish.MESSAGE):
            return None
        bare = _NAME_LEAD.sub("", text).strip(" ,.!")
        if not bare or wish is Wish.FILLER or wish_of(bare) in (Wish.FILLER, Wish.YES):
            return state, Reply(script.line("message_name"))
        name = _AFTER_NAME.split(bare)[0].strip() if len(digits) >= FULL_NUMBER else bare
        name = re.sub(r"^(?:i'm|it's|this is|it is|i am) ", "", name, flags=re.IGNORECASE)
    is_sentence = bool(_SENTENCE.match(plain(name))) or (wish is Wish.MESSAGE and not _stated_name(text))
    if (
        not name or is_sentence or len(name.split()) > _LONGEST_NAME
    ):  # the caller began with the message itself
        if state.misunderstood + 1 >= _TRIES:
            return next_question(state.with_draft(caller_name="unknown"), script)
        known = state if state.draft.text else state.with_draft(text=text)
        again = known.at(Stage.MESSAGE_NAME, misunderstood=state.misunderstood + 1)
        return again, Reply(script.line("message_name"))
    found = state.with_draft(caller_name=name[:1].upper() + name[1:])
    if len(digits) >= FULL_NUMBER:
        return _with_number(found, digits, script)
    return next_question(found, script)


def _known_number(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    digits = spoken_number(utterance.text)
    if len(utterance.digits) >= FULL_NUMBER or len(digits) >= FULL_NUMBER:
        return _number(state.at(Stage.MESSAGE_NUMBER), utterance, script)
    said = _keyed_answer(utterance)
    if said is not False and _THIS_NUMBER.search(plain(utterance.text)):
        said = True
    if said is False:
        return state.at(Stage.MESSAGE_NUMBER), Reply(script.line("message_number"))
    if said is True or state.misunderstood + 1 >= _TRIES:  # it is known anyway, and read back
        return next_question(state.with_draft(number=script.caller_number, number_done=True), script)
    return _unclear(state, script)


def _number(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    words = plain(utterance.text)
    keyed = utterance.digits
    digits = keyed or spoken_number(utterance.text)
    so_far = "" if digits.startswith("+") else state.draft.number  # with its country it is begun again
    number = keyed if len(keyed) >= FULL_NUMBER else so_far + digits
    finished = "#" in utterance.keys or (not digits and wish_of(utterance.text) in (Wish.CLOSING, Wish.YES))
    if len(number) >= FULL_NUMBER and (digits or finished):
        return _with_number(state, number, script)
    if finished and len(number) >= 3:  # an extension, perhaps
        return next_question(state.with_draft(number=number, number_done=True), script)
    if digits:
        more = script.line("message_number_more", number=say_digits(number))
        return state.with_draft(number=number).at(Stage.MESSAGE_NUMBER), Reply(more)
    if _NO_NUMBER.search(words) or wish_of(utterance.text) is Wish.NO:
        return next_question(state.with_draft(number="", number_done=True), script)
    if is_question(utterance.text) and "number" not in words:
        return None
    if state.misunderstood + 1 >= _TRIES:  # some voices are not heard well; the message matters more
        return next_question(state.with_draft(number="", number_done=True), script)
    return state.at(Stage.MESSAGE_NUMBER, misunderstood=state.misunderstood + 1), Reply(
        script.line("message_number")
    )


def _with_number(state: DialogueState, number: str, script: Script) -> Decision:
    """Take a number if it can be one; ask again if it cannot, and for the rest if some of it is missing."""
    match fit(number, script.region):
        case Fit.YES:
            return next_question(state.with_draft(number=number, number_done=True), script)
        case Fit.TOO_SHORT if not state.draft.number or state.draft.number != number:
            more = script.line("message_number_more", number=say_digits(number))
            return state.with_draft(number=number).at(Stage.MESSAGE_NUMBER), Reply(more)
    wrong = state.with_draft(number="", number_done=False).at(
        Stage.MESSAGE_NUMBER, misunderstood=state.misunderstood + 1
    )
    if wrong.misunderstood >= _TRIES:  # the message matters more
        return next_question(wrong.with_draft(number_done=True), script)
    return wrong, Reply(script.line("message_number_wrong"))


def _text(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
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


def _confirm(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    """Send the message on a yes only. What else is said belongs to it, and is read back with it."""
    text = utterance.text.strip()
    words = plain(text)
    said = _keyed_answer(utterance)
    rest = text if utterance.digits else yes_or_no(text)[1].lstrip(" ,.")
    if said is not False and not utterance.keys and _WRONG.search(words):
        return _correct(state, utterance, script)
    if said is False:
        return _correct(state, Utterance(rest), script)
    if said is True:
        if says_goodbye(rest) and len(plain(rest).split()) <= _SHORT:
            return send(state.with_draft(then_end=True), script)
        if utterance.digits:
            return send(state, script)
        if _ADDS_NOTHING.fullmatch(plain(rest)):
            state, reply = send(state, script)
            return state, replace(reply, hesitant=True)  # "Yes." and, after a breath, "That's right."
        text, words = rest, plain(rest)
    if wish_of(text) in (Wish.REPEAT, Wish.GOODBYE, Wish.HOLD_ON):
        return None
    if (name := _stated_name(text)) and len(words.split()) <= _LONGEST_NAME + 3:
        return next_question(state.with_draft(caller_name=name), script)
    if len(digits := spoken_number(text)) >= FULL_NUMBER and len(words.split()) <= len(digits) + _SHORT:
        return _with_number(state, digits, script)
    if is_question(text) and not _MORE.match(words):
        return None if begins_as_question(text) else _unclear(state, script)
    if len(words.split()) >= 2 and wish_of(text) not in (Wish.FILLER, Wish.YES, Wish.THANKS):
        more = text[:1].upper() + text[1:]
        asked, reply = next_question(state.with_draft(text=f"{_sentence(state.draft.text)} {more}"), script)
        return asked, replace(reply, hesitant=True)
    return _unclear(state, script)


def _correct(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    words = plain(utterance.text)
    name = _stated_name(utterance.text)
    if name:
        return next_question(state.with_draft(caller_name=name), script)
    digits = spoken_number(utterance.text)
    if len(digits) >= FULL_NUMBER:
        return _with_number(state, digits, script)
    if re.search(r"\bname\b", words):
        return next_question(state.with_draft(caller_name=""), script)
    if re.search(r"\b(?:number|phone)\b", words):
        return state.with_draft(number="", number_done=False).at(Stage.MESSAGE_NUMBER), Reply(
            script.line("message_number")
        )
    if re.search(r"\b(?:message|text|words|rest)\b", words):
        return next_question(state.with_draft(text=""), script)
    return state.at(Stage.MESSAGE_CORRECT), Reply(script.line("message_correct"))


def _retry(state: DialogueState, utterance: Utterance, script: Script) -> Decision | None:
    said = _keyed_answer(utterance)
    if said is True:
        return send(state, script)
    if said is False:
        return drop(state, script)
    return _unclear(state, script)


def _keyed_answer(utterance: Utterance) -> bool | None:
    if utterance.digits:
        return {"1": True, "2": False}.get(utterance.digits)
    return yes_or_no(utterance.text)[0]


def _unclear(state: DialogueState, script: Script) -> Decision:
    return state.at(state.stage, misunderstood=state.misunderstood + 1), Reply(script.line("yes_or_no"))


def _read_back(draft: Draft, script: Script) -> str:
    if not draft.number:
        number = "without a number"
    elif draft.number == script.caller_number:
        number = "on the number you are calling from"
    else:
        number = f"number {say_digits(draft.number)}"
    return script.line(
        "message_confirm", caller_name=draft.caller_name, number=number, message=_sentence(draft.text)
    )


def _sentence(text: str) -> str:
    return text if text[-1:] in ".?!" else f"{text}."
