"""The conversation of a call as it was heard, from the call's events alone.

It is what a bot goes on with when a call comes back to it on another media stream, perhaps in another process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from calls.events.event import NOT_RECORDED, CallEvent
from calls.events.lifecycle import GoodbyePromised, TransferEnded, TransferStarted
from calls.events.people import NoteGiven
from calls.events.talk import (
    Attached,
    BotHeard,
    CallerSaid,
    Detached,
    Interrupted,
    MessageRecorded,
    MessageTaken,
    ToolStarted,
    ToolUsed,
)
from calls.transfer import TransferOutcome

TAKE_MESSAGE = "take_message"
TRANSFER_CALL = "transfer_call"
END_CALL = "end_call"

NOTE = "A note for you from a colleague of the business, which the other side does not hear. Act on it:"
"""What a person's note begins with, for the model."""

NOT_KNOWN = (
    "It is not known whether this was done: the connection broke while it ran. Do not do it again by yourself. Tell "
    "the caller, and ask what they wish."
)
"""What a model is told of a tool that was running when its session ended."""


@dataclass(frozen=True)
class Turn:
    """One exchange, as it was heard. The first has an empty `caller_said` when the bot spoke first.

    Parameters:
        caller_said: The caller's words or keys.
        bot_replied: What the caller heard of the reply.
        interrupted: Whether the bot was cut off in it.
    """

    caller_said: str
    bot_replied: str
    interrupted: bool = False


class Role(StrEnum):
    """Who spoke or did what a message has."""

    CALLER = "caller"
    BOT = "bot"
    TOOL = "tool"
    NOTE = "note"
    """A note of a person's for the bot, which the other side has not heard."""


@dataclass(frozen=True)
class ToolUse:
    """A tool that was used, and what it returned.

    Parameters:
        name: The tool's.
        arguments: What it was called with.
        result: What it returned, as JSON knows values.
        ok: Whether it did what it is for.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Any = ""
    ok: bool = True


@dataclass(frozen=True)
class Message:
    """One contribution to a conversation.

    Parameters:
        role: Who speaks, or that a tool was used.
        text: The words; of a tool its result.
        at: When it began, in UTC.
        tool: The tool and its result, for the role `tool` only.
        interrupted: Whether the bot was cut off in it; `text` is then what was heard.
    """

    role: Role
    text: str
    at: datetime
    tool: ToolUse | None = None
    interrupted: bool = False


def heard_messages(events: Iterable[CallEvent]) -> list[Message]:
    """Follow a conversation: what the caller said or keyed in, what was heard of the bot, and what tools did.

    Args:
        events: Of a call, oldest first. Those that are no part of the conversation are passed over.

    Returns:
        The messages, oldest first. Words of the bot that the caller did not hear are in none.
    """
    return _Listener().listen(events)


class _Listener:
    """Makes messages of events.

    A message that was taken and a transfer have events of their own besides that of the tool, in either order, or alone
    where no tool was used (a transfer by the API). Each becomes one message all the same.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.utterance_ended = True
        self.half: dict[str, tuple[int | None, str]] = {}
        self.running: list[ToolStarted] = []

    def listen(self, events: Iterable[CallEvent]) -> list[Message]:
        for event in events:
            match event:
                case CallerSaid():
                    self.add(Message(Role.CALLER, event.text, event.at))
                case BotHeard():
                    self.hear(event.text, event.at)
                case Interrupted():
                    self.hear(event.heard, event.at)
                    self.cut()
                case Attached():
                    self.utterance_ended = True
                    self.give_up_running()
                case Detached():
                    self.utterance_ended = True
                case NoteGiven() if event.text != NOT_RECORDED:
                    self.add(Message(Role.NOTE, event.text, event.at))
                case ToolStarted():
                    self.running.append(event)
                case ToolUsed():
                    self.returned(event.name, event.arguments)
                    ok = tool_succeeded(event.result) if event.ok is None else event.ok
                    self.use(ToolUse(event.name, event.arguments, event.result, ok), event)
                case MessageRecorded():
                    pass  # no tool of the bot's, which was not on the call
                case MessageTaken():
                    self.returned(TAKE_MESSAGE)
                    told = "The message was taken and will be passed on."
                    self.use(ToolUse(TAKE_MESSAGE, event.data, told), event)
                case TransferStarted():
                    self.returned(TRANSFER_CALL)  # how that ends has an event of its own
                    self.half.pop(TRANSFER_CALL, None)
                case GoodbyePromised():
                    self.returned(END_CALL)
                case TransferEnded():
                    self.transferred(event)
        return self.messages

    def returned(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        """A tool that was begun has ended; of several of this name the one with these arguments, or the oldest."""
        begun = [one for one in self.running if one.name == name]
        if begun:
            self.running.remove(next((one for one in begun if one.arguments == arguments), begun[0]))

    def give_up_running(self) -> None:
        """Another session begins: what tools of the one before were still at is known to nobody."""
        for begun in self.running:
            self.use(ToolUse(begun.name, begun.arguments, NOT_KNOWN, ok=False), begun)
        self.running = []

    def add(self, message: Message) -> None:
        if message.text:
            self.messages.append(message)
            self.utterance_ended = True

    def hear(self, text: str, at: datetime) -> None:
        if not text:
            return
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role is Role.BOT and not self.utterance_ended:
            self.messages[-1] = replace(last, text=f"{last.text} {text}")
        else:
            self.messages.append(Message(Role.BOT, text, at))
        self.utterance_ended = False

    def cut(self) -> None:
        if not self.utterance_ended and self.messages[-1].role is Role.BOT:
            self.messages[-1] = replace(self.messages[-1], interrupted=True)
        self.utterance_ended = True

    def transferred(self, event: TransferEnded) -> None:
        result = {"outcome": event.outcome.value}
        if event.reason:
            result["detail"] = event.reason
        ok = event.outcome is TransferOutcome.CONNECTED
        self.use(ToolUse(TRANSFER_CALL, {"destination": event.destination}, result, ok), event)

    def use(self, use: ToolUse, event: CallEvent) -> None:
        if not use.name:
            return
        if use.name in (TAKE_MESSAGE, TRANSFER_CALL) and _has_another_event(use):
            index, other_kind = self.half.pop(use.name, (None, event.kind))
            if index is not None and other_kind != event.kind:
                self.complete(index, use, by_tool=isinstance(event, ToolUsed))
                return
            self.half[use.name] = (len(self.messages), event.kind)
        self.add(_used(use, event.at))

    def complete(self, index: int, use: ToolUse, *, by_tool: bool) -> None:
        message = self.messages[index]
        assert message.tool is not None
        # The tool knows what it was called with; what came of a transfer is known by its event, often later.
        asked, told = (use, message.tool) if by_tool else (message.tool, use)
        if use.name == TRANSFER_CALL:
            asked = replace(
                asked, arguments={**told.arguments, **asked.arguments}, result=told.result, ok=told.ok
            )
        self.messages[index] = _used(asked, message.at)


def to_context(messages: Sequence[Message], *, first: int = 1) -> list[dict[str, Any]]:
    """Put a conversation into the form in which a model is shown it: OpenAI's, which Pipecat's `LLMContext` holds.

    Args:
        messages: As `heard_messages` gives them.
        first: The number of the first of them in its conversation.

    Returns:
        Messages with the roles `user`, `assistant`, `tool` and, for notes, `developer`. Each call of a tool is followed
        by its result.
    """
    context: list[dict[str, Any]] = []
    for number, message in enumerate(messages, start=first):
        if message.tool is not None:
            call_id = _call_id(number)
            function = {
                "name": message.tool.name,
                "arguments": json.dumps(dict(message.tool.arguments), ensure_ascii=False, default=str),
            }
            context.append(
                {
                    "role": "assistant",
                    "tool_calls": [{"id": call_id, "type": "function", "function": function}],
                }
            )
            context.append({"role": "tool", "tool_call_id": call_id, "content": message.text})
        elif message.role is Role.NOTE:
            context.append({"role": "developer", "content": f"{NOTE} {message.text}"})
        elif message.text:
            role = "user" if message.role is Role.CALLER else "assistant"
            context.append({"role": role, "content": message.text})
    return context


def call_successes(messages: Sequence[Message], *, first: int = 1) -> dict[str, bool]:
    """Which calls of tools did what they are for, by the ids that `to_context` gives them."""
    return {
        _call_id(number): message.tool.ok
        for number, message in enumerate(messages, start=first)
        if message.tool is not None
    }


def tool_succeeded(result: Any) -> bool:
    """Guess from what a tool returned whether it did what it is for, where no field says so.

    That is so with the events of earlier versions, and with what Pipecat returns in a tool's place.

    Args:
        result: Words, or a table, as such or as JSON. A table counts as failed when it has an `error`, when `ok` is
            false, or when its `outcome` is neither "connected" nor "handed over"; a sentence when it begins with what
            did not happen ("Not taken: ...").
    """
    if isinstance(result, str):
        with suppress(ValueError, RecursionError):
            result = json.loads(result)
    if isinstance(result, Mapping):
        outcome = result.get("outcome", "connected")
        done = outcome in ("connected", "handed over", "ok", True)
        return not result.get("error") and result.get("ok") is not False and done
    return not str(result).lower().startswith(_FAILURES)


_FAILURES = ("not ", "cancelled", "failed", "error", "the function ")


def _call_id(number: int) -> str:
    return f"call_{number:08d}"


def _used(use: ToolUse, at: datetime) -> Message:
    # As Pipecat writes results into a context.
    result = json.dumps(use.result, ensure_ascii=False, default=str) if use.result else "COMPLETED"
    return Message(Role.TOOL, result, at, use)


def _has_another_event(use: ToolUse) -> bool:
    """Whether what the tool did has an event too: a message that was taken, a transfer that was tried."""
    return use.ok or (isinstance(use.result, Mapping) and "outcome" in use.result)


def turns(events: Iterable[CallEvent]) -> list[Turn]:
    """The conversation so far, an exchange each: without words of the bot for which the carrier gave no receipt."""
    found: list[Turn] = []
    for event in events:
        if isinstance(event, BotHeard) and not event.confirmed:
            continue
        if isinstance(event, CallerSaid):
            if found and not found[-1].bot_replied and not found[-1].interrupted:
                found[-1] = Turn(_joined(found[-1].caller_said, event.text), "")
            else:
                found.append(Turn(event.text, ""))
        elif isinstance(event, BotHeard | Interrupted):
            last = found.pop() if found else Turn("", "")
            cut = isinstance(event, Interrupted)
            heard = event.heard if isinstance(event, Interrupted) else event.text
            found.append(Turn(last.caller_said, _joined(last.bot_replied, heard), last.interrupted or cut))
    return found


def _joined(before: str, text: str) -> str:
    return f"{before} {text}".strip()
