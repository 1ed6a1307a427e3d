"""The REST API: what the operator's own programs may see and do. `Authorization: Bearer API_KEY`."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from calls.call import Call
from calls.errors import CallIsOver, NotDone, NotPossible, UnderWay
from calls.events.event import FORMAT
from calls.policy import TooManyCalls
from desk import live_calls
from desk.dial_requests import DialBody, place_call
from web.descriptions import description, event_description, summary
from web.refusals import Refused
from web.web_service import TheService, service_of


def authorise(request: Request) -> None:
    """Let only those in who know API_KEY.

    Raises:
        Refused: It is missing, or wrong.
    """
    expected = service_of(request).settings.api_key
    if expected is None:
        raise Refused(
            401, "api_closed", "API_KEY is not set: set it to a secret of your choice to open the API"
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = expected.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key):
        raise Refused(
            401, "api_key", "the API key is missing or wrong: send the header Authorization: Bearer API_KEY"
        )


class OperatorsRoute(APIRoute):
    """A route for the operator: the key comes first. FastAPI would read the body before any dependency looked at it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer = super().get_route_handler()

        async def authorised(request: Request) -> Response:
            authorise(request)
            return await answer(request)

        return authorised


router = APIRouter(prefix="/calls", route_class=OperatorsRoute)


async def known_call(call_id: str, service: TheService) -> Call:
    """The call that a path names, by our id or its carrier's; it may be in the database only."""
    call = await service.store.fetch(call_id)
    if call is None:
        raise HTTPException(
            404, "no such call: it never was here, or it was forgotten; GET /calls lists them"
        )
    return call


TheCall = Annotated[Call, Depends(known_call)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class TransferBody(_Body):
    """Put the caller through.

    Parameters:
        destination: A name under `[transfers]` in the agent's file.
        reason: What the caller wants, for the colleague.
    """

    destination: str = Field(min_length=1, max_length=100)
    reason: str = Field(default="", max_length=1000)


class DigitsBody(_Body):
    """Press keys for the other side.

    Parameters:
        digits: 0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).
    """

    digits: str


class RecordingBody(_Body):
    """Change the recording of the call.

    Parameters:
        action: What to do.
    """

    action: Literal["start", "pause", "resume", "stop"]


@router.get("")
async def calls(
    service: TheService, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, list[dict[str, Any]]]:
    """The last calls, newest first, without their events."""
    return {"calls": [summary(call) for call in await service.store.latest(limit)]}


@router.post("", status_code=202)
async def dial(body: DialBody, service: TheService) -> dict[str, Any]:
    """Call somebody. The answer comes as soon as the carrier has taken the call on.

    With a `warning` nobody knows yet whether it has: the call is looked for, and never dialled twice.
    """
    call, warning = await place_call(
        body, service.settings, service.dialler, service.carrier_named, lambda _: service.way_back
    )
    return {**description(call), **({"warning": warning} if warning else {})}


@router.get("/{call_id}")
async def one_call(call: TheCall) -> dict[str, Any]:
    """All that is known of a call."""
    return description(call)


def tell_event_format(response: Response) -> None:
    """Tell the version of the events' format in a header: an event stream has no other place for it."""
    response.headers["Event-Format"] = str(FORMAT)


@router.get(
    "/{call_id}/events", response_class=EventSourceResponse, dependencies=[Depends(tell_event_format)]
)
async def events(call: TheCall, service: TheService) -> AsyncIterator[ServerSentEvent]:
    """Past events, then each as it happens, until the call has ended."""
    async for event in service.store.subscribe(call):
        yield ServerSentEvent(event=event.kind, data=event_description(event))


@router.post("/{call_id}/hangup")
async def hang_up(call: TheCall, service: TheService) -> dict[str, Any]:
    """End a call, also in the middle of a transfer. A call that has ended already is no error."""
    warning = await live_calls.hang_up(service, call)
    return {**description(call), **({"warning": warning} if warning else {})}


@router.post("/{call_id}/transfer", status_code=202)
async def transfer(body: TransferBody, call: TheCall) -> dict[str, Any]:
    """Put the caller through. How it ends is an event of the call, and among its `transfers`."""
    live_calls.put_through(call, body.destination, body.reason)
    return description(call)


@router.post("/{call_id}/digits")
async def digits(body: DigitsBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Press keys for the other side."""
    await live_calls.press(service, call, body.digits)
    return description(call)


@router.post("/{call_id}/recording")
async def recording(body: RecordingBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Start, pause, resume or stop the recording of a call."""
    await live_calls.record(service, call, body.action)
    return description(call)


def status_of(error: NotDone) -> int:
    """The HTTP status that tells why something was not done."""
    if isinstance(error, TooManyCalls):
        return 429
    if isinstance(error, NotPossible):
        return 422
    return 409 if isinstance(error, CallIsOver | UnderWay) else 502
