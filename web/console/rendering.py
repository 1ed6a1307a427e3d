"""Pages of the console: templates, headers, compression, and an HTML answer for whatever goes wrong.

A template gets what the API would answer, never an object of the program: who may only look on gets it shortened
(`web.access.seen_by`), in the same way as from the API. All text is escaped by Jinja; no template says otherwise.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse

from calls.errors import NotDone
from desk.api_keys import Scope
from web.access import Person, who
from web.api import status_of
from web.console import assets
from web.console.console import console_of
from web.console.feeds import partial
from web.console.templating import TEMPLATES, fragment
from web.pages import LOGIN, NO_STORE, PagesRoute, new_nonce, page, page_headers
from web.refusals import Refused
from web.web_service import service_of

PAGES = (
    ("live", "/console/", "Live", Scope.VIEW),
    ("calls", "/console/calls", "Calls", Scope.VIEW),
    ("messages", "/console/messages", "Messages", Scope.VIEW),
    ("overview", "/console/overview", "Overview", Scope.VIEW),
    ("setup", "/console/setup", "Setup", Scope.ADMIN),
)
"""The navigation: the name of each page, its path, what is written there, and who may see it."""


async def shown(
    request: Request,
    template: str,
    *,
    here: str = "",
    problem: str | None = None,
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
        problem: What went wrong; it stands above all else.
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
        pages=[one[:3] for one in PAGES if person is not None and person.may(one[3])],
        person=person,
        nonce=nonce,
        live_calls=await console_of(request).live_calls() if person is not None else None,
        problem=problem,
        **values,
    )
    answer = page(text, nonce=nonce, status=status)
    return answer if secret else compressed(request, answer)


def compressed(request: Request, answer: Response) -> Response:
    """An answer compressed, if the browser takes that. Never a stream: it would be held back."""
    body = bytes(answer.body)
    answer.headers["Vary"] = "Accept-Encoding, Cookie"
    if len(body) >= assets.WORTH_COMPRESSING and assets.accepts_gzip(request):
        answer.body = gzip.compress(body, 5, mtime=0)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def person_of(request: Request) -> Person:
    """Who asks, on a page that has admitted them."""
    return who(request)


class ConsoleRoute(PagesRoute):
    """A page, or what a form of a page does: whatever goes wrong is told by a page, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer = super().get_route_handler()

        async def always(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                if refused.status_code != 401:
                    raise
                return _to_login(request)
            except HTTPException as error:
                return await _failed(request, error.status_code, str(error.detail), error.headers)
            except RequestValidationError as error:
                said = "; ".join(f"{one['loc'][-1]}: {_plain(one['msg'])}" for one in error.errors())
                return await _failed(request, 422, said)
            except NotDone as error:
                return await _failed(request, status_of(error), str(error))

        return always


def _to_login(request: Request) -> Response:
    """Where somebody goes whose session has ended while they wrote a form, and where they come back to."""
    path = f"{LOGIN}?next={quote(request.url.path.rpartition('/')[0])}"
    if is_script(request):
        # A script would follow it by itself, and show the login in a piece of the page
        return Response(status_code=401, headers={**NO_STORE, "HX-Redirect": path})
    return RedirectResponse(path, 303, headers=NO_STORE)


async def _failed(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    if getattr(request.state, "person", None) is None:
        # Who may not see this page may see others
        key = service_of(request).sessions.key_of(request.cookies)
        request.state.person = Person(key, by_session=True) if key is not None else None
    if is_script(request):
        answer = told(text, is_problem=True, status=status)
    else:
        answer = await shown(request, "problem.html", status=status, problem=text, number=status)
    for name, value in (headers or {}).items():
        answer.headers[name] = value
    return answer


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def is_script(request: Request) -> bool:
    """Whether htmx has sent a form, and wants pieces of the page (source: four.htmx.org, request headers)."""
    return request.headers.get("hx-request") == "true"


def told(text: str, *, is_problem: bool, status: int = 200) -> Response:
    """What was done, or not, as a piece of a page that has an element `told`."""
    html = partial("told", "innerHTML", fragment("_told.html", text=text, is_problem=is_problem))
    return HTMLResponse(html, status, headers=page_headers())


def go_to(path: str) -> RedirectResponse:
    """Where a browser goes after a form: it asks for that page anew, and a reload does nothing twice."""
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})
