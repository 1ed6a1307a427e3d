"""`/console/calls`: calls of all times, searched and narrowed by plain forms, a page of the list at a time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from calls.derived import HAS
from calls.outcome import Outcome
from conversation.agents.files import agent_names
from desk.api_keys import Scope
from web.access import needs, seen_by
from web.console.asked import SPANS, AskedCalls, zone_of
from web.console.rendering import ConsoleRoute, person_of, shown
from web.descriptions import summary
from web.filters import must_see_numbers
from web.web_service import TheService, WebService

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

PATH = "/console/calls"

ON_A_PAGE = 50


@router.get(PATH)
@needs(Scope.VIEW)
async def calls(request: Request, service: TheService, asked: Annotated[AskedCalls, Query()]) -> Response:
    """Calls, those that have begun last first."""
    person, zone, now = person_of(request), zone_of(request), service.store.now()
    if asked.q:
        must_see_numbers(person)
    page = await service.store.looking.find(asked.filters(zone, now), ON_A_PAGE, asked.place())
    return await shown(
        request,
        "calls.html",
        here="calls",
        calls=[seen_by(person, summary(one)) for one in page.records],
        whole=page.whole,
        asked=asked,
        agents=agents_of(service, asked.agent),
        outcomes=[one.value for one in Outcome],
        kinds=sorted(HAS),
        spans=SPANS,
        older=asked.address(PATH, before=str(page.next)) if page.next else None,
        newest=asked.address(PATH, before=None) if asked.before else None,
        any_time=asked.address(PATH, since=None, until=None, before=None)
        if asked.since or asked.until
        else None,
        csv=asked.of_api("/calls.csv", zone, now) if person.may(Scope.READ) else None,
    )


def agents_of(service: WebService, chosen: str | None) -> list[str]:
    """The names of agents to choose from: those that there are, and the one that was chosen."""
    names = set(agent_names(service.settings.agents_dir))
    return sorted(names | {chosen} if chosen else names)
