"""The REST API: what the operator's own programs may see and do. `Authorization: Bearer API_KEY`."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from calls.call import Call, CallState, EndedBy
from calls.errors import CallIsOver, NotDone, NotPossible, UnderWay
from calls.events.event import FORMAT
from calls.events.lifecycle import HangUpFailed
from calls.policy import TooManyCalls
from carriers.carrier import Direction, RecordingFormat
from carriers.documents import checked_digits
from conversation.agents.agent import AgentError, load_agent
from conversation.attachment import attached_to
from desk.dial_requests import DialOrder, place_order
from desk.service import Service, service_of, the_service
from web.descriptions import description, event_description, summary
from web.refusals import Refused

TheService = Annotated[Service, Depends(the_service)]


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
async def dial(order: DialOrder, service: TheService) -> dict[str, Any]:
    """Call somebody. The answer comes as soon as the carrier has taken the call on.

    With a `warning` nobody knows yet whether it has: the call is looked for, and never dialled twice.
    """
    call, warning = await place_order(
        order, service.settings, service.dialler, service.carrier_named, lambda _: service.way_back
    )
    return {**description(call), **({"warning": warning} if warning else {})}


@router.get("/{call_id}")
async def one_call(call: TheCall) -> dict[str, Any]:
    """All that is known of a call."""
    return description(call)


@router.get("/{call_id}/events", response_class=EventSourceResponse)
async def events(call: TheCall, service: TheService, response: Response) -> AsyncIterator[ServerSentEvent]:
    """Past events, then each as it happens, until the call has ended. A header tells the version of their format."""
    response.headers["Event-Format"] = str(FORMAT)
    async for event in service.store.subscribe(call):
        yield ServerSentEvent(event=event.kind, data=event_description(event))


@router.post("/{call_id}/hangup")
async def hang_up(call: TheCall, service: TheService) -> dict[str, Any]:
    """End a call, also in the middle of a transfer. A call that has ended already is no error."""
    unanswered = call.direction is Direction.OUTBOUND and call.answered_at is None
    state = CallState.CANCELED if unanswered else CallState.COMPLETED
    ended = await service.control(call).hang_up(EndedBy.HUMAN, "API", state=state)
    if not ended and not call.carrier_call_id:
        warning = "the carrier has not named the call yet: it is ended as soon as that happens"
        return {**description(call), "warning": warning}
    if not ended and not await service.close_sockets(call):
        failed = call.last(HangUpFailed)
        reason = failed.reason if failed else "the carrier could not be told"
        raise HTTPException(502, f"the call may still be up: {reason}")
    return description(call)


@router.post("/{call_id}/transfer", status_code=202)
async def transfer(body: TransferBody, call: TheCall) -> dict[str, Any]:
    """Put the caller through. How it ends is an event of the call, and among its `transfers`."""
    _must_live(call)
    attachment = attached_to(call)
    if attachment is None:
        _must_be_with_the_bot(call)
        raise UnderWay(
            "no bot session of this process talks on the call: try again once it is answered, or ask the process that "
            "serves it"
        )
    if not attachment.control.can_transfer:
        raise NotPossible(
            f"no credentials for {call.carrier} are set: a caller could not be put through; add them to .env, and "
            "start the server again"
        )
    attachment.transfer(body.destination, body.reason, by_tool=False)
    return description(call)


@router.post("/{call_id}/digits")
async def digits(body: DigitsBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Press keys for the other side."""
    _must_live(call)
    _must_be_with_the_bot(call)
    try:
        checked_digits(body.digits)
    except ValueError as error:
        raise NotPossible(str(error)) from None
    await service.control(call).send_digits(body.digits)
    return description(call)


@router.post("/{call_id}/recording")
async def recording(body: RecordingBody, call: TheCall, service: TheService) -> dict[str, Any]:
    """Start, pause, resume or stop the recording of a call."""
    _must_live(call)
    try:
        agent = load_agent(call.agent or service.settings.agent, service.settings.agents_dir)
        file_format = RecordingFormat(agent.recording.format)
    except AgentError:
        file_format = RecordingFormat.WAV
    await service.control(call).record(body.action, file_format)
    return description(call)


def status_of(error: NotDone) -> int:
    """The HTTP status that tells why something was not done."""
    if isinstance(error, TooManyCalls):
        return 429
    if isinstance(error, NotPossible):
        return 422
    return 409 if isinstance(error, CallIsOver | UnderWay) else 502


def _must_live(call: Call) -> None:
    if call.is_over:
        raise CallIsOver(f"the call has ended ({call.state}): nothing can be done to it any more")


def _must_be_with_the_bot(call: Call) -> None:
    """Whether nothing is going on that a change of the carrier's document would cut off.

    Raises:
        UnderWay: The caller is being put through, or talks with a colleague.
    """
    if call.state is CallState.TRANSFERRED:
        raise UnderWay("the caller talks with a colleague: hang up, or wait until they are done")
    attachment = attached_to(call)
    handover = attachment.handover if attachment else None
    if call.state is CallState.TRANSFERRING or (handover is not None and handover.running):
        raise UnderWay("the caller is being put through: wait for the outcome")
    if call.state in (CallState.QUEUED, CallState.RINGING):
        raise UnderWay("the call is not answered yet: try again when it is")
