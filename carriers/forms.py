"""What comes in from carriers: requests, form fields, and the words in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"

MOST_FIELDS = 500
MOST_LEVELS = 16
"""Of objects and lists within each other in JSON."""


@dataclass(frozen=True)
class WebhookRequest:
    """One HTTP request, or WebSocket upgrade, as it came over the wire.

    Parameters:
        url: The address as the carrier has it: the public base with path and query, still percent-encoded.
        headers: Case-insensitive mapping, as starlette's `Headers`.
        method: HTTP method, upper case.
        body: The raw body, not re-encoded: signatures are over bytes.
        form: The fields of a callback's body; empty for GET and for an upgrade.
    """

    url: str
    headers: Mapping[str, str]
    method: str = "POST"
    body: bytes = b""
    form: Form = field(default_factory=lambda: Form(()))


class WebhookError(ValueError):
    """A webhook lacks what it must have; the message says what."""


class Form(Mapping[str, str]):
    """The fields of a callback, with blank values and repeated names kept: both are part of a form's signature."""

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        """Keep the pairs in the order in which they came."""
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value)

    @classmethod
    def parse(cls, encoded: bytes | str) -> Form:
        """Read `application/x-www-form-urlencoded` text (a body, or a query string).

        Raises:
            WebhookError: It is not such text.
        """
        try:
            text = encoded.decode() if isinstance(encoded, bytes) else encoded
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            raise WebhookError("the body is not a form (application/x-www-form-urlencoded, UTF-8)") from None

    @classmethod
    def parse_json(cls, encoded: bytes) -> Form:
        """Read a JSON object.

        What lies deeper has its path as its name: `{"call": {"legs": [{"id": 7}]}}` is the field `call.legs.0.id` with
        the value `7`. Numbers are as they are written, booleans `true` and `false`; what is `null` is not there.

        Raises:
            WebhookError: It is no such object, or one that two readers could understand differently.
        """
        try:
            read = json.loads(
                encoded.decode(),
                object_pairs_hook=_unlike,
                parse_int=str,
                parse_float=str,
                parse_constant=_refuse,
            )
            if not isinstance(read, dict):
                raise ValueError("no object")
            members = list(islice(_members(read), MOST_FIELDS + 1))
            if len(members) > MOST_FIELDS:
                raise ValueError("too many members")
            fields = _unlike([member for member in members if isinstance(member[1], str)])
            json.dumps(fields, ensure_ascii=False).encode()  # half a character is JSON, but no text
        except (ValueError, RecursionError):
            raise WebhookError("the body is not a JSON object of fields (application/json, UTF-8)") from None
        return cls(fields.items())

    def getlist(self, name: str) -> list[str]:
        """All values of a field. The name is the one that Twilio's validator looks for."""
        return self._fields.get(name, [])

    def __getitem__(self, name: str) -> str:
        """The first value of a field."""
        return self._fields[name][0]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._fields)

    def __len__(self) -> int:
        """How many different names there are."""
        return len(self._fields)

    def required(self, name: str) -> str:
        """The first value of a field that must be there.

        Raises:
            WebhookError: It is missing or blank.
        """
        value = self.get(name, "").strip()
        if not value:
            raise WebhookError(f"{name} is missing: this is not a webhook of a call")
        return value


def _members(value: dict[str, Any] | list[Any], path: str = "", level: int = 1) -> Iterator[tuple[str, Any]]:
    """All that JSON holds, by its path; objects and lists too, so that they count."""
    if level > MOST_LEVELS:
        raise ValueError("too deep")
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        name = f"{path}{key}"
        yield name, str(member).lower() if isinstance(member, bool) else member
        if isinstance(member, dict | list):
            yield from _members(member, f"{name}.", level + 1)


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(unlike := dict(pairs)) < len(pairs):
        raise ValueError("a name that stands twice")
    return unlike


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


MAX_DIGITS = 15
"""The most digits that a carrier's count can have; a longer number is not a count."""


def whole_number(value: object) -> int | None:
    """A count that a carrier sends as text, in plain digits; None when it is not one."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    plain = len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal()
    return int(text) if plain else None


def moment(value: str | None) -> datetime | None:
    """A time in ISO 8601, as Call Control writes it, or in RFC 2822, as Twilio and perhaps TeXML do.

    Returns:
        It in UTC; None when it is none, or lies outside of the years that can be counted.
    """
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            time = parse(value or "")
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None
