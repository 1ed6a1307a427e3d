"""What the local brain makes of a call flow: which choice of the node a caller means, and what it says there.

The flow's choices come first. What is none of them is answered as without a flow: a question by a fact, a wish for a
person by a transfer, a goodbye by a goodbye. After that the caller is asked the node's question again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conversation.agents.agent import Agent
from conversation.agents.flow import AgentFlow
from conversation.agents.flow_words import Choice
from conversation.language.spoken_numbers import spoken_number
from conversation.language.utterance import Utterance, Wish, clauses, plain, wish_of, yes_or_no
from conversation.local.dialogue.deciding import decide
from conversation.local.dialogue.state import (
    Decision,
    DialogueState,
    Ranker,
    Reply,
    Script,
    Stage,
    ToolCall,
)
from conversation.local.retrieval import Match

CHOICE_SCORE = 0.5
"""A choice this near is meant, when it is nearer than the others of its node. Few things can be meant in a node."""

CHOICE_SCORE_NAMED = 0.35
"""The same when one of the words that only this choice has was said."""

CHOICES_APART = 0.05
"""How much nearer than every other choice it must be."""

SPOKEN_DIGITS = 3
"""From how many spoken digits on they count as the number that a node asks for."""


@dataclass(frozen=True)
class Place:
    """A node, as a brain sees it.

    Attributes:
        node: Its name.
        say: What is said in it, a template; empty when there is nothing of the owner's.
        state: The flow's state, which the template sees.
        choices: The functions that a caller can choose, by name.
        functions: The names of all functions of the flow.
        digits: The function that a row of digits is for, and its parameter.
        ends: Whether the conversation ends here.
        needs_a_model: Whether there is nothing that a caller could choose.
    """

    node: str
    say: str
    state: Mapping[str, Any]
    choices: Mapping[str, Choice]
    functions: frozenset[str]
    digits: tuple[str, str] | None = None
    ends: bool = False
    needs_a_model: bool = False


def place_of(flow: AgentFlow, node: str, state: Mapping[str, Any]) -> Place:
    """See a node as a brain does."""
    return Place(
        node,
        flow.words_of(node).say or "",
        dict(state),
        flow.choices(node),
        frozenset(one.name for name in flow.config.nodes for one in flow.functions(name)),
        flow.digits(node),
        flow.ends(node),
        flow.needs_a_model(node),
    )


class InFlow:
    """Decides what to say and do in one node."""

    def __init__(
        self,
        place: Place,
        agent: Agent,
        retriever: Ranker,
        tools: Collection[str],
        variables: Mapping[str, Any],
    ) -> None:
        """Initialize it.

        Args:
            place: The node.
            agent: Whose words.
            retriever: Finds what was meant.
            tools: Names of the tools and functions that may be called.
            variables: What the templates are rendered with.
        """
        self._place = place
        self._agent = agent
        self._retriever = retriever
        self._tools = frozenset(tools)
        self._script = Script(agent, self._tools, {**variables, **place.state})
        self._choices = {name: one for name, one in place.choices.items() if name in self._tools}

    def enter(self, state: DialogueState) -> Decision:
        """What is said on coming to the node, or on coming back to it."""
        place, line = self._place, self._script.line
        if place.needs_a_model:
            if self._script.can_take_message:
                offer = Reply(f"{line('flow_needs_model')} {line('offer_message')}")
                return state.at(Stage.OFFER_MESSAGE, destination=""), offer
            return state.at(Stage.ANYTHING_ELSE), Reply(f"{line('flow_needs_model')} {line('anything_else')}")
        return state.at(Stage.OPEN), Reply(self.words())

    def words(self) -> str:
        """The node's question: the owner's words, or else what can be chosen."""
        if self._place.say:
            return self._agent.render(self._place.say, self._script.variables)
        if self._place.ends:
            return self._script.line("goodbye")
        return self._options()

    def returned(self, state: DialogueState, succeeded: bool, result: Any) -> Decision:
        """What is said when a function of the flow has returned and the flow stays in its node."""
        if not succeeded:
            return self._again(state, self._script.line("tool_failed"))
        return self._again(state, result if isinstance(result, str) else "")

    def back(self, state: DialogueState, told: Reply) -> Decision:
        """Come back to the node's question after a tool of the agent's, unless the brain has asked one of its own."""
        if state.stage is Stage.ANYTHING_ELSE and not self._place.needs_a_model:
            return self._again(state, told.text.removesuffix(self._script.line("anything_else")).strip())
        return state, told

    def is_a_choice(self, text: str) -> bool:
        """Whether the caller's words mean one of the node's choices, or are the digits that it asks for."""
        digits = self._place.digits is not None and len(spoken_number(text)) >= SPOKEN_DIGITS
        return digits or bool(self._chosen(text))

    def decide(self, state: DialogueState, utterance: Utterance) -> Decision:
        """Decide what the caller's words or keys do."""
        asked = state.stage not in (Stage.OPEN, Stage.ANYTHING_ELSE)
        if asked or self._place.needs_a_model:  # a question of the brain's own comes first
            return self._beside(state, utterance)
        if utterance.keys:
            return self._keyed(state, utterance)
        if name := self._chosen(utterance.text):
            return self._do(state, name)
        if self._place.digits and len(digits := spoken_number(utterance.text)) >= SPOKEN_DIGITS:
            return self._do(state, self._place.digits[0], {self._place.digits[1]: digits})
        return self._beside(state, utterance)

    def _do(self, state: DialogueState, name: str, arguments: Mapping[str, Any] | None = None) -> Decision:
        return state.at(Stage.OPEN), Reply(tool_call=ToolCall(name, dict(arguments or {})))

    def _keyed(self, state: DialogueState, utterance: Utterance) -> Decision:
        keys, digits = utterance.keys, utterance.digits
        by_key = {choice.key: name for name, choice in self._choices.items() if choice.key is not None}
        for key in (keys, digits):  # a row of keys is ended by #, which may be a choice of its own
            if key in by_key:
                return self._do(state, by_key[key])
        if self._place.digits and digits:
            return self._do(state, self._place.digits[0], {self._place.digits[1]: digits})
        if not digits:
            return self._again(state, "")
        if digits in self._agent.menu or (digits == "0" and self._agent.transfers):
            return self._beside(state, utterance)
        return self._again(state, f"{self._script.line('not_an_option')} {self._options()}", question=False)

    def _chosen(self, text: str) -> str:
        """The choice that a sentence means; empty when it means none of them, or two."""
        if not plain(text) or wish_of(text) is Wish.GOODBYE:
            return ""
        for part in (text, *clauses(text)):
            for name, choice in self._choices.items():
                if plain(part) in {
                    plain(self._agent.own(one)) for one in (*choice.examples, _label(name, choice))
                }:
                    return name
        said = yes_or_no(text)[0]
        if said is not None:
            for name, choice in self._choices.items():
                if ("yes" if said else "no") in {plain(one) for one in choice.examples}:
                    return name
        ranked = self._retriever.rank(text)
        near = [self._of_the_node(match) for match in ranked]
        found = [(name, match) for name, match in zip(near, ranked, strict=True) if name]
        if not found:
            return ""
        (name, best), others = found[0], found[1:2]
        if others and best.score - others[0][1].score < CHOICES_APART:
            return ""
        if any(match.score > best.score and match.kind in ("fact", "transfer", "intent") for match in ranked):
            return ""
        return name if best.score >= (CHOICE_SCORE_NAMED if best.coverage else CHOICE_SCORE) else ""

    def _of_the_node(self, match: Match) -> str:
        node, _, name = match.key.partition("\n")
        return name if match.kind == "choice" and node == self._place.node and name in self._choices else ""

    def _beside(self, state: DialogueState, utterance: Utterance) -> Decision:
        """Answer what is no choice as without a flow, and come back to the node's question."""
        before = state
        state, reply = decide(
            state, utterance, self._agent, self._retriever, self._tools, self._script.variables
        )
        if self._place.needs_a_model or reply.tool_call is not None:
            return state, reply
        line = self._script.line
        if state.stage is Stage.ANYTHING_ELSE:
            said = reply.text.removesuffix(line("anything_else")).strip()
            return self._again(state, said, hesitant=reply.hesitant)
        if state.stage is Stage.OPEN and state.misunderstood > before.misunderstood:
            again = (
                line("did_not_understand")
                if state.misunderstood == 1
                else f"{line('help')} {self._options()}"
            )
            asked = state.misunderstood == 1
            state, said_again = self._again(state, again, question=asked, hesitant=reply.hesitant)
            state = replace(state, misunderstood=before.misunderstood + 1)
            return state, replace(said_again, fragment=reply.fragment)
        if state.stage is Stage.OPEN:
            return self._again(state, reply.text, hesitant=reply.hesitant)
        return state, reply

    def _again(
        self, state: DialogueState, before: str, *, question: bool = True, hesitant: bool = False
    ) -> Decision:
        text = f"{before} {self.words() if question else ''}".strip()
        return state.at(Stage.OPEN), Reply(text, hesitant=hesitant)

    def _options(self) -> str:
        """Say what can be chosen."""
        render, line = self._agent.render, self._script.line
        labels = {
            name: render(_label(name, choice), self._script.variables)
            for name, choice in self._choices.items()
        }
        keys = {choice.key: labels[name] for name, choice in self._choices.items() if choice.key is not None}
        if keys and len(keys) == len(labels):
            pressed = ", ".join(line("menu_key", key=key, label=label) for key, label in sorted(keys.items()))
            return f"{line('menu_intro')} {line('menu_keys', keys=pressed)}"
        names = list(labels.values())
        if not names:
            return line("go_on")
        choices = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        return line("flow_choices", choices=choices)


def _label(name: str, choice: Choice) -> str:
    return choice.label or name.replace("_", " ")
