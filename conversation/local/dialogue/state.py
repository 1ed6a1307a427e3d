"""Where a conversation with the local brain stands, and what it says next. Values only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from calls.policy import country_of
from conversation.agents.agent import Agent
from conversation.agents.destinations import spoken_name
from conversation.agents.tables import BrainLines
from conversation.local.retrieval import Match


class Stage(StrEnum):
    """Which question the caller was asked last, if any."""

    OPEN = "open"
    ANYTHING_ELSE = "anything_else"
    CLARIFY = "clarify"
    OFFER_MESSAGE = "offer_message"
    CONFIRM_TRANSFER = "confirm_transfer"
    MESSAGE_NAME = "message_name"
    MESSAGE_NUMBER_KNOWN = "message_number_known"
    MESSAGE_NUMBER = "message_number"
    MESSAGE_TEXT = "message_text"
    MESSAGE_CONFIRM = "message_confirm"
    MESSAGE_CORRECT = "message_correct"
    MESSAGE_FAILED = "message_failed"
    WAITING = "waiting"  # for a tool


@dataclass(frozen=True)
class Draft:
    """A message that is being taken.

    Attributes:
        caller_name: Who it is from.
        spelling: The part of the name that was spelled last; the caller may spell on.
        number: Digits to call back on, or the caller's own number in E.164 form.
        number_done: Whether the caller was asked for the number, which they may have refused.
        text: The message in the caller's words.
        recipient: Whom it is for, if the caller named a person.
        agreed: The words that the caller has said yes to, before more was added to them.
        then_end: The caller already said goodbye.
    """

    caller_name: str = ""
    spelling: str = ""
    number: str = ""
    number_done: bool = False
    text: str = ""
    recipient: str = ""
    agreed: str = ""
    then_end: bool = False


@dataclass(frozen=True)
class DialogueState:
    """Everything that the local brain remembers. It follows from what the caller said, so it can be rebuilt.

    Attributes:
        stage: The question that is open.
        topic: The fact that a clarifying question asked about.
        other: The other fact that it asked about, if it named two.
        destination: The transfer that was offered.
        draft: The message so far.
        misunderstood: Turns in a row that were not understood.
        last_reply: What was said last, to repeat it.
        transferring: The transfer that is under way, while the bot keeps the caller company.
        message_declined: A message was offered and not wanted; next time a person is.
        greeting_answered: The greeting asked a question (a menu key with `answer`), and it was answered.
        holding: The caller has just asked for a moment, and may go on to say what it is for.
        told: The fact that was told last; "Does that cost anything?" is about it.
        comes: The key that has answered the greeting's question: its `answer`.
        passed_on: What was in the message that was passed on a moment ago; callers may say it once more.
    """

    stage: Stage = Stage.OPEN
    topic: str = ""
    other: str = ""
    destination: str = ""
    draft: Draft = field(default_factory=Draft)
    misunderstood: int = 0
    last_reply: str = ""
    transferring: str = ""
    message_declined: bool = False
    greeting_answered: bool = False
    holding: bool = False
    told: str = ""
    comes: str = ""
    passed_on: str = ""

    def at(self, stage: Stage, **changes: Any) -> DialogueState:
        """Return a copy at another stage; being understood clears `misunderstood` unless it is given."""
        return replace(self, stage=stage, **({"misunderstood": 0} | changes))

    def with_draft(self, **changes: Any) -> DialogueState:
        """Return a copy with a changed message."""
        return replace(self, draft=replace(self.draft, **changes))


@dataclass(frozen=True)
class ToolCall:
    """A tool to call, as a model would."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What to say and, after that, what to do.

    Attributes:
        text: What to say.
        tool_call: What to do then.
        hesitant: The caller may not have finished the sentence, so this is said only when nothing follows it.
        fragment: What was said was not understood; it may have been a part of a sentence, so even longer is waited.
    """

    text: str = ""
    tool_call: ToolCall | None = None
    hesitant: bool = False
    fragment: bool = False


Decision = tuple[DialogueState, Reply]


class Ranker(Protocol):
    """What the dialogue needs of `conversation.local.retrieval.Retriever`."""

    def rank(self, text: str, days: Collection[str] = ()) -> list[Match]:
        """Order what a sentence may have meant, the nearest first."""
        ...

    def corrected(self, text: str) -> str | None:
        """Replace words that were probably misheard; None when there are none."""
        ...


@dataclass(frozen=True)
class Script:
    """An agent's words in one call.

    Attributes:
        agent: Whose words.
        tools: Names of the tools that may be called.
        variables: What the templates are rendered with.
    """

    agent: Agent
    tools: frozenset[str]
    variables: Mapping[str, Any]

    def line(self, name: str, **extra: str) -> str:
        """Render one of the agent's fixed sentences, of its `[brain]` or its `[lines]`."""
        table = self.agent.brain if name in BrainLines.model_fields else self.agent.lines
        return self.agent.render(getattr(table, name), {**self.variables, **extra})

    def lines(self, *names: str) -> str:
        """Render several lines and join them."""
        return " ".join(self.line(name) for name in names)

    def answer(self, topic: str) -> str:
        """Render the answer of a fact."""
        return self.agent.render(self.fact(topic).answer, self.variables)

    def fact(self, topic: str) -> Any:
        """Return the fact of a topic."""
        return next(fact for fact in self.agent.facts if fact.topic == topic)

    def spoken(self, transfer: str) -> str:
        """Name a transfer to a caller."""
        return spoken_name(self.agent, transfer, self.variables)

    def topic(self, topic: str) -> str:
        """Name a fact to a caller."""
        return self.agent.render(topic, self.variables)

    @property
    def can_take_message(self) -> bool:
        """Whether messages can be taken."""
        return "take_message" in self.tools

    @property
    def can_transfer(self) -> bool:
        """Whether callers can be put through."""
        return "transfer_call" in self.tools and bool(self.agent.transfers)

    @property
    def caller_number(self) -> str:
        """The caller's own number, or nothing when it is withheld or no number."""
        number = str(self.variables.get("caller_number") or "")
        return number if number.startswith("+") else ""

    @property
    def region(self) -> str | None:
        """The country that numbers without one are in: that of our number, or else the caller's."""
        numbers = (self.variables.get("called_number"), self.variables.get("caller_number"))
        return next((country for number in numbers if (country := country_of(str(number or "")))), None)

    @property
    def topics(self) -> str:
        """The first topics, as a list to say: "parking, prices and insurance"."""
        topics = [self.topic(fact.topic) for fact in self.agent.facts[:4]]
        return " and ".join([", ".join(topics[:-1]), topics[-1]]) if len(topics) > 1 else "".join(topics)

    def menu(self) -> str:
        """Say what the keys do, or what can be asked when there are none."""
        items = [
            self.line("menu_key", key=digit, label=self.agent.render(item.label, self.variables))
            for digit, item in sorted(self.agent.menu.items(), key=lambda entry: (entry[0] == "0", entry[0]))
            if (item.tool is None or item.tool in self.tools) and (item.transfer is None or self.can_transfer)
        ]
        if items:
            return f"{self.line('menu_intro')} {self.line('menu_keys', keys=', '.join(items))}"
        if self.agent.facts:
            return f"{self.line('menu_intro')} {self.line('topics_intro', topics=self.topics)}"
        return self.line("how_can_i_help")

    def goodbye(self, before: str = "") -> Reply:
        """End the call; the tool speaks the farewell."""
        farewell = f"{before} {self.line('goodbye')}".strip()
        if "end_call" in self.tools:
            return Reply(tool_call=ToolCall("end_call", {"farewell": farewell}))
        return Reply(farewell)
