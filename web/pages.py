"""HTML for people who are logged in: what their browser may do with it, and who is sent to log in first."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from web.access import admit, needs_of
from web.refusals import Refused

LOGIN = "/console/login"

NO_STORE = {"Cache-Control": "no-store"}


def new_nonce() -> str:
    """What marks the style elements of one answer as ours."""
    return secrets.token_urlsafe(16)


def page_headers(nonce: str | None = None) -> dict[str, str]:
    """What a browser is told with each page: load, run and show nothing but what this server has, and keep nothing.

    No script stands in a page, and no style but in elements with the nonce. The referrer is named to ourselves only;
    with `no-referrer` browsers would send `Origin: null` with our own forms (source: Fetch, "append a request `Origin`
    header"), and older ones have nothing else to tell us from other sites.

    Args:
        nonce: Of the page's own style elements; None when it has none.
    """
    style = "style-src 'self'" + (f" 'nonce-{nonce}'" if nonce else "")
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        style,
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        **NO_STORE,
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def page(text: str, *, nonce: str | None = None, status: int = 200) -> HTMLResponse:
    """A page as an answer.

    Args:
        text: Its HTML.
        nonce: As in `page_headers`.
        status: Of the answer.
    """
    return HTMLResponse(text, status, headers=page_headers(nonce))


def local_path(wanted: str | None, otherwise: str) -> str:
    """Where to go after the login: a path of this server, whatever was asked for.

    Args:
        wanted: What the address said.
        otherwise: Where to go when that is no path of ours.
    """
    if not wanted or len(wanted) > 500 or not wanted.isascii() or not wanted.isprintable():
        return otherwise
    # `//host` and `/\host` are other hosts to a browser.
    if not wanted.startswith("/") or wanted[1:2] in ("/", "\\") or "\\" in wanted:
        return otherwise
    return wanted


class PagesRoute(APIRoute):
    """A route for people in a browser: who is not logged in is sent to the login, and comes back after it.

    What a person must be allowed is said by `web.access.needs`, as in `OperatorsRoute`; only their session counts.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer, needed = super().get_route_handler(), needs_of(self.endpoint)

        async def authorised(request: Request) -> Response:
            try:
                admit(request, needed)
            except Refused as refused:
                if refused.status_code != 401 or request.method not in ("GET", "HEAD"):
                    raise
                target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"{LOGIN}?next={quote(target)}", 303, headers=NO_STORE)
            return await answer(request)

        return authorised
