"""The templates of the console. All text is escaped by Jinja; no template says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from desk.api_keys import Scope
from web.console import assets, words

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters.update(words.FILTERS)
TEMPLATES.globals.update(static=assets.address, SLOW_MS=words.SLOW_MS, STAGES=words.STAGES, Scope=Scope)


def fragment(template: str, **values: Any) -> str:
    """A part of a page, for a stream of changes."""
    return TEMPLATES.get_template(template).render(**values)
