"""`/console/login` and `/console/logout`: a person becomes known to the service with a browser, by a key of theirs.

A plain form, which works without scripts. What it says to a stranger is the same whatever is configured. An address may
give five wrong keys a minute. Behind a proxy all strangers have the proxy's address, as forwarding headers are not
believed, so together they have five; who is logged in notices nothing of it.
"""

from __future__ import annotations

from math import ceil
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from desk.api_keys import Scope
from web.access import Person, admit
from web.console.console import TheConsole
from web.console.rendering import shown
from web.pages import LOGIN, NO_STORE, local_path, page_headers
from web.refusals import Refused
from web.trust import foreign_page, is_local
from web.web_service import TheService, WebService, peer_of

HOME = "/console/"
"""Where a person goes after the login if they did not come from elsewhere."""

LOGOUT = "/console/logout"

FORM = "application/x-www-form-urlencoded"

MAX_FIELDS = 8

router = APIRouter(include_in_schema=False)


@router.get(LOGIN)
async def form(request: Request, console: TheConsole) -> Response:
    """The page with the form; for who is logged in, who they are; for who has a link, a button that takes it."""
    try:
        person: Person | None = admit(request, Scope.VIEW)
    except (Refused, HTTPException):
        person = None
    link = request.query_params.get("link", "")
    if person is None and console.link.is_good(link) and _is_here(request, console.service):
        # By a button: who only looks where a link leads does not use it up
        return await shown(request, "link.html", link=link)
    return await _page(request, local_path(request.query_params.get("next"), HOME), person=person)


@router.post(LOGIN)
async def log_in(request: Request, service: TheService) -> Response:
    """Begin a session for who gives a key; the key itself is not kept."""
    _must_be_ours(request, service)
    peer = request.client.host if request.client else ""
    if wait := service.guesses.wait_secs(peer):
        service.refusals.note(LOGIN, "guesses", "too many wrong keys from an address within a minute")
        answer = await _page(request, HOME, "Too many wrong keys: wait a minute.", status=429)
        answer.headers["Retry-After"] = str(ceil(wait))
        return answer
    given = await _fields(request)
    after = local_path(given.get("next"), HOME)
    key = service.api_keys.of(given.get("key", "").strip().encode("utf-8", "replace"))
    if key is None:
        service.guesses.was_wrong(peer)
        service.refusals.note(LOGIN, "login", "a wrong key was given at the login")
        return await _page(request, after, "This is no key of this service.", status=403)
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


@router.post(LOGIN + "/link")
async def take_link(request: Request, console: TheConsole) -> Response:
    """Begin a session for who has the link that was printed at the start: once, on this machine, without any key."""
    service = console.service
    _must_be_ours(request, service)
    given = (await _fields(request)).get("link", "")
    if not _is_here(request, service) or not console.link.take(given):
        service.refusals.note(
            LOGIN, "login_link", "a link for the login that is used up, too old or from elsewhere"
        )
        return await _page(request, HOME, "This link is good no more: start the server again.", status=403)
    answer = RedirectResponse(HOME, 303, headers=page_headers())
    service.sessions.begin(service.api_keys.open_here(), answer)
    return answer


def _is_here(request: Request, service: WebService) -> bool:
    """Whether who asks is on this machine, and no key is set that they could give."""
    at_home = f"http://127.0.0.1:{service.settings.port}"
    return not service.api_keys.good() and is_local(peer_of(request), at_home)


async def _page(
    request: Request,
    after: str,
    problem: str | None = None,
    *,
    person: Person | None = None,
    status: int = 200,
) -> Response:
    return await shown(request, "login.html", status=status, after=after, problem=problem, known=person)


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
