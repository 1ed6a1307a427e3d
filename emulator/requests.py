"""What a bot asked of the carriers by REST, in words that are the same for both.

Sources: Twilio docs, voice/api (calls, recordings, conferences and participants); Telnyx docs, call commands, TeXML
REST.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from emulator.wire import Wire, lines_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VERBS = (
    "hang_up",
    "cancel",
    "reject",
    "answer",
    "dial",
    "transfer",
    "conference",
    "connect",
    "refer",
    "digits",
    "update",
    "fetch",
    "list",
    "stream_start",
    "stream_stop",
    "record_start",
    "record_stop",
    "record_pause",
    "record_resume",
)
"""Names of what a request asks for; anything else has the carrier's own name."""

_RECORDING = {"paused": "record_pause", "in-progress": "record_resume", "stopped": "record_stop"}


@dataclass
class RestRequest:
    """One request.

    Attributes:
        verb: What it asks for, see `VERBS`.
        method: `GET`, `POST`, ...
        path: With the call's id.
        fields: The form's or the JSON object's values; a query's for a GET.
        at: When it arrived, in seconds on the network's clock.
        status: What was answered; 0 for no answer at all.
        fault: What the network made go wrong with it, or None.
        number: That of the request on the wire.
    """

    verb: str
    method: str
    path: str
    fields: Mapping[str, str]
    at: float
    status: int = 0
    fault: str | None = None
    number: int = 0


def verb_of(method: str, path: str, fields: Mapping[str, str], *, markup: str) -> str:
    """Name what a request asks of the resources that all carriers with documents have: calls, recordings, conferences.

    Args:
        method: `GET`, `POST`, ...
        path: With the call's id.
        fields: The request's values.
        markup: The field of an update that has a document.
    """
    parts = [part for part in path.removesuffix(".json").split("/") if part]
    last, before = parts[-1] if parts else "", parts[-2] if len(parts) > 1 else ""
    if method == "GET":
        return "list" if last.lower() in ("calls", "recordings", "conferences") else "fetch"
    if last == "Recordings" or before == "Recordings":
        return "record_start" if last == "Recordings" else _RECORDING.get(fields.get("Status", ""), "update")
    if last.lower() in ("calls", "participants"):
        return "dial"
    if before == "Calls":
        return _of_update(fields, fields.get(markup, ""))
    return f"{method.lower()} {last}"


def _of_update(fields: Mapping[str, str], document: str) -> str:
    status = fields.get("Status")
    if status in ("completed", "canceled"):
        return "hang_up" if status == "completed" else "cancel"
    for verb, pattern in (
        ("conference", r"<Conference\b"),
        ("transfer", r"<Dial\b"),
        ("refer", r"<Refer\b"),
        ("digits", r"<Play\b[^>]*\bdigits="),
    ):
        if re.search(pattern, document):
            return verb
    return "update"


async def fields_of(request: web.Request) -> dict[str, str]:
    """The values that came with a request; aiohttp keeps the body, so a handler may read it again."""
    if request.method == "GET":
        return dict(request.query)
    text = await request.text()
    if request.content_type == "application/json":
        try:
            body = json.loads(text) if text.strip() else {}
        except ValueError:
            return {}
        return {name: str(value) for name, value in body.items()} if isinstance(body, dict) else {}
    return dict(parse_qsl(text, keep_blank_values=True))


class Interface(Protocol):
    """One carrier's REST interface, as far as its requests are told apart and made to fail."""

    def claims(self, path: str) -> bool:
        """Whether a path is of this interface."""

    def verb_of(self, method: str, path: str, fields: Mapping[str, str]) -> str:
        """Name what a request asks for, if possible by one of `VERBS`."""

    def made_up_error(self, status: int) -> web.Response:
        """The answer to a request that is made to fail with this HTTP status."""


@dataclass
class RequestLog:
    """Every REST request in the order of their arrival. Recordings that are fetched are not requests.

    Attributes:
        clock: Tells the time in seconds.
        interfaces: Those that are served; what none of them claims is taken for a request to the first.
        entries: The requests.
        listeners: Called with each request when it was answered.
        wire: Passes requests and answers on.
    """

    clock: Callable[[], float] = time.monotonic
    interfaces: Sequence[Interface] = ()
    entries: list[RestRequest] = field(default_factory=list)
    listeners: list[Callable[[RestRequest], None]] = field(default_factory=list)
    wire: Wire = field(default_factory=Wire)

    def interface_of(self, path: str) -> Interface:
        """Whose request it is."""
        return next((one for one in self.interfaces if one.claims(path)), self.interfaces[0])

    async def open(self, request: web.Request) -> RestRequest:
        """Write a request down as it arrives."""
        fields = await fields_of(request)
        verb = self.interface_of(request.path).verb_of(request.method, request.path, fields)
        entry = RestRequest(verb, request.method, request.path, fields, self.clock())
        body = await request.text() if request.content_type == "application/json" else lines_of(fields)
        entry.number = self.wire.sent("rest", False, f"{verb}: {request.method} {request.path}", body)
        self.entries.append(entry)
        return entry

    def close(
        self,
        entry: RestRequest,
        status: int,
        fault: str | None = None,
        answer: web.StreamResponse | None = None,
    ) -> None:
        """Write down how it was answered."""
        entry.status, entry.fault = status, fault
        self.wire.answered(entry.number, status, _text_of(answer), fault or "")
        for listener in self.listeners:
            listener(entry)


def _text_of(answer: web.StreamResponse | None) -> str:
    """The body of an answer; of a sound, what it is."""
    if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return ""
    readable = answer.content_type.startswith("text/") or answer.content_type.endswith(("json", "xml"))
    return (answer.text or "") if readable else f"({answer.content_type}, {len(answer.body)} bytes)"
