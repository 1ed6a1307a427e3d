"""A message that is being taken: what is still to be asked, how it is read back, and how it is handed over."""

from __future__ import annotations

from conversation.language.spoken_numbers import say_digits
from conversation.language.utterance import Utterance, yes_or_no
from conversation.local.dialogue.state import Decision, DialogueState, Draft, Reply, Script, Stage, ToolCall

TRIES = 3
"""How often something is asked that is not understood; the message matters more than its parts."""


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
        state.at(Stage.ANYTHING_ELSE, draft=Draft(), passed_on=words_of(state.draft)),
        Reply(script.lines("message_taken", "anything_else")),
    )


def words_of(draft: Draft) -> str:
    """All that is in a message, in words."""
    return f"{draft.caller_name} {draft.recipient} {draft.text} {say_digits(draft.number)}"


def keyed_answer(utterance: Utterance) -> bool | None:
    """Read a yes or a no, said or keyed in."""
    if utterance.digits:
        return {"1": True, "2": False}.get(utterance.digits)
    return yes_or_no(utterance.text)[0]


def unclear(state: DialogueState, script: Script) -> Decision:
    """Ask for a yes or a no; who gives neither is offered a person, or else let go on without a message."""
    count = state.misunderstood + 1
    if count < TRIES:
        return state.at(state.stage, misunderstood=count), Reply(script.line("yes_or_no"))
    if not script.can_transfer or state.transferring:
        return drop(state, script)
    name = next(iter(script.agent.transfers))
    question = script.line("transfer_confirm", destination=script.spoken(name))
    asked = state.at(Stage.CONFIRM_TRANSFER, destination=name, draft=Draft())
    return asked, Reply(f"{script.line('message_dropped')} {question}")


def _read_back(draft: Draft, script: Script) -> str:
    if not draft.number:
        number = "without a number"
    elif draft.number == script.caller_number:
        number = "on the number you are calling from"
    else:
        number = f"number {say_digits(draft.number)}"
    return script.line(
        "message_confirm", caller_name=draft.caller_name, number=number, message=sentence(draft.text)
    )


def sentence(text: str) -> str:
    """End a text with a full stop, unless it ends already."""
    return text if text[-1:] in ".?!" else f"{text}."
