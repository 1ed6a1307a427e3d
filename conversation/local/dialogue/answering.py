"""What the local brain says to what callers bring up: facts, one or two, a question back, a way on, a goodbye."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from conversation.agents.tables import TAKE_MESSAGE
from conversation.language.utterance import (
    Wish,
    begins_as_question,
    clauses,
    is_question,
    plain,
    yes_or_no,
)
from conversation.language.wishes import is_back
from conversation.local.dialogue import putting_through
from conversation.local.dialogue.meaning import Meaning
from conversation.local.dialogue.state import (
    Decision,
    DialogueState,
    Draft,
    Ranker,
    Reply,
    Script,
    Stage,
    ToolCall,
)

Wished = tuple[str, Wish | None, str | None]
"""A part of what was said, its wish and its fact."""

_BESIDES = re.compile(r"(?:what|how) about\b", re.IGNORECASE)

ANSWERS_IN_ONE_TURN = 2
"""Facts that are said in one turn at the most."""

_TWO_THINGS = re.compile(
    r",?\s(?:and|or|also)\s(?:also\s)?(?=(?:your|the|about|if|whether)\b)|"
    r"(?<=\w{3})(?<!\bwhere)(?<!\bwhen)(?<!\bwhat)(?<!\bwhich)(?<!\bhow)\s"
    r"(?=(?:what|where|when|which) (?:are|is|do|does)\b|(?:how much|do you|can i|are you|is there)\b)",
    re.IGNORECASE,
)
"""Where two things may be asked for in one breath; they are two when each is a question of its own."""

_STATES = re.compile(r"(?:\w+ ){0,2}(?:i need|i want|i have to|im looking|i am looking)\b")
"""Words like those of a wish, which are also what takes a moment: "I need my glasses"."""


def after(said: Iterable[str], decision: Decision) -> Decision:
    """Say something before what was decided."""
    state, reply = decision
    return state, replace(reply, text=" ".join([*said, reply.text]).strip())


class Answering:
    """The answers of one turn."""

    def __init__(self, script: Script, retriever: Ranker):
        """Initialize them.

        Args:
            script: The agent's words.
            retriever: Finds what was meant.
        """
        self.script = script
        self.meaning = Meaning(script, retriever)

    def parts(self, text: str) -> list[str]:
        """Cut what was said into sentences, and "your prices and your address" into two questions if it is two."""
        parts = clauses(text)
        if len(parts) == 1 and len(halves := _TWO_THINGS.split(parts[0])) == ANSWERS_IN_ONE_TURN:
            facts = [self.meaning.of(half)[1] for half in halves]
            if all(facts) and len(set(facts)) == len(halves):
                return halves
        return parts

    def means(self, state: DialogueState, part: str) -> tuple[Wish | None, str | None]:
        """Find out what a sentence wants; one that speaks of "that" may be about what was told last."""
        wish, fact = self.meaning.of(part)
        about = self.meaning.about(part, state.told) if state.told and wish is None else None
        if fact != state.told and about is None and state.told and self.meaning.asks_if_free(part):
            return wish, None  # that another thing is free says nothing of this one
        return wish, about or fact

    def with_grounds(self, wishes: list[Wished]) -> list[Wished]:
        """Take a question together with the grounds before it: "I've never been to you, may I come?".

        Where both say nothing together, the question counts: "I walk with a stick, is there a lift?".
        """
        found: list[Wished] = []
        for part, wish, fact in wishes:
            grounds, before, _ = found[-1] if found else ("", None, None)
            apart = not grounds or grounds[-1] in ".?!" or begins_as_question(grounds) or _BESIDES.match(part)
            if apart or before or wish:
                found.append((part, wish, fact))
            elif whole := self.meaning.said_fact(f"{grounds}, {part}"):
                found[-1] = (f"{grounds}, {part}", None, whole)
            else:
                found[-1] = (grounds, None, None if fact else found[-1][2])
                found.append((part, wish, fact))
        return found

    def doubtful(self, state: DialogueState, text: str) -> Decision:
        """Ask back or decline; who may not have finished the sentence is waited for."""
        state, reply = self.asked_back(state, text)
        return state, replace(reply, hesitant=reply.fragment or not text.rstrip().endswith("?"))

    def asked_back(self, state: DialogueState, text: str) -> Decision:
        """Ask which fact was meant, or decline what is near none."""
        if topics := self.meaning.near_facts(text):
            topic, other = topics[0], "".join(topics[1:])
            asked = state.at(Stage.CLARIFY, topic=topic, other=other, misunderstood=state.misunderstood)
            named = {"topic": self.script.topic(topic), "other": self.script.topic(other) if other else ""}
            return asked, Reply(self.script.line("clarify_either" if other else "clarify", **named))
        if is_question(text) and len(plain(text).split()) >= 3:
            if not self.script.can_take_message:
                return state.at(Stage.OPEN), Reply(self.script.lines("off_topic", "anything_else"))
            if state.message_declined and self.script.can_transfer and not state.transferring:
                return after([self.script.line("off_topic")], putting_through.offer(state, "", self.script))
            return state.at(Stage.OFFER_MESSAGE, destination=""), Reply(
                self.script.lines("off_topic", "offer_message")
            )
        return self.not_understood(state)

    def not_understood(self, state: DialogueState) -> Decision:
        """Ask again, then say what can be asked, then offer a message and the keys.

        An offer that was made a moment before stays open.
        """
        count = state.misunderstood + 1
        if count == 1 and (offer := self.offered_last(state)):
            text = f"{self.script.line('did_not_understand')} {offer}"
            return state.at(state.stage, misunderstood=count), Reply(text, hesitant=True, fragment=True)
        if count == 1:
            return state.at(Stage.OPEN, misunderstood=count), Reply(
                self.script.line("did_not_understand"), hesitant=True, fragment=True
            )
        if count == 2 or not self.script.can_take_message:
            help_text = f"{self.script.line('help')} {self.script.menu()}"
            return state.at(Stage.OPEN, misunderstood=count), Reply(help_text)
        if count % 2 == 0 and self.script.can_transfer and not state.transferring:
            asked, reply = putting_through.offer(state, "", self.script)
            return after([self.script.line("help")], (replace(asked, misunderstood=count), reply))
        offer = self.script.lines("help", "offer_message", "yes_or_no_keys")
        return state.at(Stage.OFFER_MESSAGE, misunderstood=count, destination=""), Reply(offer)

    def offered_last(self, state: DialogueState) -> str:
        """The offer that waits for a yes or a no; empty where there is none."""
        if state.stage is Stage.OFFER_MESSAGE:
            return self.script.line("offer_message")
        if state.stage is Stage.CONFIRM_TRANSFER:
            return self.script.line("transfer_confirm", destination=self.script.spoken(state.destination))
        return ""

    def simple(self, state: DialogueState, wish: Wish) -> Decision:
        """Answer a wish that needs no more than a line."""
        line = self.script.line
        match wish:
            case Wish.REPEAT:
                return state, Reply(
                    state.last_reply
                    or self.script.agent.render(self.script.agent.greeting, self.script.variables)
                )
            case Wish.MENU:
                return state.at(Stage.OPEN), Reply(self.script.menu())
            case Wish.IDENTITY:
                return state.at(Stage.OPEN), Reply(line("identity"))
            case Wish.HOLD_ON:
                return replace(state, holding=True), Reply(line("hold_on"))
            case Wish.THANKS:  # a goodbye often follows, after a breath
                text = self.script.lines("you_are_welcome", "anything_else")
                return state.at(Stage.ANYTHING_ELSE), Reply(text, hesitant=True)
            case Wish.CLOSING | Wish.NO:
                return state.at(Stage.ANYTHING_ELSE), Reply(line("anything_else"), hesitant=True)
        return state.at(Stage.OPEN), Reply(line("how_can_i_help"))

    def is_remark(self, text: str) -> bool:
        """Whether words ask for nothing, so that they only say what the moment is for that was asked for before."""
        parts = clauses(text)
        return bool(parts) and not any(
            is_back(part)
            or yes_or_no(part)[0] is not None
            or (begins_as_question(part) and not _STATES.match(plain(part)))
            or self.meaning.wants_something(part)
            for part in parts
        )

    def call(self, state: DialogueState, tool: str, before: str = "") -> Decision:
        """Call a tool of the agent's own."""
        if tool not in self.script.tools:  # a server's, which is away
            text = f"{before} {self.script.lines('tool_failed', 'anything_else')}"
            return state.at(Stage.ANYTHING_ELSE), Reply(text.strip())
        return state.at(Stage.OPEN), Reply(before, ToolCall(tool, {}))

    def say_facts(self, state: DialogueState, topics: list[str]) -> Decision:
        """Say what the owner wrote about the topics, and offer what the last one offers."""
        text = " ".join(filter(None, (self.script.answer(topic) for topic in topics)))
        state = replace(state, told=topics[-1])
        if tool := next(filter(None, (self.script.fact(topic).tool for topic in topics)), None):
            return self.call(state, tool, text)
        offer = self.script.fact(topics[-1]).offer
        if offer == TAKE_MESSAGE and self.script.can_take_message:
            offered = state.at(Stage.OFFER_MESSAGE, destination="")
            return offered, Reply(f"{text} {self.script.line('offer_message')}")
        if offer is not None and offer != TAKE_MESSAGE and self.script.can_transfer:
            question = self.script.line("transfer_confirm", destination=self.script.spoken(offer))
            return state.at(Stage.CONFIRM_TRANSFER, destination=offer), Reply(f"{text} {question}")
        question = "" if state.greeting_answered else self.script.line("greeting_question")
        return state.at(Stage.OPEN), Reply(f"{text} {question}".strip())

    def end(self, state: DialogueState, facts: list[str] | None = None) -> Decision:
        """Say goodbye, after the answers to what was asked in the same breath."""
        before = " ".join(self.script.answer(topic) for topic in facts or [])
        return state.at(Stage.OPEN, draft=Draft()), self.script.goodbye(before)
