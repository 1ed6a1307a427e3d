"""What a context tells the local brain: what the caller said, what tools returned, and how far it was answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pipecat.processors.aggregators import async_tool_messages
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage, standard_message_text
from pipecat.utils.types import is_given

from calls.transcript import tool_succeeded
from conversation.language.utterance import Utterance


@dataclass(frozen=True)
class Said:
    """A turn of the caller in the context."""

    content: str


@dataclass(frozen=True)
class Returned:
    """A tool's result in the context."""

    call_id: str
    tool: str
    succeeded: bool
    told: bool = False
    """The caller has heard what became of it."""
    result: Any = None
    """What the tool has told."""


class History(list[Said | Returned]):
    """What happened in a conversation, in order.

    Attributes:
        answered: How many of the entries the bot has spoken after.
        greeted_after: How many entries there were when the bot spoke for the first time.
    """

    answered: int = 0
    greeted_after: int | None = None

    def spoken_after(self, turns: int) -> bool:
        """Whether the bot was heard after so many turns of the caller."""
        places = [place for place, entry in enumerate(self, start=1) if isinstance(entry, Said)]
        return turns == 0 or (turns <= len(places) and self.answered >= places[turns - 1])


class Unprompted(Enum):
    """Where the conversation stands when the bot is to speak without a new turn of the caller."""

    NOTHING = "nothing was said yet"
    SPOKE_BEFORE = "it has spoken before"
    CUT_OFF = "a noise cut its last words off"


def read_context(context: LLMContext, succeeded: Mapping[str, bool] | None = None) -> History:
    """Find what the caller said and what tools returned.

    Args:
        context: Of the conversation. Results of tools that are still running are left out.
        succeeded: Which calls of tools did what they are for, by id. Of others the result itself must tell.
    """
    succeeded = succeeded if succeeded is not None else {}
    names: dict[str, str] = {}
    history = History()
    for message in context.get_messages():
        if isinstance(message, LLMSpecificMessage):
            continue
        fields: Mapping[str, Any] = message
        for call in fields.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        payload = async_tool_messages.parse_message(message)
        if payload is not None:
            if payload.kind == "final":
                history.append(_returned(payload.tool_call_id, names, payload.result or "", succeeded))
        elif fields.get("role") == "user" and (content := standard_message_text(message).strip()):
            history.append(Said(content))
        elif fields.get("role") == "tool" and fields.get("content") != "IN_PROGRESS":
            call_id, result = str(fields.get("tool_call_id")), str(fields.get("content"))
            history.append(_returned(call_id, names, result, succeeded))
        elif _is_spoken(message):
            history.answered = len(history)
            if history.greeted_after is None:
                history.greeted_after = len(history)
    return history


def keyed(history: History) -> bool:
    """Whether the caller's last turn has keys in it."""
    last = next((entry for entry in reversed(history) if isinstance(entry, Said)), None)
    return last is not None and bool(Utterance.parse(last.content).keys)


def since_greeting(history: History) -> History:
    """Leave out what was said on answering our call: a "Yes?" before our greeting does not answer it."""
    before = history.greeted_after or 0
    since = History(history[before:])
    since.answered, since.greeted_after = history.answered - before, 0
    return since


def why_unprompted(context: LLMContext) -> Unprompted:
    """Where the conversation stands when the bot is to speak without a new turn of the caller."""
    messages = context.get_messages()
    last = messages[-1] if messages else None
    if last is not None and not isinstance(last, LLMSpecificMessage) and last.get("role") == "developer":
        return Unprompted.CUT_OFF
    return Unprompted.SPOKE_BEFORE if any(map(_is_spoken, messages)) else Unprompted.NOTHING


def tool_names(context: LLMContext) -> frozenset[str]:
    """Name the tools that a context offers."""
    tools = context.tools
    return frozenset(tool.name for tool in tools.standard_tools) if is_given(tools) and tools else frozenset()


def _value(result: str) -> Any:
    try:
        return json.loads(result)
    except ValueError:
        return result


def _returned(call_id: str, names: Mapping[str, str], result: str, succeeded: Mapping[str, bool]) -> Returned:
    tool, value = names.get(call_id, ""), _value(result)
    # The session tells the caller of a transfer that was tried, but not of one that was refused.
    told = tool == "transfer_call" and isinstance(value, dict) and "outcome" in value
    ok = succeeded[call_id] if call_id in succeeded else tool_succeeded(value)
    return Returned(call_id, tool, ok, told, value)


def _is_spoken(message: Any) -> bool:
    if isinstance(message, LLMSpecificMessage) or message.get("role") != "assistant":
        return False
    return bool(standard_message_text(message).strip())
