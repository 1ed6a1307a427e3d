"""The HTTP header `Retry-After`: how long a server asks to be left alone. Source: RFC 9110, section 10.2.3."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_secs(value: str | None, now: datetime | None = None) -> float | None:
    """Read the header's value.

    Args:
        value: A number of seconds, or a date as HTTP has it; None when there is no such header.
        now: The present time; the system's by default.

    Returns:
        Seconds from now, 0 for a date that has passed; None when the value says nothing that can be used.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
