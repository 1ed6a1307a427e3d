"""The REST API: what the operator's own programs may see and do, as far as the scope of their key goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from calls.call import Call
from calls.errors import CallIsOver, NoAnswer, NotAllowed, NotDone, NotPossible, UnderWay
from calls.events.event import FORMAT
from calls.following import follow
from calls.outcome import Outcome
from calls.policy import TooManyCalls
from desk import live_calls, reviewing
from desk.api_keys import Scope
from desk.dial_requests import DialBody, place_call
from desk.reviewing import NoDatabase
from desk.room import NoRoom
from web.access import OperatorsRoute, ThePerson, needs, seen_by, still_good
from web.answers import CallDescription, problems
from web.descriptions import description, event_description
from web.web_service import TheService

NO_SUCH_CALL = "no such call: it never was here, or it was forgotten; GET /calls lists them"

MAX_REVIEW = 2000
"""The longest note of a person about a call, in characters."""

MAX_SAID, MAX_NOTE = 500, 1000
"""How many characters a person may have the bot say, or tell it, at a time."""

MAX_NUMBER = 2**31 - 1
"""Of an event: as much as every database takes for a whole number."""


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


class SayBody(Body):
    """What the bot is to say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "A colleague calls you back today."}]})

    text: str = Field(min_length=1, max_length=MAX_SAID, description="The words, without markup.")


class NoteBody(Body):
    """What the bot is to know."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "The parcel has arrived.", "answer_now": True}]}
    )

    text: str = Field(min_length=1, max_length=MAX_NOTE, description="What its model is told.")
    answer_now: bool = Field(default=False, description="Whether it is to say something about it at once.")


class DigitsBody(Body):
    """Which keys to press."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digits": "1ww42#"}]})

    digits: str = Field(description="0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).")


class RecordingBody(Body):
    """What to do with the recording."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "pause"}]})

    action: Literal["start", "pause", "resume", "stop"]


@router.post("", status_code=202, summary="Place a call", responses=problems(422, 429, 502, 503), **A_CALL)
@needs(Scope.CALL)
async def dial(body: DialBody, service: TheService, person: ThePerson) -> dict[str, Any]:
    """Place a call. The answer comes as soon as the carrier has accepted the call.

    With a `warning` it is not known yet whether it has: the service looks for the call, and never dials twice.
    """
    service.room.check()
    with service.room.guest():
        call, warning = await place_call(
            body,
            service.settings,
            service.dialler,
            service.carrier_named,
            lambda _: service.way_back,
            by=person.name,
        )
        service.room.take(call)
    return {**description(call), **({"warning": warning} if warning else {})}


@router.get("/{call_id}", summary="One call", responses=problems(404), **A_CALL)
@needs(Scope.VIEW)
async def one_call(call: TheCall) -> dict[str, Any]:
    """All that is known of a call. A key with the scope `view` sees numbers shortened, and no recordings and keys."""
    return description(call)


class ReviewBody(Body):
    """What a person says of a call; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcome": "message", "note": "Called back."}]}
    )

    outcome: Outcome | None = Field(
        default=None, description="What it has achieved; `null` for what was found by itself."
    )
    note: str = Field(default="", max_length=MAX_REVIEW, description="A note; empty for none.")
    reviewed: bool = Field(default=True, description="Whether they are done with it.")


@router.patch("/{call_id}", summary="Review a call", responses=problems(404, 422), **A_CALL)
@needs(Scope.CALL)
async def review(
    call_id: Annotated[str, Path(description="Our id of the call, or the carrier's.")],
    body: ReviewBody,
    service: TheService,
    person: ThePerson,
) -> dict[str, Any]:
    """Say what a call has achieved, keep a note with it, or note that it was looked at. It is an event of the call."""
    said = body.model_dump(mode="json", exclude_unset=True)
    call = await reviewing.review(service.store, call_id, said, person.name)
    if call is None:
        raise HTTPException(404, NO_SUCH_CALL)
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
@needs(Scope.VIEW)
async def events(
    request: Request,
    call: TheCall,
    service: TheService,
    person: ThePerson,
    last_event_id: Annotated[
        str | None,
        Header(description="The `id:` of the last event that is known: those behind it are sent."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Past events, then each as it happens, until the call has ended, as server-sent events.

    An `event:` is the kind, its `data:` the event in JSON, as `events` of a call has it. Its `id:` is its number in the
    call, from 1, the same whichever process is asked: a browser that has lost the stream goes on where it was. The
    stream ends when the key is revoked.
    """
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    async for number, event in follow(service.store, call, min(after, MAX_NUMBER)):
        if not still_good(request):
            return
        data = seen_by(person, event_description(event))
        yield ServerSentEvent(id=str(number), event=event.kind, data=data)


@router.post("/{call_id}/hangup", summary="End a call", responses=problems(404, 502), **A_CALL)
@needs(Scope.CALL)
async def hang_up(call: TheCall, service: TheService, person: ThePerson) -> dict[str, Any]:
    """End a call, also in the middle of a transfer. A call that has ended already is no error."""
    warning = await live_calls.hang_up(service, call, person.name)
    return {**description(call), **({"warning": warning} if warning else {})}


@router.post(
    "/{call_id}/transfer",
    status_code=202,
    summary="Put the caller through",
    responses=problems(404, 409, 422, 502, 504),
    **A_CALL,
)
@needs(Scope.CALL)
async def transfer(
    body: TransferBody, call: TheCall, service: TheService, person: ThePerson
) -> dict[str, Any]:
    """Put the caller through. How it ends is an event of the call, and among its `transfers`."""
    await live_calls.put_through(service, call, body.destination, body.reason, person.name)
    return description(call)


@router.post("/{call_id}/say", summary="Say something", responses=problems(404, 409, 422, 504), **A_CALL)
@needs(Scope.CALL)
async def say(body: SayBody, call: TheCall, service: TheService, person: ThePerson) -> dict[str, Any]:
    """Have the bot say something in its own voice, after what it says now. The other side may interrupt it as ever."""
    await live_calls.say(service, call, body.text, person.name)
    return description(call)


@router.post("/{call_id}/note", summary="Tell the bot", responses=problems(404, 409, 422, 504), **A_CALL)
@needs(Scope.CALL)
async def note(body: NoteBody, call: TheCall, service: TheService, person: ThePerson) -> dict[str, Any]:
    """Tell the bot's model something that the other side does not hear. A bot without a model takes no notes."""
    await live_calls.note(service, call, body.text, answer_now=body.answer_now, by=person.name)
    return description(call)


@router.post("/{call_id}/digits", summary="Press keys", responses=problems(404, 409, 422, 502, 504), **A_CALL)
@needs(Scope.CALL)
async def digits(body: DigitsBody, call: TheCall, service: TheService, person: ThePerson) -> dict[str, Any]:
    """Press keys for the other side, such as in another company's menu."""
    await live_calls.press(service, call, body.digits, person.name)
    return description(call)


@router.post(
    "/{call_id}/recording",
    summary="Change the recording",
    responses=problems(404, 409, 422, 502, 504),
    **A_CALL,
)
@needs(Scope.CALL)
async def recording(
    body: RecordingBody, call: TheCall, service: TheService, person: ThePerson
) -> dict[str, Any]:
    """Start, pause, resume or stop the recording of a call."""
    await live_calls.record(service, call, body.action, person.name)
    return description(call)


def status_of(error: NotDone) -> int:
    """The HTTP status that says why something was not done."""
    if isinstance(error, TooManyCalls):
        return 429
    if isinstance(error, NoRoom | NoDatabase):
        return 503
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, NotPossible):
        return 422
    if isinstance(error, NoAnswer):
        return 504
    return 409 if isinstance(error, CallIsOver | UnderWay) else 502
