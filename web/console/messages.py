"""`/console/messages`: what callers have left for the business, and what has been dealt with."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, Field

from calls.looking import message_place_text
from desk.api_keys import Scope
from desk.reviewing import NoDatabase, deal_with
from web.access import needs, seen_by
from web.console.asked import EMPTY
from web.console.calls import agents_of
from web.console.rendering import ConsoleRoute, go_to, person_of, shown
from web.descriptions import message_row
from web.lists import NO_SUCH_MESSAGE, message_place
from web.pages import local_path
from web.web_service import TheService

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

PATH = "/console/messages"

ON_A_PAGE = 50

WHICH = {"open": True, "done": False, "all": None}
"""What `show` asks for, as the list of messages takes it."""


class AskedMessages(BaseModel):
    """What the page is asked for."""

    show: Annotated[Literal["open", "done", "all"], Field()] = "open"
    agent: Annotated[Annotated[str, Field(max_length=100)] | None, EMPTY] = None
    before: Annotated[Annotated[str, Field(max_length=200)] | None, EMPTY] = None

    def address(self, path: str = PATH, **changes: str | None) -> str:
        """The address of the same question, with changes."""
        asked = {**self.model_dump(exclude_defaults=True), **changes}
        given = {name: value for name, value in asked.items() if value is not None}
        return f"{path}?{urlencode(given)}" if given else path


@router.get(PATH)
@needs(Scope.VIEW)
async def messages(
    request: Request, service: TheService, asked: Annotated[AskedMessages, Query()]
) -> Response:
    """Messages, those that were left last first."""
    person, which = person_of(request), WHICH[asked.show]
    found = await service.store.looking.messages(
        limit=ON_A_PAGE,
        open_only=which,
        agent=asked.agent,
        before=message_place(asked.before) if asked.before else None,
    )
    if found is None:
        raise NoDatabase()
    rows, further = found
    is_open = {True: "true", False: "false", None: None}[which]
    return await shown(
        request,
        "messages.html",
        here="messages",
        messages=[seen_by(person, message_row(one)) for one in rows],
        asked=asked,
        here_again=asked.address(),
        agents=agents_of(service, asked.agent),
        tabs={one: asked.address(show=one, before=None) for one in WHICH},
        older=asked.address(before=message_place_text(further)) if further else None,
        newest=asked.address(before=None) if asked.before else None,
        csv=asked.address("/messages.csv", show=None, before=None, open=is_open)
        if person.may(Scope.READ)
        else None,
    )


@router.post(PATH + "/{call_id}/{seq}")
@needs(Scope.CALL)
async def handle(
    request: Request,
    service: TheService,
    call_id: str,
    seq: Annotated[int, Path(ge=1, le=2**31 - 1)],
    handled: Annotated[bool, Form()],
    back: Annotated[str, Form(max_length=500)] = PATH,
) -> Response:
    """Say that a message has been dealt with, or that it has not after all."""
    by = person_of(request).name
    if await deal_with(service.store, call_id, seq, handled=handled, by=by) is None:
        raise HTTPException(404, NO_SUCH_MESSAGE)
    return go_to(local_path(back, PATH))
