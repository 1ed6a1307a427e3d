"""`/console/overview`: what calls of a day, a week or a month were like, in figures and charts.

Each chart is a table, which a script draws; without it, the tables are the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from calls.counting import DAY, HOUR, Counts, Range, Tally, share
from calls.outcome import Outcome
from desk.api_keys import Scope
from desk.reviewing import NoDatabase
from web.access import needs
from web.console.asked import DAYS, EMPTY, SPANS, Span, begin_of, zone_of
from web.console.calls import agents_of
from web.console.console import TheConsole
from web.console.rendering import ConsoleRoute, shown
from web.web_service import TheService

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

GROUPS: Mapping[str, Sequence[Outcome]] = {
    "answered": (Outcome.ANSWERED,),
    "message": (Outcome.MESSAGE,),
    "transferred": (Outcome.TRANSFERRED,),
    "abandoned": (Outcome.ABANDONED,),
    "not reached": (Outcome.VOICEMAIL, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCELED),
    "failed": (Outcome.FAILED, Outcome.LOST, Outcome.TURNED_AWAY),
}
"""What calls have achieved, as many kinds as a bar can show, and as the legend names them."""

BADLY = GROUPS["failed"]


class AskedOverview(BaseModel):
    """What the page is asked for."""

    range: Span = Span.TODAY
    agent: Annotated[Annotated[str, Field(max_length=100)] | None, EMPTY] = None


@router.get("/console/overview")
@needs(Scope.VIEW)
async def overview(
    request: Request, service: TheService, console: TheConsole, asked: Annotated[AskedOverview, Query()]
) -> Response:
    """The figures and the charts."""
    zone, now = zone_of(request), service.store.now()
    begin = begin_of(asked.range, zone, now)
    bucket = HOUR if asked.range is Span.TODAY else DAY
    looking = service.store.looking
    counts = await looking.counts(Range.of(begin, now, bucket, zone), asked.agent)
    # The same days of the week before, all of them: a day that goes on is no match for one that is over
    back = timedelta(days=max(7, DAYS[asked.range]))
    before = await looking.counts(_days(begin - back, asked.range, zone), asked.agent)
    if counts is None or before is None:
        raise NoDatabase()
    return await shown(
        request,
        "overview.html",
        here="overview",
        asked=asked,
        spans=SPANS,
        agents=agents_of(service, asked.agent),
        bucket=bucket,
        rows=_rows(counts, bucket, zone, asked.agent),
        groups=GROUPS,
        total=_figures(counts.total),
        before=before.total.calls,
        stages=_stages(counts),
        open_messages=counts.open_messages,
        live=await console.live_calls(),
        room=service.room,
        zone=zone.key,
    )


def _days(begin: datetime, span: Span, zone: ZoneInfo) -> Range:
    return Range.of(begin, begin + timedelta(days=DAYS[span]) - timedelta(hours=2), DAY, zone)


def _rows(counts: Counts, bucket: str, zone: ZoneInfo, agent: str | None) -> list[dict[str, Any]]:
    """Each hour or day, with where its calls are listed."""
    rows = []
    for (begin, end), tally in zip(pairwise(counts.range.edges), counts.tallies, strict=True):
        local = begin.astimezone(zone)
        asked = [("since", begin.isoformat()), ("until", end.isoformat())]
        asked += [("agent", agent)] if agent else []
        by_group = {name: sum(tally.outcomes[one] for one in of) for name, of in GROUPS.items()}
        rows.append(
            {
                "label": f"{local:%H}" if bucket == HOUR else f"{local.day} {local:%b}",
                "long": f"{local:%H:%M}" if bucket == HOUR else f"{local:%a} {local.day} {local:%b}",
                "calls": tally.calls,
                "groups": {
                    name: (number, _address([*asked, *(("outcome", one) for one in GROUPS[name])]))
                    for name, number in by_group.items()
                },
                "response": _times(tally.responses),
                "first_words": _times(tally.first_words),
                "address": _address(asked),
            }
        )
    return rows


def _address(asked: Sequence[tuple[str, str]]) -> str:
    return f"/console/calls?{urlencode(asked)}"


def _figures(total: Tally) -> dict[str, Any]:
    ended = total.outcomes.total()
    badly = sum(total.outcomes[one] for one in BADLY)
    return {
        "calls": total.calls,
        "response": _times(total.responses),
        "first_words": _times(total.first_words),
        "well": (ended - badly) / ended if ended else None,
        "badly": badly,
    }


def _times(times: Counter[int]) -> dict[str, int | None]:
    return {"p50": share(times, 50), "p95": share(times, 95)}


def _stages(counts: Counts) -> list[tuple[str, int, float]]:
    """Each stage of a response that took any time: its mean in milliseconds, and how much of the longest it is."""
    found = [(name, ms) for name, ms in counts.stages_ms().items() if ms]
    most = max((ms for _, ms in found), default=1)
    return [(name, ms, 100 * ms / most) for name, ms in found]
