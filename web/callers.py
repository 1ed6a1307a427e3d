"""`/callers`: what is kept of one caller, over all their calls."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from loguru import logger

from calls.database.errors import DatabaseError
from desk.api_keys import Scope
from desk.retention import NOT_ERASED, erase_caller
from web.access import OperatorsRoute, ThePerson, needs
from web.answers import Erased, problems
from web.web_service import TheService

router = APIRouter(
    prefix="/callers", route_class=OperatorsRoute, generate_unique_id_function=lambda route: route.name
)


@router.delete(
    "/{number}",
    summary="Erase a caller",
    response_model=Erased,
    response_description="What was erased.",
    responses=problems(409, 422, 503),
)
@needs(Scope.ADMIN)
async def erase(
    number: Annotated[
        str, Path(description="In E.164 with its `+` as `%2B`, such as `%2B12025550143`, or a SIP address.")
    ],
    service: TheService,
    person: ThePerson,
) -> dict[str, Any]:
    """Erase one caller: their number, what was said, recordings, values, notices that were not delivered, messages.

    It is done in all calls in which the number was the other side. The calls stay, without number and words, so that
    calls can be counted. Doing so again is no error. While a call of theirs is running, nothing is done (409).
    """
    try:
        done = await erase_caller(number, service.store, service.settings, service.carrier, by=person.name)
    except (DatabaseError, OSError) as error:
        logger.error("A caller was not erased, or not completely: {}", error)
        raise HTTPException(
            503, "not all could be erased, as the database or DATA_DIR could not be used: ask again"
        ) from None
    return {**asdict(done), "not_erased": list(NOT_ERASED)}
