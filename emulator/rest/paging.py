"""Lists of calls, filtered and cut into pages as both carriers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from emulator.legs.leg import Leg
from emulator.line.colleague import same_address
from emulator.rest.fields import seconds

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class Page:
    """A page of a list of calls.

    Attributes:
        legs: What is on it, newest first.
        fields: `page`, `page_size`, `start`, `end` and the URIs of this page and its neighbours.
    """

    legs: list[Leg]
    fields: dict[str, Any]


def page_of(legs: Sequence[Leg], request: web.Request) -> Page:
    """Filter and cut a list of calls as both carriers do.

    Filters: To, From, Status, ParentCallSid and the times of start and end, each a date or a time and each also with
    `<` or `>` behind its name. (Sources: Twilio docs, call resource, "read multiple"; Telnyx docs, TeXML REST, "fetch
    multiple call resources".)
    """
    query = request.query
    wanted = [leg for leg in reversed(legs) if _matches(leg, query)]
    size = int(seconds(query.get("PageSize"), DEFAULT_PAGE, 1, LARGEST_PAGE))
    number = int(seconds(query.get("Page"), 0, 0, 10**6))
    start = number * size
    shown = wanted[start : start + size]

    def uri(page: int) -> str:
        rest = {name: value for name, value in query.items() if name not in ("Page", "PageSize", "PageToken")}
        return str(request.rel_url.with_query({**rest, "PageSize": str(size), "Page": str(page)}))

    fields = {
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + max(0, len(shown) - 1),
        "uri": uri(number),
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1) if start + size < len(wanted) else None,
        "previous_page_uri": uri(number - 1) if number else None,
    }
    return Page(shown, fields)


def _matches(leg: Leg, query: Mapping[str, str]) -> bool:
    return (
        ("To" not in query or same_address(leg.to_number, query["To"]))
        and ("From" not in query or same_address(leg.from_number, query["From"]))
        and ("Status" not in query or leg.status == query["Status"])
        and ("ParentCallSid" not in query or leg.parent_id == query["ParentCallSid"])
        and _in_time(leg.answered_at or leg.created_at, "StartTime", query)
        and _in_time(leg.ended_at, "EndTime", query)
    )


def _in_time(moment: datetime | None, name: str, query: Mapping[str, str]) -> bool:
    for suffix in ("", "<", ">"):
        if (text := query.get(name + suffix)) is None:
            continue
        try:
            bound = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return False
        bound = bound if bound.tzinfo else bound.replace(tzinfo=UTC)
        if moment is None:
            return False
        is_date = len(text) == 10
        if suffix == "" and not bound <= moment < bound + timedelta(days=1 if is_date else 0, seconds=1):
            return False
        # Both say "on or before" and "on or after".
        if suffix == "<" and moment >= bound + timedelta(days=1 if is_date else 0, seconds=1):
            return False
        if suffix == ">" and moment < bound:
            return False
    return True
