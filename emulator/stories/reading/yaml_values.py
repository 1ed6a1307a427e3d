"""YAML with line numbers: values that know where they stand in their file, and mistakes that say so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

_SECS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Mistake:
    """What is wrong in a file.

    Attributes:
        line: From 1.
        key: Where in the story.
        text: What is wrong and how to mend it.
    """

    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """`LINE: KEY: what is wrong; how to mend it`."""
        return f"{self.line}: {self.key}: {self.text}"


class Unreadable(Exception):
    """The file is no YAML."""

    def __init__(self, mistake: Mistake) -> None:
        """Keep the mistake."""
        super().__init__(str(mistake))
        self.mistake = mistake


@dataclass
class Value:
    """One value of the file.

    A value of the wrong kind is a mistake, and something harmless is given in its place, so that one reading finds all
    mistakes.
    """

    node: yaml.Node
    key: str
    mistakes: list[Mistake] = field(repr=False)

    @property
    def line(self) -> int:
        """Its line, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def is_text(self) -> bool:
        """Whether it is a single value, and no list or table."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written there."""
        return self.is_text and self.node.tag == "tag:yaml.org,2002:null"

    def wrong(self, text: str) -> None:
        """Note a mistake at this value."""
        self.mistakes.append(Mistake(self.line, self.key, text))

    def text(self) -> str:
        """A text; a number is taken as it is written."""
        if not self.is_text or self.is_empty:
            self.wrong("write a text")
            return ""
        return str(self.node.value)

    def one_of(self, known: Collection[str]) -> str:
        """One of some words."""
        text = self.text()
        if text and text not in known:
            self.wrong(f"{text!r} is not known{did_you_mean(text, known)}; use one of {', '.join(known)}")
        return text if text in known else next(iter(known))

    def secs(self) -> float:
        """A length of time: `2s`, `500ms`, `3m`, or a number of seconds."""
        text = self.text()
        match = _SECS.fullmatch(text.strip())
        if match is None:
            self.wrong(f"{text!r} is no length of time; write for example 2s, 500ms or 3m")
            return 0.0
        return float(match[1]) * _UNITS[match[2]]

    def number(self) -> float:
        """A number."""
        try:
            return float(self.text())
        except ValueError:
            self.wrong(f"{self.node.value!r} is no number")
            return 0.0

    def whole(self, least: int = 0) -> int:
        """A whole number."""
        number = self.number()
        if number != int(number) or number < least:
            self.wrong(f"write a whole number from {least}")
            return least
        return int(number)

    def flag(self) -> bool:
        """Yes or no."""
        text = self.text().lower()
        if text not in _FLAGS:
            self.wrong("write yes or no")
        return _FLAGS.get(text, False)

    def items(self) -> list[Value]:
        """The values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.wrong("write a list: lines that begin with a hyphen")
            return []
        return [
            Value(node, f"{self.key}[{number}]", self.mistakes) for number, node in enumerate(self.node.value)
        ]

    def one_or_more(self) -> list[Value]:
        """The values of a list, or the single value."""
        return self.items() if self.is_list else [self]

    def table(self, known: Collection[str] | None = None) -> dict[str, Value]:
        """The values by their keys.

        Args:
            known: Keys that there may be; None for any.
        """
        if not isinstance(self.node, yaml.MappingNode):
            self.wrong("write keys with values: lines like `key: value`")
            return {}
        found: dict[str, Value] = {}
        for key_node, node in self.node.value:
            name = str(key_node.value)
            value = Value(node, f"{self.key}.{name}" if self.key else name, self.mistakes)
            line = int(key_node.start_mark.line) + 1
            if known is not None and name not in known:
                hint = did_you_mean(name, known) or f"; known are {', '.join(sorted(known))}"
                self.mistakes.append(Mistake(line, value.key, f"this key is not known{hint}"))
            elif name in found:
                self.mistakes.append(Mistake(line, value.key, "this key is there twice; keep one"))
            else:
                found[name] = value
        return found

    def plain(self) -> Any:
        """The value as JSON knows it."""
        if isinstance(self.node, yaml.MappingNode):
            return {str(key.value): Value(node, self.key, []).plain() for key, node in self.node.value}
        if isinstance(self.node, yaml.SequenceNode):
            return [Value(node, self.key, []).plain() for node in self.node.value]
        kind = self.node.tag.rpartition(":")[2]
        text = str(self.node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return _FLAGS.get(text.lower(), text)
        # A telephone number is no number, although YAML takes +1202... for one.
        if kind in ("int", "float") and re.fullmatch(r"-?\d{1,9}(\.\d+)?", text):
            return float(text) if "." in text else int(text)
        return text


def read_yaml(text: str, mistakes: list[Mistake]) -> Value:
    """Read a file's text.

    Raises:
        Unreadable: It is no YAML.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        hint = "check the indentation and the quotes"
        raise Unreadable(Mistake(line, "YAML", f"{error.problem or 'unreadable'}; {hint}")) from None
    except yaml.YAMLError as error:
        raise Unreadable(Mistake(1, "YAML", str(error).splitlines()[0])) from None
    if node is None:
        raise Unreadable(Mistake(1, "YAML", "the file is empty; see docs/stories.md for the format"))
    return Value(node, "", mistakes)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The closest known word as a hint, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def all_texts(value: Value) -> Iterator[str]:
    """Every text in a value, keys too."""
    node = value.node
    if isinstance(node, yaml.ScalarNode):
        yield str(node.value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from all_texts(Value(item, "", []))
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            yield from all_texts(Value(key, "", []))
            yield from all_texts(Value(item, "", []))
