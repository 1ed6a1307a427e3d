"""An agent's call flow, joined to its code and its words, and what an agent without a model can do in each node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conversation.agents.flow_words import Choice, FlowWords, NodeWords

if TYPE_CHECKING:
    from pipecat.flows import Flow, FlowConfig, FlowsFunctionSchema

END_CONVERSATION, TTS_SAY, TRANSFER = "end_conversation", "tts_say", "transfer"
"""Actions: Pipecat's own, whose words and end are ours, and one that puts the caller through."""

PLACEHOLDER = re.compile(r"(\\?)\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*\}\}")
"""A name of the flow's state in a prompt. A backslash in front has it left alone.

Source: pipecat/flows/manager.py of Pipecat 1.14, `_PLACEHOLDER`; docs in `FlowConfig`.
"""


@dataclass(frozen=True)
class AgentFlow:
    """A flow that can be run. It is the same for all calls.

    Parameters:
        file: The name of its file.
        config: What the file says.
        flow: The same, with the functions of the agent's own code.
        words: The `[flow]` table of the agent's file.
    """

    file: str
    config: FlowConfig
    flow: Flow = field(repr=False)
    words: FlowWords

    def functions(self, node: str) -> list[FlowsFunctionSchema]:
        """What a model is offered in a node, and everywhere."""
        from pipecat.flows import FlowsFunctionSchema

        offered = [*self.flow.node(node).get("functions", ()), *self.flow.global_functions]
        return [one for one in offered if isinstance(one, FlowsFunctionSchema)]

    def words_of(self, node: str) -> NodeWords:
        """What `[flow.nodes.NODE]` says; of a node without that table, nothing."""
        return self.words.nodes.get(node) or NodeWords()

    def choices(self, node: str) -> dict[str, Choice]:
        """The functions of a node that need no arguments: what a caller can choose without a model."""
        words = self.words_of(node)
        return {
            one.name: words.choices.get(one.name) or Choice()
            for one in self.functions(node)
            if not one.required and one.name != words.digits
        }

    def digits(self, node: str) -> tuple[str, str] | None:
        """The function of a node that a row of digits is for, and the name of its parameter."""
        wanted = self.words_of(node).digits
        return next(((one.name, one.required[0]) for one in self.functions(node) if one.name == wanted), None)

    def ends(self, node: str) -> bool:
        """Whether the conversation ends in a node."""
        return any(action.type == END_CONVERSATION for action in self._actions(node))

    def last_words(self, node: str) -> str | None:
        """The text of a node's `end_conversation`, empty when it has none; None where the conversation goes on."""
        ends = (action for action in self._actions(node) if action.type == END_CONVERSATION)
        return next((str(action.extras().get("text") or "") for action in ends), None)

    def puts_through(self, node: str) -> bool:
        """Whether the caller is put through to a person on coming to a node."""
        return any(action.type == TRANSFER for action in self.config.nodes[node].pre_actions)

    def speaks(self, node: str) -> bool:
        """Whether the file itself has words for coming to a node."""
        return any(
            action.type == TTS_SAY or (action.type == END_CONVERSATION and action.extras().get("text"))
            for action in self.config.nodes[node].pre_actions
        )

    def needs_a_model(self, node: str) -> bool:
        """Whether nothing can be done in a node without a model."""
        return not (self.choices(node) or self.digits(node) or self.ends(node) or self.puts_through(node))

    def placeholders(self, node: str, *, goodbye: bool = False) -> set[str]:
        """The names of the state that a node cannot be without, as its prompts and words are filled in with them.

        Args:
            node: The node.
            goodbye: Name those of its last words, too, which can be without them.
        """
        about = self.config.nodes[node]
        texts = [about.role_message or "", *(message.content for message in about.task_messages)]
        texts += [
            str(action.extras().get("text") or "")
            for action in self._actions(node)
            if goodbye or action.type != END_CONVERSATION
        ]
        return {found[2] for text in texts for found in PLACEHOLDER.finditer(text) if not found[1]}

    def reachable(self, *, without_a_model: bool = False) -> set[str]:
        """The nodes that a conversation can come to.

        Args:
            without_a_model: By what callers choose and key in only.
        """
        found, todo = set(), [self.config.initial_node]
        while todo:
            node = todo.pop()
            if node in found:
                continue
            found.add(node)
            able = {*self.choices(node), *(self.digits(node) or ())}
            for one in (*self.config.nodes[node].functions, *self.config.global_functions):
                if not without_a_model or one.name in able:
                    todo += one.targets()
        return found

    def _actions(self, node: str) -> Iterator[FlowConfig.Action]:
        yield from self.config.nodes[node].pre_actions
        yield from self.config.nodes[node].post_actions


def in_state(name: str, state: Mapping[str, Any]) -> bool:
    """Whether a placeholder's name, `order.size` perhaps, is in a flow's state."""
    value: Any = state
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True
