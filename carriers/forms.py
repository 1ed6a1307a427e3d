"""What comes in from carriers: requests, form fields, and the words in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class WebhookRequest:
    """One HTTP request, or WebSocket upgrade, as it came over the wire.

    Parameters:
        url: What the carrier was told to call: the public base with path and query, still percent-encoded.
        headers: Case-insensitive mapping, as starlette's `Headers`.
        method: HTTP method, upper case.
        body: The raw body, not re-encoded: signatures are over bytes.
        form: The fields of a form body; empty for GET and for an upgrade.
    """

    url: str
    headers: Mapping[str, str]
    method: str = "POST"
    body: bytes = b""
    form: Form = field(default_factory=lambda: Form(()))


class WebhookError(ValueError):
    """A webhook lacks what it must have; the message says what."""


class Form(Mapping[str, str]):
    """Form fields with blank values and repeated names kept, since both are part of a signature."""

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
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=500))
        except ValueError:
            raise WebhookError("the body is not a form (application/x-www-form-urlencoded, UTF-8)") from None

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
