"""What a person says of a call on its page: what it has achieved, a note, and whether they are done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Response
from pydantic import BeforeValidator

from calls.outcome import Outcome
from desk.api_keys import Scope
from desk.reviewing import review
from web.access import ThePerson, needs
from web.api import MAX_REVIEW, NO_SUCH_CALL
from web.console.rendering import ConsoleRoute, go_to
from web.web_service import TheService

router = APIRouter(prefix="/console/calls", route_class=ConsoleRoute, include_in_schema=False)

Chosen = Annotated[Outcome | None, BeforeValidator(lambda text: text or None), Form()]


@router.post("/{call_id}/review")
@needs(Scope.CALL)
async def reviewed(
    call_id: str,
    person: ThePerson,
    service: TheService,
    form: Annotated[Literal["review"], Form()],
    outcome: Chosen = None,
    note: Annotated[str, Form(max_length=MAX_REVIEW)] = "",
    is_reviewed: Annotated[bool, Form(alias="reviewed")] = False,
) -> Response:
    """Keep it. All of it stands in the form, so an empty field is meant; what is not the form is refused."""
    said = {
        "outcome": outcome.value if outcome is not None else None,
        "note": note.replace("\r\n", "\n").strip(),
        "reviewed": is_reviewed,
    }
    call = await review(service.store, call_id, said, person.name)
    if call is None:
        raise HTTPException(404, NO_SUCH_CALL)
    return go_to(f"/console/calls/{call.id}?done=reviewed")
