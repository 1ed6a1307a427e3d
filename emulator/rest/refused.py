"""How a REST interface turns a request down: whatever finds the reason raises it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from aiohttp import web

from emulator.requests import Handler


class RequestRefused(Exception, ABC):
    """A request is turned down; each carrier has its own kind.

    Attributes:
        status: The HTTP status.
    """

    status: int

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """The error as the carrier writes it, in JSON."""

    def response(self) -> web.Response:
        """What the request is answered."""
        return web.json_response(self.body(), status=self.status)


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request that is turned down is answered with the error."""
    try:
        return await handler(request)
    except RequestRefused as refused:
        return refused.response()
