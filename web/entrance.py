"""What every request and every socket passes first: paths as people write them, and pages of other sites."""

from __future__ import annotations

import difflib
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carriers import descriptors
from web.refusals import POLICY_VIOLATION, plain_response
from web.trust import foreign_site
from web.web_service import WebService

EVERYWHERE = "every route"

HEALTH = frozenset({"/healthz", "/readyz"})
"""Load balancers ask for these by any name or address, and they tell nothing that a page could use."""


class Entrance:
    """ASGI middleware.

    A slash too many, or at the end, changes nothing: a redirect would lose the carrier's POST, and with it the call.
    The address as it was called is kept beside (`raw_path`), for signatures are over that.

    Parameters:
        app: What is behind.
        service: The service.
    """

    def __init__(self, app: ASGIApp, service: WebService):
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = plain_path(scope["path"])
        service = self._service
        problem = None
        if path not in HEALTH:
            problem = foreign_site(Headers(scope=scope), service.settings, service.public_url)
        if problem is None:
            if service.drain.is_under_way and scope["type"] == "http":
                send = _closing(send)
            await self._app({**scope, "path": path}, receive, send)
            return
        service.refusals.note(EVERYWHERE, "foreign_site", problem)
        if scope["type"] == "http":
            await plain_response(403)(scope, receive, send)
        else:
            # Before the upgrade is accepted, this is an HTTP 403.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _closing(send: Send) -> Send:
    """Have the client open another connection for its next request: it comes to a process that stays."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def plain_path(path: str) -> str:
    """A path without double slashes and without one at its end."""
    return re.sub(r"/{2,}", "/", path).rstrip("/") or "/"


def wrong_address(headers: Headers, path: str) -> tuple[str, str] | None:
    """What to correct when a carrier asks for an address that is not here.

    Args:
        headers: The request's.
        path: The path that was asked for.

    Returns:
        A reason to count by, and the line for the log; None when this is no carrier's request.
    """
    for one in descriptors():
        if one.signature_header in headers:
            carrier = one.title
            # What is to be entered in its console.
            routes = ("voice", "status", "events") if one.sends_events else ("voice", "status")
            addresses = [f"/{one.name}/{route}" for route in routes]
            close = difflib.get_close_matches(path[:100].lower(), addresses, n=1, cutoff=0.5)
            meant = close[0] if close else addresses[0]
            return (
                f"wrong_address_for_{meant.strip('/').replace('/', '_')}",
                f"a request that {carrier} signs asks for an address that is not here, or not by this method: correct "
                f"it in {carrier}'s console; PUBLIC_URL{meant}, as it is printed at the start, is probably meant",
            )
    return None
