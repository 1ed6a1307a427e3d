"""What is answered when a route raises an exception: an object with `error`, and nothing else of ours."""

from __future__ import annotations

from math import ceil

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from loguru import logger
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from calls.errors import NotDone
from desk.room import NoRoom
from web.api import status_of
from web.entrance import wrong_address
from web.refusals import UNKNOWN_ROUTE, Refused, answer_refused, plain_response, refusals_of, route_of


def answer_failures(app: FastAPI) -> None:
    """Have the application answer all that its routes can raise."""
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(NotDone, _not_done)
    app.add_exception_handler(Exception, _bug)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    if (route := route_of(request.scope)) == UNKNOWN_ROUTE or error.status_code == 405:
        # Starlette's own: none of our code has looked at this request.
        reason, explanation = wrong_address(request.headers, request.url.path) or (
            "no_such_route",
            "there is nothing at this path, or not for this method",
        )
        refusals_of(request.scope).note(route, reason, explanation)
        return plain_response(error.status_code)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return JSONResponse({"error": "; ".join(problems)}, status_code=422)


async def _not_done(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NotDone)
    wait_secs = error.retry_secs if isinstance(error, NoRoom) else getattr(error, "retry_after_secs", None)
    headers = {"Retry-After": str(ceil(wait_secs))} if wait_secs else None
    return JSONResponse({"error": str(error)}, status_code=status_of(error), headers=headers)


async def _gone(_: Request, __: Exception) -> Response:
    """Answer a request whose sender has disconnected before it was complete: no one reads this."""
    return Response(status_code=400)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    # Not the path itself, which may have a key in it.
    logger.error("A request to {} failed: {}", route_of(request.scope), type(error).__name__)
    return JSONResponse({"error": "the service failed on this request; its log has more"}, status_code=500)
