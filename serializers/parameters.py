"""The values that travel with a call into its media stream, each by another way.

In rising priority: the query of the media socket's address, its `?body=` (base64 JSON, as on Pipecat Cloud), Telnyx's
`client_state`, and the custom parameters of the stream's `<Parameter>` elements or of the REST request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loguru import logger

from serializers.messages import decode_base64, parse_json, short_text

MAX_BODY_CHARS = 8192
"""The longest `?body=` that is read. Pipecat Cloud allows 4 KB."""

MAX_QUERY_PARAMETERS = 32

NOT_PARAMETERS = frozenset({"serviceHost", "body", "token", "call_id"})
"""Names in an address that mean something else, or that nobody may choose there: our id of a call is told by what we
have signed or written ourselves."""

_QUERY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def from_query(query: Mapping[str, str]) -> dict[str, Any]:
    """What the media socket's address says about the call: `/ws/telnyx?serviceHost=AGENT.ORG&customer=Ann`.

    Twilio sends no query. Names must be such as a template can use. Source: Pipecat docs, telephony/telnyx-websockets.
    """
    entries = {name: value for name, value in query.items() if name not in NOT_PARAMETERS}
    usable = [name for name in entries if _QUERY_NAME.fullmatch(name) and short_text(entries[name])]
    kept = {name: entries[name] for name in usable[:MAX_QUERY_PARAMETERS]}
    _report_dropped("parameters of the media socket's address", len(entries) - len(kept))
    return kept


def from_body_query(text: str | None) -> dict[str, Any]:
    """The object in a `?body=` query value; empty when there is none or it is unusable.

    Both base64 alphabets are taken, padding may be missing, and a `+` that the query decoding made a space is
    restored.
    """
    if not text:
        return {}
    if len(text) > MAX_BODY_CHARS:
        logger.warning(f"Ignoring ?body= of {len(text)} characters: at most {MAX_BODY_CHARS} are read")
        return {}
    standard = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        value = parse_json(decode_base64(standard + "=" * (-len(standard) % 4)).decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        logger.warning("Ignoring ?body=: it is not a base64-encoded JSON object")
        return {}
    return value


def from_body(body: Any) -> dict[str, Any]:
    """The entries of an already decoded body; empty when it is no mapping."""
    return (
        {key: value for key, value in body.items() if isinstance(key, str)}
        if isinstance(body, Mapping)
        else {}
    )


def from_twilio(custom: Any) -> dict[str, Any]:
    """Twilio's `customParameters`: one flat object, names and values are text."""
    entries = custom.items() if isinstance(custom, dict) else ()
    kept = {name: value for name, value in entries if isinstance(value, str)}
    _report_dropped("customParameters", len(entries) - len(kept))
    return kept


def from_telnyx(custom: Any) -> dict[str, Any]:
    """Telnyx's `custom_parameters`: an object, or a list of `{"name", "value"}` as its REST API takes it.

    Text, numbers and booleans are kept.
    """
    entries: list[tuple[Any, Any]] = []
    if isinstance(custom, dict):
        entries = list(custom.items())
    elif isinstance(custom, list):
        entries = [
            (item.get("name"), item.get("value")) if isinstance(item, dict) else (None, None)
            for item in custom
        ]
    kept = {
        name: value
        for name, value in entries
        if isinstance(name, str) and isinstance(value, (str, int, float))
    }
    _report_dropped(
        "custom_parameters", sum(1 for name, _ in entries if not isinstance(name, str) or name not in kept)
    )
    return kept


def from_client_state(state: Any) -> dict[str, Any]:
    """Telnyx's `client_state`: the entries of a JSON object, or any other text under its own name.

    It comes in base64. What is not base64 of UTF-8 text is dropped, and not shown anywhere: nobody can know
    what it is.
    """
    if not isinstance(state, str) or not state:
        return {}
    try:
        text = decode_base64(state).decode("utf-8")
    except ValueError:
        _report_dropped("client_state", 1)
        return {}
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"client_state": text}


def _report_dropped(what: str, count: int) -> None:
    if count:
        logger.warning(f"Dropping {count} unusable {what}")
