"""Writes docs/events.md from the dataclasses of the events and their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_type_hints

from calls.events import lifecycle, people, talk
from calls.events.event import COMMON, FORMAT, CallEvent, Privacy, own_fields, private_fields
from calls.events.reading import KINDS

INTRODUCTION = f"""# Events of a call

<!-- Written by `make docs` from calls/events/. Change the docstrings there. -->

What happens to a call is kept as events. They are shown, with the same names and values, by

- `GET /calls/ID`, under `events`, oldest first; `event_format` is the version of their format.
- `GET /calls/ID/events`, as server-sent events: the name of each is its kind, and its data are the same object. Its
  id is its number in the call, from 1: a client that sends it as `Last-Event-ID` gets what follows. The header
  `Event-Format` has the version.
- the table `call_events`: `kind`, `at`, the other fields as JSON in `data`, and the version in `format`.

In the API each event is an object with `at` (when it happened: ISO 8601, UTC, to the millisecond), `kind`, and the
fields of its kind:

```json
{{"at": "2026-03-02T09:00:00.000Z", "kind": "resumed", "reason": "transfer"}}
```

The version is {FORMAT}. It is raised when a kind or a field goes away or changes its meaning. Kinds and fields may be
added without that: pass over what you do not know. A process that reads an event of a kind or a version that it does
not know shows it as it is, and does not act on it.

**Privacy.** A field that is marked *said* has what was said in the call, or which keys were pressed: while the call's
recording is paused it has `(not recorded)`, or an empty table, instead. One that is marked *personal* may have words,
names or numbers of callers. Neither belongs in a log.
"""

WHERE: Mapping[str, Any] = {
    "What becomes of the call": lifecycle,
    "The talk": talk,
    "What people do about it": people,
}
"""The headings, and the modules with the kinds below them."""

TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Mapping": "table",
    "list": "list",
    "Any": "any",
}


def reference() -> str:
    """The documentation of all kinds of events, in Markdown."""
    parts = [INTRODUCTION]
    for heading, module in WHERE.items():
        parts.append(f"## {heading}\n")
        parts += [
            _described(name, kinds) for name, kinds in KINDS.items() if kinds[0].__module__ == module.__name__
        ]
    return "\n".join(parts)


def _described(name: str, kinds: Sequence[type[CallEvent]]) -> str:
    parts = [f"### `{name}`\n"]
    known: set[str] = set()
    for kind in kinds:
        parts.append(f"{_summary(kind)}\n")
        fields = [one for one in own_fields(kind) if one.name not in known]
        known.update(one.name for one in fields)
        if fields:
            meanings, private = parameters(kind), private_fields(kind)
            hints = get_type_hints(kind)
            rows = [
                f"| `{one.name}` | {_type(one, hints[one.name])} | {meanings[one.name]}{_mark(private.get(one.name))} |"
                for one in fields
            ]
            parts.append("\n".join(["| field | type | |", "| --- | --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def parameters(kind: type[CallEvent]) -> dict[str, str]:
    """What the docstring of a kind, or of the one that it is made from, says of each field."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        section = inspect.cleandoc(one.__doc__ or "").partition("Parameters:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split())
    return {name: text for name, text in found.items() if name not in COMMON}


def _summary(kind: type[CallEvent]) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\nParameters:")[0].split())


def _type(one: Field[Any], hint: Any) -> str:
    choices = get_args(hint)
    kind = (
        next((choice for choice in choices if choice is not NoneType), hint) if NoneType in choices else hint
    )
    if isinstance(kind, type) and issubclass(kind, Enum):
        name = ", ".join(f"`{member.value}`" for member in kind)
    else:
        name = TYPES[getattr(kind, "__name__", str(kind))]
    if one.metadata.get("left_out"):
        return f"{name}; may be missing"
    return f"{name} or null" if NoneType in choices else name


def _mark(privacy: Privacy | None) -> str:
    return f" *{privacy.name.capitalize()}.*" if privacy else ""
