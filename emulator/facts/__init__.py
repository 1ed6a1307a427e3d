"""What the carriers' documentation says of requests and documents, as tables, and what reads them.

The tables are the `.toml` files beside this module; each names its source and date. A request is checked once, before
anything is done with it; media frames are never looked at.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from emulator.facts.values import Rule

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Violation:
    """A value in a request that is not as documented.

    Attributes:
        code: The carrier's error code.
        parameter: Its name.
        reason: What it must be.
    """

    code: str
    parameter: str
    reason: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.parameter} {self.reason}"


@dataclass(frozen=True)
class Request:
    """One kind of request.

    Attributes:
        parameters: All that are documented, by name.
        required: Which must be there, with the error code for those that are not.
        repeated: Which are repeated to give several values; no other may be given twice.
        twice: The error code for one that is given twice.
    """

    parameters: Mapping[str, Rule]
    required: Mapping[str, str] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    twice: str = ""

    def violation(self, given: Mapping[str, Any], *, as_text: bool) -> Violation | None:
        """The first value that is not as documented, or None. Unknown parameters do not count: see `unknown`."""
        for name, code in self.required.items():
            if given.get(name) in (None, ""):
                return Violation(code, name, "is required")
        for name, rule in self.parameters.items():
            if name in given and (reason := rule.problem(given[name], as_text=as_text)):
                return Violation(rule.code, name, reason)
        return None

    def form_violation(self, given: Mapping[str, Sequence[str]]) -> Violation | None:
        """The same of a form or a query, each of whose fields may have been given more than once."""
        for name, values in given.items():
            if len(values) > 1 and name in self.parameters and name not in self.repeated:
                return Violation(self.twice, name, "is given more than once")
        found = self.violation({name: values[-1] for name, values in given.items()}, as_text=True)
        if found is not None:
            return found
        for name in self.repeated & set(given):
            for value in given[name]:
                if reason := self.parameters[name].problem(value, as_text=True):
                    return Violation(self.parameters[name].code, name, reason)
        return None

    def unknown(self, given: Mapping[str, Any]) -> list[str]:
        """Names that are not documented for this request."""
        return sorted(set(given) - set(self.parameters))


@cache
def requests(name: str) -> Mapping[str, Request]:
    """The requests of one table, by their names there.

    Args:
        name: The file's, without its ending.
    """
    table = read(name)
    types = rules(table)
    groups = table.get("groups", {})

    def request(entry: Mapping[str, Any]) -> Request:
        named: dict[str, str] = {}
        for group in entry.get("groups", ()):
            named |= groups[group]
        named |= entry.get("parameters", {})
        return Request(
            {parameter: types[kind] for parameter, kind in named.items()},
            entry.get("required", {}),
            frozenset(entry.get("repeated", ())),
            table.get("twice", ""),
        )

    return {one: request(entry) for one, entry in table["requests"].items()}


def rules(table: Mapping[str, Any]) -> dict[str, Rule]:
    """The kinds of values that a table names; one that has `fields` names kinds that stand before it."""
    found: dict[str, Rule] = {}
    for name, facts in table["types"].items():
        nested = {one: found[kind] for one, kind in facts.get("fields", {}).items()}
        found[name] = Rule(**{**facts, "fields": nested})
    return found


@cache
def read(name: str) -> Mapping[str, Any]:
    """One table as it is written."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
