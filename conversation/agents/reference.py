"""Writes the tables of docs/agents.md from the models of an agent's file: every key with its type and default.

The text between the tables, and what each key means, stand in the page and are kept; the meaning of a key that the page
does not have is taken from the docstring of its model.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeGuard, get_args, get_origin

import docstring_parser
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from conversation.agents.agent import Agent

FILE = "The file"
"""The heading of the keys that stand in no table."""

HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"

_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\|\n)*")


def tables(kind: type[BaseModel] = Agent, under: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table that can stand in a file, with the heading of its section."""
    if not under:
        yield FILE, kind
    for name, field in kind.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if not _is_table(part):
                continue
            origin = get_origin(field.annotation)
            many = f"{under}{name}.NAME" if origin is dict else f"{under}{name}"
            many = f"[[{many}]]" if origin is list else f"[{many}]"
            yield f"`{many}`", part
            yield from tables(part, f"{many.strip('[]')}.")


def rewritten(page: str) -> str:
    """The page with the tables as they must be.

    Args:
        page: The page as it is.

    Raises:
        LookupError: A key has a meaning neither in the page nor in the docstring of its model.
    """
    for heading, kind in tables():
        beginning = f"## {heading}\n"
        if beginning not in page:
            summary = docstring_parser.parse(inspect.getdoc(kind) or "").short_description
            page = f"{page.rstrip()}\n\n{beginning}\n{summary}\n\n{HEAD}"
        start = page.index(beginning)
        end = page.find("\n## ", start) + 1 or len(page)
        section = page[start:end]
        if HEAD not in section:
            section = f"{section.rstrip()}\n\n{HEAD}\n"
        meanings = dict(re.findall(r"^\| `(\w+)` \|.*\| (\S.*) \|$", section, re.MULTILINE))
        rows = "".join(
            f"{_row(kind, name, field)} {_meaning(kind, name, meanings)} |\n"
            for name, field in kind.model_fields.items()
        )
        table = _TABLE.search(section)
        assert table is not None
        section = section[: table.start()] + HEAD + rows + section[table.end() :]
        page = page[:start] + section + page[end:]
    return page


def _row(kind: type[BaseModel], name: str, field: FieldInfo) -> str:
    default = "the file's" if (kind, name) == (Agent, "name") else _default(field)
    return f"| `{name}` | {_type(field.annotation)} | {default} |"


def _meaning(kind: type[BaseModel], name: str, meanings: dict[str, str]) -> str:
    if name in meanings:
        return meanings[name]
    for described in docstring_parser.parse(inspect.getdoc(kind) or "").params:
        if described.arg_name == name and described.description:
            return " ".join(described.description.split())
    raise LookupError(f"{kind.__name__}.{name}: write what it means into the docstring")


def _is_table(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is list:
        return "tables" if _is_table(get_args(kind)[0]) else "list of texts"
    if get_origin(kind) is dict:
        return "tables" if _is_table(get_args(kind)[1]) else "table"
    if _is_table(kind):
        return "table"
    if get_args(kind) == (str, list[str]):
        return "text or list of texts"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if kind in known:
        return known[kind]
    return next(
        _type(part) for part in get_args(kind) if part is not type(None) and not isinstance(part, str)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, list) and default:
        return " ".join(f"“{text}”" if " " in text else f"`{text}`" for text in default)
    if isinstance(default, str) and default:
        return f"“{default}”" if " " in default else f"`{default}`"
    return str(default) if isinstance(default, int) else ""
