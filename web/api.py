"""The REST API: what the operator's own programs may see and do. `Authorization: Bearer API_KEY`."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from calls.call import Call
from calls.errors import CallIsOver, NoAnswer, NotAllowed, NotDone, NotPossible, UnderWay
from calls.events.event import FORMAT
from calls.events.people import Reviewed
from calls.following import follow
from calls.outcome import Outcome
from calls.policy import TooManyCalls
from desk import live_calls
from desk.dial_requests import DialBody, place_call
from desk.live_calls import BY_API
from desk.room import NoRoom
from web.answers import CallDescription, problems
from web.descriptions import description, event_description
from web.refusals import Refused
from web.web_service import TheService, service_of

BROWSERS_ASK = {"WWW-Authenticate": 'Basic realm="phonebot: API_KEY is the password", charset="UTF-8"'}
"""Makes a browser ask its user for the key. Source: RFC 7617, section 2."""


NO_SUCH_CALL = "no such call: it never was here, or it was forgotten; GET /calls lists them"

FLUSH_SECS = 2.0
"""How long the database may take to write what a person has said of a call before that is answered."""

MAX_NUMBER = 2**31 - 1
"""Of an event: as much as every database takes for a whole number."""


def authorise(request: Request, *, by_browser: bool = False) -> None:
    """Let only requests in that have API_KEY.

    Args:
        request: What was asked.
        by_browser: Whether the key may also be a password, of any user name, for which a browser asks its user. The
            browser then sends it with every request to this service, also with those that pages of other sites cause:
            so only for routes that change nothing.

    Raises:
        Refused: It is missing, or wrong.
    """
    challenge = BROWSERS_ASK if by_browser else None
    expected = service_of(request).settings.api_key
    if expected is None:
        explanation = "API_KEY is not set: set it to a secret of your choice to open the API"
        raise Refused(401, "api_closed", explanation, headers=challenge)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = given.strip().encode() if scheme.lower() == "bearer" else b""
    if by_browser and scheme.lower() == "basic":
        key = _password(given)
    if not hmac.compare_digest(key, expected.get_secret_value().encode()):
        explanation = "the API key is missing or wrong: send the header Authorization: Bearer API_KEY"
        raise Refused(401, "api_key", explanation, headers=challenge)


def _password(credentials: str) -> bytes:
    """The password in the credentials of Basic authentication; nothing when they are none."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


class OperatorsRoute(APIRoute):
    """A route for the operator: the key comes first. FastAPI would read the body before any dependency looked at it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer = super().get_route_handler()

        async def authorised(request: Request) -> Response:
            authorise(request)
            return await answer(request)

        return authorised


router = APIRouter(
    prefix="/calls", route_class=OperatorsRoute, generate_unique_id_function=lambda route: route.name
)

A_CALL: dict[str, Any] = {
    "response_model": CallDescription,
    "response_model_exclude_unset": True,
    "response_description": "The call.",
}
"""What most routes answer; `warning` is left out if there is none."""


async def known_call(
    call_id: Annotated[str, Path(description="Our id of the call, or the carrier's.")], service: TheService
) -> Call:
    """The call that a path names, by our id or its carrier's; it may be in the database only."""
    call = await service.store.fetch(call_id)
    if call is None:
        raise HTTPException(404, NO_SUCH_CALL)
    return call


TheCall = Annotated[Call, Depends(known_call)]


class Body(BaseModel):
    """What is sent with a request: nothing but what is declared."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class TransferBody(Body):
    """Where to put the caller through."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"destination": "desk", "reason": "wants a refund"}]}
    )

    destination: str = Field(
        min_length=1, max_length=100, description="A name under `[transfers]` in the agent's file."
    )
    reason: str = Field(default="", max_length=1000, description="What the caller wants, for the colleague.")


class DigitsBody(Body):
    """Which keys to press."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digits": "1ww42#"}]})

    digits: str = Field(description="0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).")


class RecordingBody(Body):
    """What to do with the recording."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "pause"}]})

    action: Literal["start", "pause", "resume", "stop"]


@router.post("", status_code=202, summary="Place a call", responses=problems(422, 429, 502, 503), **A_CALL)
async def dial(body: DialBody, service: TheService) -> dict[str, Any]:
    """Place a call. The answer comes as soon as the carrier has accepted the call.

    With a `warning` it is not known yet whether it has: the service looks for the call, and never dials twice.
    """
    service.room.check()
    with service.room.guest():
        call, warning = await place_call(
            body, service.settings, service.dialler, service.carrier_named, lambda _: service.way_back
        )
        service.room.take(call)
    return {**description(call), **({"warning": warning} if warning else {})}


@router.get("/{call_id}", summary="One call", responses=problems(404), **A_CALL)
async def one_call(call: TheCall) -> dict[str, Any]:
    """All that is known of a call."""
    return description(call)


class ReviewBody(Body):
    """What a person says of a call; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcome": "message", "note": "Called back."}]}
    )

    outcome: Outcome | None = Field(
        default=None, description="What it has achieved; `null` for what was found by itself."
    )
    note: str = Field(default="", max_length=2000, description="A note; empty for none.")
    reviewed: bool = Field(default=True, description="Whether they are done with it.")


@router.patch("/{call_id}", summary="Review a call", responses=problems(404, 422), **A_CALL)
async def review(
    call_id: Annotated[str, Path(description="Our id of the call, or the carrier's.")],
    body: ReviewBody,
    service: TheService,
) -> dict[str, Any]:
    """Say what a call has achieved, keep a note with it, or note that it was looked at. It is an event of the call."""
    call = await service.store.change(call_id)
    if call is None:
        raise HTTPException(404, NO_SUCH_CALL)
    before = call.last(Reviewed) or Reviewed()
    said = body.model_dump(mode="json", exclude_unset=True)
    call.record(replace(before, **said, by=BY_API, stored=None))
    await service.store.flush(FLUSH_SECS)
    return description(call)


def tell_event_format(response: Response) -> None:
    """Send the version of the events' format in a header: an event stream has no other place for it."""
    response.headers["Event-Format"] = str(FORMAT)


@router.get(
    "/{call_id}/events",
    summary="Follow a call",
    response_class=EventSourceResponse,
    dependencies=[Depends(tell_event_format)],
    response_description="The events.",
    responses=problems(404),
)
async def events(
    call: TheCall,
    service: TheService,
    last_event_id: Annotated[
        str | None,
        Header(description="The `id:` of the last event that is known: those behind it are sent."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Past events, then each as it happens, until the call has ended, as server-sent events.

    An `event:` is the kind, its `data:` the event in JSON, as `events` of a call has it. Its `id:` is its number in the
    call, from 1, the same whichever process is asked: a browser that has lost the stream goes on where it was.
    """
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    async for number, event in follow(service.store, call, min(after, MAX_NUMBER)):
        yield ServerSentEvent(id=str(number), event=event.kind, data=event_description(event))


@router.post("/{call_id}/hangup", summary="End a call", responses=problems(404, 502), **A_CALL)
async def hang_up(call: TheCall, service: TheService) -> dict[str, Any]:
    """End a call, also in the middle of a transfer. A call that has ended already is no error."""
    warning = await live_calls.hang_up(service, call)
    return {**description(call), **({"warning": warning} if warning else {})}


@router.post(
    "/{call_id}/transfer",
    status_code=202,
    summary="Put the caller through",
    responses=problems(404, 409, 422, 502, 504),
    **A_CALL,
)
async def transfer(body: TransferBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Put the caller through. How it ends is an event of the call, and among its `transfers`."""
    await live_calls.put_through(service, call, body.destination, body.reason)
    return description(call)


@router.post("/{call_id}/digits", summary="Press keys", responses=problems(404, 409, 422, 502, 504), **A_CALL)
async def digits(body: DigitsBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Press keys for the other side, such as in another company's menu."""
    await live_calls.press(service, call, body.digits)
    return description(call)


@router.post(
    "/{call_id}/recording",
    summary="Change the recording",
    responses=problems(404, 409, 422, 502, 504),
    **A_CALL,
)
async def recording(body: RecordingBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Start, pause, resume or stop the recording of a call."""
    await live_calls.record(service, call, body.action)
    return description(call)


def status_of(error: NotDone) -> int:
    """The HTTP status that says why something was not done."""
    if isinstance(error, TooManyCalls):
        return 429
    if isinstance(error, NoRoom):
        return 503
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, NotPossible):
        return 422
    if isinstance(error, NoAnswer):
        return 504
    return 409 if isinstance(error, CallIsOver | UnderWay) else 502
