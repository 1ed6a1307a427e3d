"""What people do to a call from its page: say something, tell the bot something, put the caller through, hang up.

Each is a form, which works without scripts: it is answered by leading to the call's page, or by that page with what
went wrong. A script gets the few pieces of the page that tell of it (`HX-Request`, source: four.htmx.org).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import AfterValidator

from calls.call import Call
from calls.errors import NotDone
from desk import live_calls
from desk.api_keys import Scope
from web.access import needs
from web.api import MAX_NOTE, MAX_SAID, TheCall, status_of
from web.console.call import DONE, call_page
from web.console.rendering import ConsoleRoute, go_to, is_script, person_of, told
from web.web_service import TheService, WebService

router = APIRouter(prefix="/console/calls", route_class=ConsoleRoute, include_in_schema=False)


def _words(text: str) -> str:
    if not (text := text.strip()):
        raise ValueError("write what is to be said")
    return text


Text = Annotated[str, AfterValidator(_words), Form(min_length=1, max_length=MAX_SAID)]
Note = Annotated[str, AfterValidator(_words), Form(min_length=1, max_length=MAX_NOTE)]
Destination = Annotated[str, Form(min_length=1, max_length=100)]
Reason = Annotated[str, Form(max_length=1000)]
Ticked = Annotated[bool, Form()]


@router.post("/{call_id}/say")
@needs(Scope.CALL)
async def say(request: Request, call: TheCall, service: TheService, text: Text) -> Response:
    """Have the bot say something."""
    try:
        await live_calls.say(service, call, text, person_of(request).name)
    except NotDone as error:
        return await _not_done(request, service, call, error)
    return _done(request, call, "said")


@router.post("/{call_id}/note")
@needs(Scope.CALL)
async def note(
    request: Request, call: TheCall, service: TheService, text: Note, answer_now: Ticked = False
) -> Response:
    """Tell the bot something."""
    try:
        by = person_of(request).name
        await live_calls.note(service, call, text, answer_now=answer_now, by=by)
    except NotDone as error:
        return await _not_done(request, service, call, error)
    return _done(request, call, "noted")


@router.post("/{call_id}/transfer")
@needs(Scope.CALL)
async def transfer(
    request: Request, call: TheCall, service: TheService, destination: Destination, reason: Reason = ""
) -> Response:
    """Put the caller through."""
    try:
        await live_calls.put_through(service, call, destination, reason.strip(), person_of(request).name)
    except NotDone as error:
        return await _not_done(request, service, call, error)
    return _done(request, call, "transferring")


@router.post("/{call_id}/hangup")
@needs(Scope.CALL)
async def hang_up(request: Request, call: TheCall, service: TheService) -> Response:
    """End the call. Whoever is second learns that it had ended."""
    if call.is_over:
        return _done(request, call, "was_over")
    try:
        warning = await live_calls.hang_up(service, call, person_of(request).name)
    except NotDone as error:
        return await _not_done(request, service, call, error)
    return _done(request, call, "hung_up" if warning is None else "later")


def _done(request: Request, call: Call, what: str) -> Response:
    if is_script(request):
        return told(DONE[what], is_problem=False)
    return go_to(f"/console/calls/{call.id}?done={what}")


async def _not_done(request: Request, service: WebService, call: Call, error: NotDone) -> Response:
    if is_script(request):
        return told(str(error), is_problem=True, status=status_of(error))
    return await call_page(request, service, call, problem=str(error), status=status_of(error))
