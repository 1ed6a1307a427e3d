"""Pages of the console: templates, headers, compression, and an HTML answer for whatever goes wrong.

A template gets what the API would answer, never an object of the program: who may only look on gets it shortened
(`web.access.seen_by`), in the same way as from the API. All text is escaped by Jinja; no template says otherwise.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import jinja2
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse

from calls.errors import NotDone
from calls.searching import Filters
from desk.api_keys import Scope
from web.access import Person, who
from web.api import status_of
from web.console import assets, words
from web.pages import PagesRoute, new_nonce, page
from web.refusals import Refused
from web.web_service import WebService, service_of

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters.update(words.FILTERS)
TEMPLATES.globals.update(static=assets.address, SLOW_MS=words.SLOW_MS, STAGES=words.STAGES, Scope=Scope)

PAGES = (
    ("live", "/console/", "Live"),
    ("calls", "/console/calls", "Calls"),
    ("messages", "/console/messages", "Messages"),
    ("overview", "/console/overview", "Overview"),
    ("setup", "/console/setup", "Setup"),
)
"""The navigation: the name of each page, its path, and what is written there."""

COUNTED_SECS = 2.0
"""How long the number of live calls in the head of a page may be old."""

MOST_LIVE = 1000


async def shown(
    request: Request,
    template: str,
    *,
    here: str = "",
    status: int = 200,
    styled: bool = False,
    secret: bool = False,
    **values: Any,
) -> Response:
    """A page as an answer.

    Args:
        request: What was asked. A template finds who asked as `person`, a `web.access.Person`, or None.
        template: The name of its file.
        here: Which entry of the navigation it belongs to: a name of `PAGES`.
        status: Of the answer.
        styled: Whether a script of the page makes style elements: they are allowed by the template's `nonce`.
        secret: Whether it has secrets in it. It is not compressed then: with text of strangers beside a secret, the
            length of what is sent would tell of it (source: the BREACH attack, breachattack.com).
        **values: For the template.
    """
    person: Person | None = getattr(request.state, "person", None)
    nonce = new_nonce() if styled else None
    text = TEMPLATES.get_template(template).render(
        here=here,
        pages=PAGES,
        person=person,
        nonce=nonce,
        live_calls=await live_calls(service_of(request)) if person is not None else None,
        problem=None if "problem" not in values else values.pop("problem"),
        **values,
    )
    answer = page(text, nonce=nonce, status=status)
    return answer if secret else compressed(request, answer)


def fragment(template: str, **values: Any) -> str:
    """A part of a page, for a stream of changes."""
    return TEMPLATES.get_template(template).render(**values)


def compressed(request: Request, answer: Response) -> Response:
    """An answer compressed, if the browser takes that. Never a stream: it would be held back."""
    body = bytes(answer.body)
    answer.headers["Vary"] = "Accept-Encoding, Cookie"
    if len(body) >= assets.WORTH_COMPRESSING and assets.accepts_gzip(request):
        answer.body = gzip.compress(body, 5, mtime=0)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
    return answer


async def live_calls(service: WebService) -> int:
    """How many calls go on, in all processes; two seconds old at most."""
    now = time.monotonic()
    known: tuple[float, int] | None = getattr(service, "_console_live", None)
    if known is None or now - known[0] > COUNTED_SECS:
        found = await service.store.looking.find(Filters(live=True), MOST_LIVE)
        known = now, len(found.records)
        service._console_live = known  # type: ignore[attr-defined]
    return known[1]


def person_of(request: Request) -> Person:
    """Who asks, on a page that has admitted them."""
    return who(request)


class ConsoleRoute(PagesRoute):
    """A page, or what a form of a page does: whatever goes wrong is told by a page, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused:
                raise
            except HTTPException as error:
                return await _failed(request, error.status_code, str(error.detail), error.headers)
            except RequestValidationError as error:
                said = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
                return await _failed(request, 422, said)
            except NotDone as error:
                return await _failed(request, status_of(error), str(error))

        return told


async def _failed(
    request: Request, status: int, text: str, headers: dict[str, str] | None = None
) -> Response:
    answer = await shown(request, "problem.html", status=status, problem=text, number=status)
    for name, value in (headers or {}).items():
        answer.headers[name] = value
    return answer


def go_to(path: str) -> RedirectResponse:
    """Where a browser goes after a form: it asks for that page anew, and a reload does nothing twice."""
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})
