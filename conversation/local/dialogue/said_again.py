"""What callers say once more when it was taken already: the yes to a message, what is in it, or whether they come."""

from __future__ import annotations

from conversation.language.repeats import repeats
from conversation.language.utterance import is_question, plain, says_goodbye, will_come, yes_or_no
from conversation.local.dialogue.message_draft import words_of
from conversation.local.dialogue.state import DialogueState, Stage


def goes_on_agreeing(state: DialogueState, text: str) -> bool:
    """Whether words that interrupt the passing on of a message only say more of the yes to it."""
    if not state.draft.text or is_question(text):
        return False
    said, rest = yes_or_no(text)
    return said is not False and (
        _says_coming(state, text) is True
        or (said is True and not plain(rest))
        or repeats(rest, words_of(state.draft))
    )


def says_it_again(state: DialogueState, text: str, passed_on: str) -> bool:
    """Whether somebody whose message was passed on goes on to say what was in it, or to answer the greeting.

    Args:
        state: Where the conversation stands.
        text: What was said.
        passed_on: What was in the message; empty when none was passed on just before.
    """
    if not passed_on or state.stage is not Stage.ANYTHING_ELSE or is_question(text) or says_goodbye(text):
        return False
    if (same := _says_coming(state, text)) is not None:
        return same
    said, rest = yes_or_no(text)
    return said is not False and repeats(rest, passed_on)


def said_once(texts: list[str], closing: str) -> str:
    """Join what is to be said to a tool's result and to what the caller went on to say.

    Args:
        texts: What is said to each.
        closing: A question that is asked once, at the end.
    """
    *firsts, last = [text for text in dict.fromkeys(texts) if text] or [""]
    if last.endswith(closing):
        firsts = [text.removesuffix(closing).strip() for text in firsts]
    return " ".join(filter(None, [*firsts, last]))


def _says_coming(state: DialogueState, text: str) -> bool | None:
    """Whether somebody says what they have answered to the greeting's question; None when they do not say."""
    comes = will_come(text) if state.comes else None
    return None if comes is None else comes == (state.comes == "yes")
