"""How long carriers wait for the answers to their webhooks."""

from __future__ import annotations

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from carriers import known_carriers
from web.refusals import UNKNOWN_ROUTE, route_of

UNKNOWN = "unknown"


class WebhookTimes:
    """ASGI middleware.

    Parameters:
        app: What is behind.
        times: Where to; its label is the pattern of the route, which holds no key and no id.
    """

    def __init__(self, app: ASGIApp, times: Histogram):
        self._app = app
        self._times = times
        self._carriers = frozenset(known_carriers())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on."""
        if scope["type"] != "http" or scope["path"].strip("/").partition("/")[0] not in self._carriers:
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            route = route_of(scope)
            self._times.labels(UNKNOWN if route == UNKNOWN_ROUTE else route).observe(time.monotonic() - began)
