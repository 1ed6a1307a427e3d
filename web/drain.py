"""`/drain`: an operator has the service take no new calls, or take them again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from desk.api_keys import Scope
from web.access import OperatorsRoute, ThePerson, needs
from web.web_service import TheService, WebService

router = APIRouter(prefix="/drain", route_class=OperatorsRoute, include_in_schema=False)


@router.get("")
@needs(Scope.VIEW)
async def state(service: TheService) -> dict[str, Any]:
    """Whether calls are taken, and how many there are."""
    return _state(service)


@router.post("")
@needs(Scope.ADMIN)
async def begin(service: TheService, person: ThePerson) -> dict[str, Any]:
    """Take no new calls; those that are running go on, and the process stays."""
    service.drain.begin_everywhere(person.name)
    return _state(service)


@router.delete("")
@needs(Scope.ADMIN)
async def undo(service: TheService, person: ThePerson) -> dict[str, Any]:
    """Take calls again."""
    service.drain.undo_everywhere(person.name)
    return _state(service)


def _state(service: WebService) -> dict[str, Any]:
    room = service.room
    return {
        "draining": service.drain.announced,
        "stopping": service.drain.stopping,
        "calls": room.taken,
        "max_calls": room.max_calls,
        "turned_away": dict(room.turned_away),
    }
