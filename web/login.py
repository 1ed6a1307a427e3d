"""`/console/login` and `/console/logout`: a person becomes known to the service with a browser, by a key of theirs.

A plain form, which works without scripts. What it says to a stranger is the same whatever is configured. An address may
give five wrong keys a minute. Behind a proxy all strangers have the proxy's address, as forwarding headers are not
believed, so together they have five; who is logged in notices nothing of it.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from urllib.parse import parse_qsl

import jinja2
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from desk.api_keys import Scope
from web.access import Person, admit
from web.pages import LOGIN, NO_STORE, local_path, new_nonce, page, page_headers
from web.refusals import Refused
from web.trust import foreign_page
from web.web_service import TheService, WebService

HOME = "/console/"
"""Where a person goes after the login if they did not come from elsewhere."""

LOGOUT = "/console/logout"

FORM = "application/x-www-form-urlencoded"

MAX_FIELDS = 8

router = APIRouter(include_in_schema=False)

_TEMPLATE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


@router.get(LOGIN)
async def form(request: Request) -> Response:
    """The page with the form; for who is logged in, who they are."""
    try:
        person: Person | None = admit(request, Scope.VIEW)
    except (Refused, HTTPException):
        person = None
    return _page(local_path(request.query_params.get("next"), HOME), person=person)


@router.post(LOGIN)
async def log_in(request: Request, service: TheService) -> Response:
    """Begin a session for who gives a key; the key itself is not kept."""
    _must_be_ours(request, service)
    peer = request.client.host if request.client else ""
    if wait := service.guesses.wait_secs(peer):
        service.refusals.note(LOGIN, "guesses", "too many wrong keys from an address within a minute")
        answer = _page(HOME, "Too many wrong keys: wait a minute.", status=429)
        answer.headers["Retry-After"] = str(ceil(wait))
        return answer
    given = await _fields(request)
    after = local_path(given.get("next"), HOME)
    key = service.api_keys.of(given.get("key", "").strip().encode("utf-8", "replace"))
    if key is None:
        service.guesses.was_wrong(peer)
        service.refusals.note(LOGIN, "login", "a wrong key was given at the login")
        return _page(after, "This is no key of this service.", status=403)
    answer = RedirectResponse(after, 303, headers=page_headers())
    service.sessions.begin(key, answer)
    return answer


@router.post(LOGOUT)
async def log_out(request: Request, service: TheService) -> Response:
    """Have the browser forget the session, and what it has kept of pages."""
    _must_be_ours(request, service)
    answer = RedirectResponse(LOGIN, 303, headers={**NO_STORE, "Clear-Site-Data": '"cache"'})
    service.sessions.end(answer)
    return answer


def _page(
    after: str, problem: str | None = None, *, person: Person | None = None, status: int = 200
) -> Response:
    nonce = new_nonce()
    text = _TEMPLATE.get_template("login.html").render(
        after=after, problem=problem, person=person, nonce=nonce
    )
    return page(text, nonce=nonce, status=status)


def _must_be_ours(request: Request, service: WebService) -> None:
    """Let only the form of ours log somebody in or out: with another's session a person would tell it their secrets.

    Raises:
        Refused: Another site's page has sent it, or nothing says which.
    """
    if (why := foreign_page(request.method, request.headers, service.public_url)) is not None:
        raise Refused(403, "foreign_page", why)


async def _fields(request: Request) -> dict[str, str]:
    """What stands in the form.

    Raises:
        Refused: This is no form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(415, "login_form", "the login takes what its form sends, and nothing else")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Refused(400, "login_form", "the login's form has more fields than two") from None
