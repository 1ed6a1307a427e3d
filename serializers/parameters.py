"""The values that travel with a call into its media stream, each by another way.

In rising priority: the query of the media socket's address, its `?body=` (base64 JSON, as on Pipecat Cloud), and what
the carrier itself passes on, such as the `<Parameter>` elements of a document.
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

SERVICE_HOST_PARAMETER = "_pipecatCloudServiceHost"
"""The parameter that names `AGENT.ORG`. Source: Pipecat Cloud docs, guides/telephony/twilio-websocket."""

SERVICE_HOST_QUERY = "serviceHost"
"""The same as a query parameter. Source: Pipecat Cloud docs, guides/telephony/telnyx-websocket."""

NOT_PARAMETERS = frozenset({SERVICE_HOST_QUERY, "body", "token", "call_id"})
"""Names in an address that are no parameters, or that an address may not set: our id of a call must come from what we
have signed or written ourselves."""

_QUERY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def from_query(query: Mapping[str, str]) -> dict[str, Any]:
    """What the media socket's address says about the call: `?serviceHost=AGENT.ORG&customer=Ann`.

    Not every carrier keeps a query. Names must be such as a template can use.
    """
    entries = {name: value for name, value in query.items() if name not in NOT_PARAMETERS}
    usable = [name for name in entries if _QUERY_NAME.fullmatch(name) and short_text(entries[name])]
    kept = {name: entries[name] for name in usable[:MAX_QUERY_PARAMETERS]}
    report_dropped("parameters of the media socket's address", len(entries) - len(kept))
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


def report_dropped(what: str, count: int) -> None:
    """Log that values which travel with a call cannot be used; never the values."""
    if count:
        logger.warning(f"Dropping {count} unusable {what}")
