"""What the lists' pages are asked for by their addresses: filters, as plain forms send them, and links to more of it.

A form sends its empty fields, too: they ask for nothing. Days are those of the reader's time zone, which a script keeps
in a cookie; without it they are days in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import HTTPException, Request
from pydantic import BaseModel, BeforeValidator, Field

from calls.outcome import Outcome
from calls.searching import LONGEST_QUERY, Filters, Place, understood
from carriers.carrier import Direction
from web.console.words import SLOW_MS
from web.filters import Moment, in_utc, zone_named

ZONE_COOKIE = "phonebot_zone"


class Span(StrEnum):
    """From when on."""

    TODAY = "today"
    WEEK = "7d"
    MONTH = "30d"


DAYS = {Span.TODAY: 1, Span.WEEK: 7, Span.MONTH: 30}

SPANS: Mapping[str, str] = {Span.TODAY: "Today", Span.WEEK: "7 days", Span.MONTH: "30 days"}
"""In the words of the pages."""


def _nothing(value: Any) -> Any:
    if isinstance(value, list):
        return [one for one in value if one != ""]
    return None if isinstance(value, str) and not value.strip() else value


EMPTY = BeforeValidator(_nothing)


class AskedCalls(BaseModel):
    """What `/console/calls` is asked for."""

    q: Annotated[Annotated[str, Field(max_length=LONGEST_QUERY)] | None, EMPTY] = None
    outcome: Annotated[list[Outcome], EMPTY] = []
    agent: Annotated[Annotated[str, Field(max_length=100)] | None, EMPTY] = None
    direction: Annotated[Direction | None, EMPTY] = None
    range: Annotated[Span | None, EMPTY] = None
    has: Annotated[list[Literal["error", "message", "recording", "transfer"]], EMPTY] = []
    slow: Annotated[bool | None, EMPTY] = None
    reviewed: Annotated[bool | None, EMPTY] = None
    since: Annotated[Moment | None, EMPTY] = None
    until: Annotated[Moment | None, EMPTY] = None
    before: Annotated[Annotated[str, Field(max_length=200)] | None, EMPTY] = None

    def filters(self, zone: ZoneInfo, now: datetime) -> Filters:
        """The calls that are wanted.

        Args:
            zone: The reader's.
            now: The time.
        """
        since = in_utc(self.since) or (begin_of(self.range, zone, now) if self.range is not None else None)
        return Filters(
            **understood(self.q or ""),
            outcome=tuple(one.value for one in self.outcome),
            agent=self.agent,
            direction=self.direction.value if self.direction else None,
            since=since,
            until=in_utc(self.until),
            slow_ms=SLOW_MS if self.slow else None,
            has=tuple(self.has),
            reviewed=self.reviewed,
        )

    def place(self) -> Place | None:
        """Where the list goes on.

        Raises:
            HTTPException: It is none.
        """
        try:
            return Place.read(self.before) if self.before else None
        except ValueError:
            raise HTTPException(
                422, "this is no place in the list: begin again with its first page"
            ) from None

    def of_api(self, path: str, zone: ZoneInfo, now: datetime) -> str:
        """The address of all these calls in the API, which knows no ranges of days and no mere slowness.

        Args:
            path: Of the API's list.
            zone: The reader's.
            now: The time.
        """
        since = self.filters(zone, now).since
        return self.address(
            path,
            range=None,
            slow=None,
            before=None,
            since=since.isoformat() if since else None,
            slow_ms=SLOW_MS if self.slow else None,
        )

    def address(self, path: str, **changes: Any) -> str:
        """The address of the same question, with changes.

        Args:
            path: Of the page.
            **changes: Values by name; None leaves one out.
        """
        asked: dict[str, Any] = {**self.model_dump(mode="json", exclude_defaults=True), **changes}
        given = [
            (name, str(one).lower() if isinstance(one, bool) else str(one))
            for name, value in asked.items()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def narrows(self) -> bool:
        """Whether it asks for less than all calls."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"before"}))


def zone_of(request: Request) -> ZoneInfo:
    """The reader's time zone."""
    return zone_named(request.cookies.get(ZONE_COOKIE, "")) or ZoneInfo("UTC")


def begin_of(span: Span, zone: ZoneInfo, now: datetime) -> datetime:
    """When a span of days begins that ends with today.

    Args:
        span: How many days.
        zone: Whose days.
        now: The time.
    """
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today.replace(tzinfo=None) - timedelta(days=DAYS[span] - 1)
    return begin.replace(tzinfo=zone).astimezone(UTC)
