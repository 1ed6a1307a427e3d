"""`/console/calls/ID`: a call, while it goes on and afterwards, and the stream of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from calls.call import Call
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from desk.api_keys import Scope
from web.access import OperatorsRoute, Person, needs, still_good
from web.api import TheCall
from web.console import feeds
from web.console.call_watch import call_values
from web.console.console import TheConsole
from web.console.rendering import ConsoleRoute, person_of, shown
from web.web_service import TheService, WebService

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
streams = APIRouter(route_class=OperatorsRoute, include_in_schema=False)

DONE = {
    "said": "The bot was given the words.",
    "noted": "The bot knows of it.",
    "transferring": "The caller is being put through.",
    "hung_up": "The call is being ended.",
    "was_over": "The call had ended before.",
    "later": "The carrier has not named the call yet: it is ended as soon as that happens.",
}
"""What a page says after something was done; the address names it."""


@router.get("/console/calls/{call_id}")
@needs(Scope.VIEW)
async def one_call(request: Request, call: TheCall, service: TheService) -> Response:
    """All of a call."""
    return await call_page(request, service, call, done=DONE.get(request.query_params.get("done", "")))


async def call_page(
    request: Request,
    service: WebService,
    call: Call,
    *,
    done: str | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    """The page of a call.

    Args:
        request: What was asked.
        service: The service.
        call: The call.
        done: What was done before, in words.
        problem: What was not done, and why.
        status: Of the answer.
    """
    values = page_values(service, person_of(request), call)
    return await shown(
        request, "call.html", here="calls", status=status, styled=True, done=done, problem=problem, **values
    )


def page_values(service: WebService, person: Person, call: Call) -> dict[str, Any]:
    """What the templates of a call need."""
    acts = person.may(Scope.CALL) and not call.is_over
    return {
        **call_values(call, service.store.now(), shortly=not person.may(Scope.READ)),
        "acts": acts,
        "destinations": destinations(service, call) if acts else {},
    }


def destinations(service: WebService, call: Call) -> Mapping[str, str]:
    """Where its caller can be put through: names of the agent's file, and what they are called."""
    try:
        agent = load_agent(call.agent or service.settings.agent, service.settings.agents_dir)
    except AgentError:
        return {}
    return {name: target.description or name for name, target in agent.transfers.items()}


@streams.get("/console/calls/{call_id}/feed", response_class=feeds.Feed)
@needs(Scope.VIEW)
async def feed(request: Request, call: TheCall, console: TheConsole) -> Response:
    """What changes on the page of a call, until it has ended."""
    shortly = not person_of(request).may(Scope.READ)
    return feeds.Feed(request, console.watched(call).watch(shortly=shortly), partial(still_good, request))
