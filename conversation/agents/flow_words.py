"""The `[flow]` table of an agent's TOML file: what Pipecat Flows' own format has no place for, words and keys."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from conversation.agents.tables import Name, Reference, Table, Text

_KEY = re.compile(r"[0-9*#]")


class Choice(Table):
    """How callers choose one function of a node, without a model.

    Attributes:
        label: How it is named to callers ("your order"); the function's name when not given. A template.
        key: The key of the telephone that means it: a digit, `*` or `#`. A model is told of it, too.
        examples: What callers say who mean it. Templates, which are filled in with the file's own `variables`.
    """

    label: Text | None = None
    key: Reference = None
    examples: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_a_key(self) -> Choice:
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise ValueError("key must be one key of the telephone: 0 to 9, * or #")
        return self


class NodeWords(Table):
    """What is said and understood in one node.

    Attributes:
        say: What the local brain says on coming to the node, and again when it has not understood. A template, which
            sees the flow's state, too.
        digits: The function that a row of keys, or of spoken digits, is for; it has one required parameter, which gets
            them.
        choices: The node's functions, by name.
    """

    say: Text | None = None
    digits: Reference = None
    choices: dict[Name, Choice] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keys_mean_one_thing(self) -> NodeWords:
        keys = [choice.key for choice in self.choices.values() if choice.key is not None]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"the key {key} means two things; give one of them another key")
        return self


class FlowWords(Table):
    """The flow's words.

    Attributes:
        nodes: By the nodes' names in the flow's file.
    """

    nodes: dict[Name, NodeWords] = Field(default_factory=dict)
