"""Refusing: a plain status for the sender, one line in the log for the operator.

A stranger learns nothing of what is configured: `Refused(403, ...)` is answered with `forbidden`, whatever its reason.
Inside, a reason is logged once a minute for each route, with the number of those that were not logged, and counted.
Neither the line nor the counters hold anything that the request brought along.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from loguru import logger
from starlette.types import Scope
from starlette.websockets import WebSocket

PLAIN = {
    400: "bad request",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "request timeout",
    411: "length required",
    413: "content too large",
    415: "unsupported media type",
    421: "misdirected request",
    429: "too many requests",
    431: "request header fields too large",
    503: "service unavailable",
}
"""All that a refusal says to the outside. Source: RFC 9110, section 15, and RFC 6585."""

HEADERS = {401: {"WWW-Authenticate": "Bearer"}}

WINDOW_SECS = 60.0
"""How long a reason is not logged again for a route."""

UNKNOWN_ROUTE = "an unknown path"

POLICY_VIOLATION = 1008
"""WebSocket close code. Source: RFC 6455, section 7.4.1."""


class Refused(HTTPException):
    """A request, or a socket, is turned down. Raised in a route or in one of its dependencies.

    Parameters:
        status: What the sender gets: one of `PLAIN`.
        reason: A short fixed name such as `unsigned`, by which refusals are counted: never a text of the sender's.
        explanation: Cause and fix, for the log: a fixed sentence, nothing of the request's.
        headers: Sent along, in place of those that the status has.
    """

    def __init__(self, status: int, reason: str, explanation: str, headers: dict[str, str] | None = None):
        # FastAPI lets its own exceptions pass while it reads a body, and no others.
        super().__init__(status, PLAIN.get(status), headers)
        self.reason = reason
        self.explanation = explanation


@dataclass
class _Window:
    """The minute that follows a line in the log."""

    began: float
    explanation: str
    not_logged: int = 0


@dataclass(eq=False)
class Refusals:
    """What was refused in this process.

    Parameters:
        counts: How often, by reason, since the start.
        clock: Monotonic time in seconds.
    """

    counts: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], float] = time.monotonic
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)

    def note(self, route: str, reason: str, explanation: str) -> None:
        """Count a refusal, and log it unless the same was logged within the last minute.

        Args:
            route: A route's pattern or another fixed name, never a path as it was asked for.
            reason: As in `Refused`.
            explanation: As in `Refused`.
        """
        self.counts[reason] += 1
        self.tell()
        window = self._windows.get((route, reason))
        if window is not None:
            window.not_logged += 1
            return
        self._windows[route, reason] = _Window(self.clock(), explanation)
        logger.warning("Refused at {} ({}): {}", route, reason, explanation)
        try:
            asyncio.get_running_loop().call_later(WINDOW_SECS + 0.1, self.tell)
        except RuntimeError:
            return  # Without an event loop, the next refusal logs it.

    def tell(self) -> None:
        """Log how often each reason came again after it was logged, once that was more than a minute ago."""
        now = self.clock()
        for (route, reason), window in list(self._windows.items()):
            if now - window.began < WINDOW_SECS:
                continue
            del self._windows[route, reason]
            if window.not_logged:
                logger.warning(
                    "Refused at {} ({}): {} more within a minute: {}",
                    route,
                    reason,
                    window.not_logged,
                    window.explanation,
                )


def plain_response(status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """What the outside gets; `headers` in place of those that the status has."""
    return JSONResponse(
        {"error": PLAIN.get(status, "refused")}, status_code=status, headers=headers or HEADERS.get(status)
    )


def route_of(scope: Scope) -> str:
    """The pattern of the route that a request came to, which holds no token and no id."""
    return getattr(scope.get("route"), "path", UNKNOWN_ROUTE)


def refusals_of(scope: Scope) -> Refusals:
    """The refusals of the service that a request came to."""
    refusals: Refusals = scope["app"].state.service.refusals
    return refusals


async def answer_refused(connection: Any, error: Exception) -> Any:
    """Answer `Refused`, on requests and on sockets that are not accepted yet: the application's exception handler."""
    assert isinstance(error, Refused)
    refusals_of(connection.scope).note(route_of(connection.scope), error.reason, error.explanation)
    response = plain_response(error.status_code, error.headers)
    if not isinstance(connection, WebSocket) or "websocket.http.response" in connection.scope.get(
        "extensions", {}
    ):
        return response
    await connection.close(POLICY_VIOLATION)  # Before the upgrade is accepted, this is an HTTP 403.
    return None
