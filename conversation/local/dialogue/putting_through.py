"""Transfers by the local brain: whom the caller wants, whether to ask first, and what to say when one has failed."""

from __future__ import annotations

import re
from dataclasses import replace

from conversation.language.utterance import plain
from conversation.local.dialogue import taking_message
from conversation.local.dialogue.state import Decision, DialogueState, Reply, Script, Stage, ToolCall

_VERB = (
    r"(?:(?:put|connect|conect|transfer|patch|forward|pass|get|give|send) me|transfer (?:this|my|the) call|"
    r"be (?:put|connected|transferred|patched|forwarded|passed)|"
    r"(?:speak|talk|chat) (?:to|with)|(?:can|could|may) i (?:have|get|reach)|want|need|like|reach)"
)
_BETWEEN = (
    r"(?: (?:to|with|through|over|on|right|straight|directly|back|now|please|somebody|someone|anybody|anyone|a|person|"
    r"people|folks|guys|the|your|our|at|in|from))*"
)
_PUTS = r"(?:put|connect|conect|transfer|patch|forward) (?:me|us)(?: \w+){0,4}"
"""Words that can be nothing but a wish to be put through, whatever is between them and a name."""

_BEFORE = r"(?:(?:ok|okay|yes|well|so|then|hi|hello|no|the|your|to) )*"
_AFTER = r"(?: (?:department|office|team|people|line))?(?: (?:please|thanks|thank you|now|then))*"
_NOT_NOW = re.compile(
    r"\b(?:dont|do not|not|never|without|instead|if|when|before|after|(?:do|should|must) i)\b|"
    r"\b(?:number|hours|address|email)\b"
)
_ARTICLE = re.compile(r"^(?:the|our|my|your) ")


_LEAD = (
    r"(?:(?:hi|hello|hey|ok|okay|yes|no|well|so|then|sorry|please|listen|look|just|there|i said|"
    r"good (?:morning|afternoon|evening|day)) )*"
)
_TALK_TO = r"(?:speak|talk|chat) (?:to|with)"
_PERSON = (
    r"(?:(?:an?|the|some|your|real|live|actual|human) )+"
    r"(?:person|people|human(?: being)?|operator|representative|agent|receptionist|employee|staff member)"
)
_NOW = r"(?: (?:please|now|right now|thanks|thank you|here|there))*"
_PERSON_PLEASE = re.compile(
    rf"{_LEAD}(?:i want to|i need to|i would like to|id like to|i wanna|let me|please let me|"
    rf"i would rather|id rather)(?: please)? {_TALK_TO} {_PERSON}{_NOW}|"
    rf"{_LEAD}please(?: (?:can|could|may) i)? {_TALK_TO} {_PERSON}{_NOW}|"
    rf"{_LEAD}(?:can|could|may) i(?: please)? {_TALK_TO} {_PERSON}{_NOW}"
)


def wants_a_person(text: str) -> bool:
    """Whether a sentence plainly wants a person, whoever it is, and nothing else.

    "Can I talk to a person?" may only ask whether that can be done, and is no such wish without a "please".

    Args:
        text: What the caller said.
    """
    words = plain(text)
    asks = re.search(r"\b(?:can|could|may) i\b", words) and not re.search(r"\bplease\b", words)
    return not asks and bool(_PERSON_PLEASE.fullmatch(words))


def asked_for(text: str, script: Script) -> str:
    """Name the transfer that a sentence plainly wants now: a verb, and the transfer's own name or what it is called.

    "Please connect me to the front desk" is such a wish; "I have a question for billing" is none, and is asked about.

    Args:
        text: What the caller said.
        script: The agent's words.
    """
    words = plain(text)
    if not script.can_transfer or _NOT_NOW.search(words):
        return ""
    named, wanted = set(), ""
    for name in script.agent.transfers:
        called = {plain(name.replace("-", " ")), _ARTICLE.sub("", plain(script.spoken(name)))}
        for each in filter(None, called):
            if re.search(rf"\b{each}\b", words):
                named.add(name)
                wish = rf"\b(?:{_VERB}{_BETWEEN}|{_PUTS}) {each}\b|^{_BEFORE}{each}{_AFTER}$"
                wanted = name if re.search(wish, words) else wanted
    return wanted if len(named) == 1 else ""


def begin(state: DialogueState, destination: str, script: Script) -> Decision:
    """Put the caller through."""
    reason = f"The caller asked for {script.spoken(destination)}."
    call = ToolCall("transfer_call", {"destination": destination, "reason": reason})
    waiting = state.at(Stage.WAITING, destination=destination, transferring=destination)
    return waiting, Reply(tool_call=call)


def offer(state: DialogueState, destination: str, script: Script) -> Decision:
    """Ask whether the caller wants to be put through, or offer what there is instead.

    Args:
        state: Where the conversation stands.
        destination: The transfer that the caller seems to want; empty when any person will do.
        script: The agent's words.
    """
    if state.transferring:
        ringing = script.spoken(state.transferring)
        return state.at(Stage.OPEN), Reply(script.line("still_trying", destination=ringing))
    if script.can_transfer:
        # The destination that is to be asked first stands first in the file.
        name = destination or next(iter(script.agent.transfers))
        question = script.line("transfer_confirm", destination=script.spoken(name))
        return state.at(Stage.CONFIRM_TRANSFER, destination=name), Reply(question)
    if script.can_take_message:
        text = script.lines("transfer_unavailable", "offer_message")
        return state.at(Stage.OFFER_MESSAGE, destination=destination), Reply(text)
    return state.at(Stage.ANYTHING_ELSE), Reply(script.lines("transfer_unavailable", "anything_else"))


def ended(state: DialogueState, script: Script, *, succeeded: bool, told: bool) -> Decision:
    """Say what is next after a transfer."""
    destination, state = state.transferring or state.destination, replace(state, transferring="")
    if succeeded:
        return (state.at(Stage.OPEN) if state.stage is Stage.WAITING else state), Reply()
    sorry = "" if told else script.line("transfer_error", destination=script.spoken(destination))
    if not destination and not told:
        sorry = script.line("transfer_failed")
    if state.stage in taking_message.MESSAGE_STAGES:  # begun while the telephone was ringing
        state, reply = taking_message.next_question(state, script)
    elif script.can_take_message:
        state = state.at(Stage.OFFER_MESSAGE, destination=destination)
        reply = Reply(script.line("offer_message"))
    else:
        state, reply = state.at(Stage.ANYTHING_ELSE), Reply(script.line("anything_else"))
    return state, Reply(f"{sorry} {reply.text}".strip())
