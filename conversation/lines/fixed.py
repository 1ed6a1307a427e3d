"""The fixed lines of each language.

A language is a file in `data/`, named by its code of ISO 639-1. Its tables are those of an agent's file that have fixed
lines, `[carrier]` with what a carrier's own voice says when no agent can be asked, and `[words]` with what callers say
(`conversation/lines/words.py`). All files have the same keys, and templates have the same variables in all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

DATA = Path(__file__).parent / "data"

DEFAULT = "en"
"""The language of lines for a language that has none here."""

LINES = ("lines", "brain", "dead_air", "recording", "monitoring")
"""The tables of an agent's file that have fixed lines."""


def primary(tag: str) -> str:
    """The language of a tag without its region: `es` of `es-MX`."""
    return tag.strip().lower().replace("_", "-").split("-")[0]


@cache
def languages() -> tuple[str, ...]:
    """The languages that have fixed lines, by their codes."""
    return tuple(sorted(path.stem for path in DATA.glob("*.toml")))


def is_spoken(tag: str) -> bool:
    """Whether a language has fixed lines."""
    return primary(tag) in languages()


def fixed(tag: str, table: str) -> Mapping[str, Any]:
    """The fixed texts of a language, those in English where it has none.

    Args:
        tag: The language, as in BCP 47.
        table: A table of its file.
    """
    language = primary(tag)
    found: Mapping[str, Any] = _file(language if language in languages() else DEFAULT)[table]
    return found


def english(table: str, key: str) -> Any:
    """A fixed text in English, which an agent's file has as its default."""
    return _file(DEFAULT)[table][key]


@cache
def _file(language: str) -> Mapping[str, Any]:
    table = tomllib.loads((DATA / f"{language}.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: MappingProxyType(part) for name, part in table.items()})
