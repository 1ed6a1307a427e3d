"""`/console/`: the calls that go on, and the stream of their changes."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from calls.searching import Filters
from desk.api_keys import Scope
from web.access import OperatorsRoute, needs, seen_by, still_good
from web.console.console import TheConsole
from web.console.feeds import Feed
from web.console.rendering import ConsoleRoute, person_of, shown
from web.descriptions import summary

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
streams = APIRouter(route_class=OperatorsRoute, include_in_schema=False)

LATEST = 5
"""How many calls of before are shown when nobody is on the line."""


@router.get("/console")
@needs(Scope.VIEW)
async def live(request: Request, console: TheConsole) -> Response:
    """The calls that go on, those that have begun last first; when there are none, the latest that have ended."""
    person = person_of(request)
    rows = [seen_by(person, dict(row)) for row in await console.board.rows()]
    latest = []
    if not rows:
        found = await console.service.store.looking.find(Filters(live=False), LATEST)
        latest = [seen_by(person, summary(one)) for one in found.records]
    room = console.service.room
    return await shown(request, "live.html", here="live", rows=rows, latest=latest, room=room)


@streams.get("/console/live/feed", response_class=Feed)
@needs(Scope.VIEW)
async def feed(request: Request, console: TheConsole) -> Response:
    """The same from now on, as pieces of the page."""
    shortly = not person_of(request).may(Scope.READ)
    return Feed(request, console.board.watch(shortly=shortly), partial(still_good, request))
