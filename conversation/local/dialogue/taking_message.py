"""Taking a message: name, number, words, read back, confirmed. A small dialogue inside the dialogue.

It is stored only after it was read back whole and the caller has said yes to it. The answers to its questions are in
`message_name`, `message_number` and `message_check`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from conversation.language.spoken_numbers import spoken_number
from conversation.language.utterance import Utterance, Wish, plain, says_goodbye, wish_of
from conversation.local.dialogue.message_check import (
    answered_read_back,
    answered_text,
    answered_try_again,
    answered_what_is_wrong,
)
from conversation.local.dialogue.message_draft import (
    TRIES,
    drop,
    next_question,
    send,
    sent,
    unclear,
    words_of,
)
from conversation.local.dialogue.message_name import answered_name, renamed, stated
from conversation.local.dialogue.message_number import (
    FULL_NUMBER,
    answered_known_number,
    answered_number,
    asked_number,
    with_number,
)
from conversation.local.dialogue.state import Decision, DialogueState, Draft, Reply, Script, Stage

__all__ = [
    "MESSAGE_STAGES",
    "TRIES",
    "answer",
    "asked_last",
    "drop",
    "go_on",
    "goodbye",
    "next_question",
    "send",
    "sent",
    "start",
    "words_of",
]

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

_NAME_KNOWN = frozenset((Stage.MESSAGE_NUMBER_KNOWN, Stage.MESSAGE_NUMBER))

_CANCEL = re.compile(
    r"\b(?:(?:dont|do not) (?:send|leave|take|keep|pass on) (?:it|that|this|(?:the|a|any) message)|"
    r"(?:delete|erase|drop) (?:it|that|this|the message))\b|"
    r"\b(?:never ?mind|forget (?:it|about it|that)|cancel (?:it|that|the message)|no message|dont bother|skip it)\b|"
    r"^(?:(?:no|oh|please|ok|okay|actually|well|thats (?:ok|okay|fine|alright)|its (?:ok|okay|fine|alright)) )*"
    r"(?:cancel|stop(?: it)?|i(?:ve)? changed my mind|i(?:ll| will) (?:just )?call (?:back|again)(?: later)?)"
    r"(?: please| thanks| thank you)*$"
)
_TELL = re.compile(
    r"\b(?:tell|let)\s+(?P<who>(?:dr\.?|doctor|the|them|him|her|mr\.?|mrs\.?)(?:\s+[A-Z][\w'’-]*|\s+\w+(?=\s+(?:that|know)))?)\s+"
    r"(?:know\s+)?(?:that\s+)?(?P<what>.{8,})",
    re.IGNORECASE,
)

_FOR = re.compile(
    r"\bmessage\b.{0,12}?\bfor (?P<who>(?i:(?:dr\.?|doctor|mr\.?|mister|mrs\.?|miss|ms\.?) )?[A-Z][\w'’-]+)"
)


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
    draft = Draft(recipient=recipient, caller_name=stated(said))
    if not recipient and (match := _FOR.search(said)):
        draft = replace(draft, recipient=match["who"])
    if match := _TELL.search(said):
        words = match["what"].strip(" ?")
        draft = replace(draft, text=words[:1].upper() + words[1:])
        if match["who"].lower() not in ("them", "him", "her"):
            draft = replace(draft, recipient=match["who"])
    begun = DialogueState(draft=draft, message_declined=state.message_declined)
    digits = spoken_number(said)
    if len(digits) >= FULL_NUMBER:
        asked, reply = with_number(begun, digits, script)
    else:
        asked, reply = next_question(begun, script)
    return asked, Reply(f"{script.line('message_start')} {reply.text}")


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
    if state.stage in _NAME_KNOWN and (changed := renamed(state, utterance.text)):
        return next_question(changed, script)
    match state.stage:
        case Stage.MESSAGE_NAME:
            return answered_name(state, utterance, script)
        case Stage.MESSAGE_NUMBER_KNOWN:
            return answered_known_number(state, utterance, script)
        case Stage.MESSAGE_NUMBER:
            return answered_number(state, utterance, script)
        case Stage.MESSAGE_TEXT:
            return answered_text(state, utterance, script)
        case Stage.MESSAGE_CONFIRM:
            return answered_read_back(state, utterance, script)
        case Stage.MESSAGE_CORRECT:
            return answered_what_is_wrong(state, utterance, script)
        case _:
            return answered_try_again(state, utterance, script)


def asked_last(state: DialogueState, script: Script) -> str:
    """The question about the message that is open."""
    if state.stage is Stage.MESSAGE_NUMBER:
        return asked_number(state, script)
    return next_question(state, script)[1].text


def go_on(state: DialogueState, script: Script) -> Decision:
    """Ask no more for what was asked for often enough."""
    match state.stage:
        case Stage.MESSAGE_NAME:
            return next_question(state.with_draft(caller_name="unknown"), script)
        case Stage.MESSAGE_NUMBER_KNOWN:
            return next_question(state.with_draft(number=script.caller_number, number_done=True), script)
        case Stage.MESSAGE_NUMBER:
            return next_question(state.with_draft(number="", number_done=True), script)
        case _:
            return unclear(state, script)


def goodbye(state: DialogueState, script: Script) -> Decision | None:
    """Let a caller go who says goodbye during a message: one that was agreed to before is passed on first."""
    if state.stage is Stage.MESSAGE_FAILED and state.draft.text:
        return send(state.with_draft(then_end=True), script)
    if state.stage is Stage.MESSAGE_CONFIRM and state.draft.agreed:
        return send(state.with_draft(text=state.draft.agreed, then_end=True), script)
    if state.stage in (Stage.MESSAGE_CONFIRM, Stage.MESSAGE_CORRECT):
        return state.at(Stage.OPEN, draft=Draft()), script.goodbye(script.line("message_dropped"))
    return None
