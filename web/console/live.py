"""`/console/`: the calls that go on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from calls.searching import Filters
from desk.api_keys import Scope
from web.access import needs, seen_by
from web.console.rendering import ConsoleRoute, person_of, shown
from web.descriptions import summary
from web.web_service import TheService

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get("/console")
@needs(Scope.VIEW)
async def live(request: Request, service: TheService) -> Response:
    """The calls that go on, those that have begun last first."""
    found = await service.store.looking.find(Filters(live=True), 200)
    calls = [seen_by(person_of(request), summary(one)) for one in found.records]
    return await shown(request, "live.html", here="live", calls=calls)
