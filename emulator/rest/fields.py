"""The fields of a request to a REST interface, as a form or as a JSON object has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web


async def json_body(request: web.Request) -> dict[str, Any] | None:
    """The JSON object of a request; an empty one for an empty body, None for anything else."""
    text = await request.text()
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of a form or of a JSON object; what is repeated is put into one, separated by spaces."""
    if request.content_type == "application/json":
        return as_form(await json_body(request) or {})
    return joined(await given_fields(request))


async def given_fields(request: web.Request) -> dict[str, list[str]]:
    """The values of each field of a form, or of a query where there is no body."""
    posted = request.query if request.method == "GET" else await request.post()
    return {name: [str(value) for value in posted.getall(name)] for name in posted}


def joined(given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Fields with one text each."""
    return {name: " ".join(values) for name, values in given.items()}


def as_form(body: Mapping[str, Any]) -> dict[str, str]:
    """A JSON object as a form has it."""
    return {name: _text(value) for name, value in body.items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def seconds(text: str | None, default: float, least: float, most: float) -> float:
    """A number of seconds as a carrier takes it: brought into its range, the default if it is none."""
    try:
        return default if text is None else min(max(float(text), least), most)
    except ValueError:
        return default
