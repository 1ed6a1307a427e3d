"""Who asks, and whether they may: keys of the API, sessions of browsers, what each route needs.

`Authorization: Bearer KEY`, or the cookie of somebody who has logged in (`web.login`). A browser sends a cookie also
with what pages of other sites have it ask for, so a request with one must come from a page of ours (`web.trust`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from desk.api_keys import ApiKey, Scope
from web.refusals import Refused, route_of
from web.shortened import shortened
from web.trust import foreign_page
from web.web_service import service_of

BROWSERS_ASK = {"WWW-Authenticate": 'Basic realm="phonebot: API_KEY is the password", charset="UTF-8"'}
"""Makes a browser ask its user for the key. Source: RFC 7617, section 2."""

JSON, EVENTS = "application/json", "text/event-stream"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Person:
    """Who asks: a person, or a program of theirs.

    Parameters:
        key: Their key.
        by_session: Whether they are in a browser, and have logged in.
    """

    key: ApiKey
    by_session: bool = False

    @property
    def name(self) -> str:
        """Who it is, for the events of calls."""
        return self.key.name

    def may(self, needed: Scope) -> bool:
        """Whether they may do what needs a scope."""
        return self.key.scope is not None and self.key.scope.covers(needed)


def needs(scope: Scope) -> Callable[[F], F]:
    """Say what scope a route needs; one of which nothing is said needs `admin`.

    Args:
        scope: The least one.
    """

    def mark(endpoint: F) -> F:
        endpoint.__dict__["needs"] = scope
        return endpoint

    return mark


def needs_of(endpoint: Callable[..., Any]) -> Scope:
    """The scope that a route needs."""
    scope: Scope = getattr(endpoint, "needs", Scope.ADMIN)
    return scope


def admit(request: HTTPConnection, needed: Scope, *, by_browser: bool = False) -> Person:
    """Let only requests, and sockets, in of those who may; who it is, `who` tells the route.

    Args:
        request: What was asked.
        needed: The scope that it needs.
        by_browser: Whether the key may also be a password, of any user name, for which a browser asks its user. The
            browser then sends it with every request to this service, also with those that pages of other sites cause:
            so only for routes that change nothing.

    Raises:
        Refused: There is no key, or it is worthless.
        HTTPException: The key is good, but not for this, or not for so many requests.
    """
    service = service_of(request)
    person = _person(request, by_browser=by_browser)
    if person is None:
        challenge = BROWSERS_ASK if by_browser else None
        if not service.api_keys.good():
            explanation = "API_KEY is not set: set it to a secret of your choice to open the API"
            raise Refused(401, "api_closed", explanation, headers=challenge)
        explanation = "the API key is missing or wrong: send the header Authorization: Bearer API_KEY"
        raise Refused(401, "api_key", explanation, headers=challenge)
    if wait := service.rates.take(person.name, person.key.per_minute):
        explanation = (
            "more requests with a key than it is good for: ask less often, or make one with a higher rate"
        )
        text = f"the key {person.name} is good for {person.key.per_minute} requests a minute: wait {ceil(wait)} s"
        raise _denied(request, 429, "rate", explanation, text, {"Retry-After": str(ceil(wait))})
    if not person.may(needed):
        explanation = "a key without the scope for it: `phonebot key new` makes one with another scope"
        text = f"the key {person.name} has the scope {person.key.scope}, and this needs {needed}: use another key"
        raise _denied(request, 403, "scope", explanation, text)
    request.state.person = person
    return person


def _denied(
    request: HTTPConnection,
    status: int,
    reason: str,
    explanation: str,
    text: str,
    headers: dict[str, str] | None = None,
) -> HTTPException:
    """What somebody gets whose key is good, but not for this: they are told why; a socket has no way to tell them."""
    if request.scope["type"] == "websocket":
        return Refused(status, reason, explanation)
    service_of(request).refusals.note(route_of(request.scope), reason, explanation)
    return HTTPException(status, text, headers)


def still_good(request: HTTPConnection) -> bool:
    """Whether who has been admitted would be again, for answers that go on for long.

    A key may be revoked meanwhile, or get another scope, and a session may end.
    """
    person, service = who(request), service_of(request)
    if person.by_session and service.sessions.key_of(request.cookies) is None:
        return False
    return service.api_keys.is_good(person.key)


def who(request: HTTPConnection) -> Person:
    """Who asks, on a route that has admitted them."""
    person: Person = request.state.person
    return person


async def _who(request: HTTPConnection) -> Person:
    return who(request)


ThePerson = Annotated[Person, Depends(_who)]
"""Who asks, as a parameter of a route."""


def _person(request: HTTPConnection, *, by_browser: bool) -> Person | None:
    """Who it is.

    Raises:
        Refused: A page of another site has a person's browser ask.
    """
    service = service_of(request)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme:
        key = given.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""
        if by_browser and scheme.lower() == "basic":
            key = _password(given)
        found = service.api_keys.of(key)
        return Person(found) if found is not None else None
    found = service.sessions.key_of(request.cookies)
    if found is None:
        return None
    method = request.scope.get("method", "WEBSOCKET")
    if (why := foreign_page(method, request.headers, service.public_url)) is not None:
        raise Refused(403, "foreign_page", why)
    return Person(found, by_session=True)


def _password(credentials: str) -> bytes:
    """The password in the credentials of Basic authentication; nothing when they are none."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


class OperatorsRoute(APIRoute):
    """A route for the operator: the key comes first. FastAPI would read the body before any dependency looked at it.

    What it answers in JSON is shortened here for who may only look on, so no route can forget that. They get a stream
    of events as the route makes it (`seen_by`), and nothing of any other kind, such as CSV.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer, needed = super().get_route_handler(), needs_of(self.endpoint)

        async def authorised(request: Request) -> Response:
            person = admit(request, needed)
            response = await answer(request)
            if not person.may(Scope.READ):
                _shorten(person, response)
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return authorised


def seen_by(person: Person, shown: dict[str, Any]) -> dict[str, Any]:
    """What somebody may see of an event: all of it, or with numbers shortened."""
    if person.may(Scope.READ):
        return shown
    less: dict[str, Any] = shortened(shown)
    return less


def _shorten(person: Person, response: Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind == EVENTS:
        return
    if kind != JSON or isinstance(response, StreamingResponse):
        text = f"the key {person.name} has the scope {person.key.scope}, and this needs {Scope.READ}: use another key"
        raise HTTPException(403, text)
    less = shortened(json.loads(bytes(response.body)))
    response.body = json.dumps(less, ensure_ascii=False, separators=(",", ":")).encode()
    response.headers["Content-Length"] = str(len(response.body))
