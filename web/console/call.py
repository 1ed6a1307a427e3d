"""`/console/calls/ID`: a call, while it goes on and afterwards."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from desk.api_keys import Scope
from web.access import needs, seen_by
from web.api import TheCall
from web.console.lines import lines
from web.console.rendering import ConsoleRoute, person_of, shown
from web.descriptions import description

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get("/console/calls/{call_id}")
@needs(Scope.VIEW)
async def one_call(request: Request, call: TheCall) -> Response:
    """All of a call."""
    seen: dict[str, Any] = seen_by(person_of(request), description(call))
    return await shown(request, "call.html", here="calls", call=seen, lines=lines(seen))
