"""Lists of calls and messages, and what was counted of calls: `/calls`, `/messages`, `/stats`, `/events`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ConfigDict, Field

from calls.counting import HOUR, Counts, Range, Tally, TooMany, share
from calls.database.errors import DatabaseError
from calls.events.people import MessageHandled
from calls.looking import MessagePlace
from calls.searching import Filters, Place, Record
from calls.tailing import TooSlow, tail
from desk.api_keys import Scope
from web.access import OperatorsRoute, ThePerson, needs, seen_by, still_good
from web.answers import Calls, MessageRow, Messages, Stats, problems
from web.api import FLUSH_SECS, Body, tell_event_format
from web.csv_lists import lines
from web.descriptions import event_description, message_row, summary, time_text
from web.filters import NO_TIME, Before, Limit, Moment, TheFilters, in_utc
from web.web_service import TheService, WebService

router = APIRouter(route_class=OperatorsRoute, generate_unique_id_function=lambda route: route.name)

PAGE = 500
"""How many rows of a CSV are read at a time."""

MOST_ROWS = 100_000
"""A CSV has no more rows."""

CALL_COLUMNS = (
    *("id", "carrier", "carrier_call_id", "direction", "from_number", "to_number", "agent"),
    *("created_at", "answered_at", "ended_at", "state", "ended_by", "end_cause"),
    *("outcome", "outcome_found", "reviewed_at", "note", "talk_secs", "first_words_ms"),
    *("response_p50_ms", "response_max_ms", "responses", "interruptions", "errors", "has", "about"),
)

MESSAGE_COLUMNS = (
    *("taken_at", "agent", "caller_name", "callback_number", "message", "from_number"),
    *("handled_at", "handled_by", "call_id", "seq"),
)


class CsvResponse(Response):
    """An answer in CSV, for the document of the API."""

    media_type = "text/csv"


@router.get(
    "/calls",
    summary="Calls",
    response_model=Calls,
    response_description="The calls.",
    responses=problems(422),
)
@needs(Scope.VIEW)
async def calls(
    request: Request,
    service: TheService,
    filters: TheFilters,
    limit: Limit = 100,
    before: Before = None,
) -> Any:
    """Calls, newest first, without their events: all, or those that are asked for.

    With `Accept: text/csv` all of them are answered as CSV, as by `/calls.csv`.
    """
    if "text/csv" in request.headers.get("accept", ""):
        return _csv(_calls_as_csv(service, filters), "calls")
    page = await service.store.looking.find(filters, limit, _place(before))
    return {
        "calls": [summary(one) for one in page.records],
        "next": str(page.next) if page.next else None,
        "whole": page.whole,
    }


@router.get(
    "/calls.csv",
    summary="Calls as CSV",
    response_class=CsvResponse,
    response_description="A line for each call, under one that names the columns.",
    responses=problems(422),
)
@needs(Scope.READ)
async def calls_csv(service: TheService, filters: TheFilters) -> StreamingResponse:
    """The same calls as CSV, in UTF-8, up to 100,000. Times are in UTC.

    A cell that a spreadsheet would take for a formula has an apostrophe before it: telephone numbers have, too.
    """
    return _csv(_calls_as_csv(service, filters), "calls")


@router.get(
    "/messages",
    summary="Messages",
    response_model=Messages,
    response_description="The messages.",
    responses=problems(422, 503),
)
@needs(Scope.VIEW)
async def messages(
    request: Request,
    service: TheService,
    only_open: Annotated[
        bool | None,
        Query(alias="open", description="Those that nobody has dealt with; `false` for the others."),
    ] = None,
    agent: Annotated[str | None, Query(max_length=100, description="The agent that took them.")] = None,
    since: Annotated[Moment | None, Query(description="Taken at this time or later.")] = None,
    limit: Limit = 100,
    before: Before = None,
) -> Any:
    """Messages that callers have left, newest first. With `Accept: text/csv` all of them are answered as CSV."""
    asked = {"open_only": only_open, "agent": agent, "since": in_utc(since)}
    if "text/csv" in request.headers.get("accept", ""):
        return _csv(_messages_as_csv(service, asked), "messages")
    place = _message_place(before) if before else None
    found = await service.store.looking.messages(limit=limit, before=place, **asked)  # type: ignore[arg-type]
    if found is None:
        raise HTTPException(503, NO_ANSWER)
    rows, further = found
    return {
        "messages": [message_row(one) for one in rows],
        "next": f"{Place(*further[:2])}~{further[2]}" if further else None,
    }


class HandledBody(Body):
    """Whether a message has been dealt with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"handled": True}]})

    handled: bool = Field(description="Whether it has been.")


@router.patch(
    "/messages/{call_id}/{seq}",
    summary="Deal with a message",
    response_model=MessageRow,
    response_description="The message.",
    responses=problems(404, 422, 503),
)
@needs(Scope.CALL)
async def handle_message(
    call_id: Annotated[str, Path(description="Our id of the call, or the carrier's.")],
    seq: Annotated[int, Path(ge=1, le=2**31 - 1, description="The message's `seq`.")],
    body: HandledBody,
    service: TheService,
    person: ThePerson,
) -> dict[str, Any]:
    """Say that a message has been dealt with, or that it has not after all. It is an event of the call."""
    call = await service.store.change(call_id)
    try:
        if call is not None:
            await service.store.flush(FLUSH_SECS)
        if call is None or await service.store.looking.message(call, seq) is None:
            raise HTTPException(404, NO_SUCH_MESSAGE)
        call.record(MessageHandled(seq=seq, handled=body.handled, by=person.name))
        await service.store.flush(FLUSH_SECS)
        found = await service.store.looking.message(call, seq)
    except DatabaseError:
        raise HTTPException(503, NO_ANSWER) from None
    if found is None:
        raise HTTPException(404, NO_SUCH_MESSAGE)
    return message_row(found)


@router.get(
    "/stats",
    summary="Count calls",
    response_model=Stats,
    response_description="What was counted.",
    responses=problems(422, 503),
)
@needs(Scope.VIEW)
async def stats(
    service: TheService,
    since: Annotated[
        Moment | None,
        Query(description="From the hour or day of this time on; if not given, 24 hours or 30 days."),
    ] = None,
    until: Annotated[Moment | None, Query(description="Up to this time; now when not given.")] = None,
    bucket: Annotated[Literal["hour", "day"], Query(description="By what.")] = "day",
    timezone: Annotated[
        str, Query(max_length=60, description="Whose days, such as `Europe/Berlin`.")
    ] = "UTC",
    agent: Annotated[str | None, Query(max_length=100, description="Only calls of this agent.")] = None,
) -> dict[str, Any]:
    """How many calls there were by hour or day, what they achieved, and how long callers waited.

    A call counts when it began, and a response when it was given. An answer may be ten seconds old.
    """
    if timezone not in _zones():
        raise HTTPException(422, "timezone is none that is known: write it like Europe/Berlin")
    end = in_utc(until) or datetime.now(UTC)
    begin = in_utc(since) or end - (timedelta(days=1) if bucket == HOUR else timedelta(days=30))
    if begin >= end:
        raise HTTPException(422, "since must be before until")
    try:
        of = Range.of(begin, end, bucket, ZoneInfo(timezone))
    except TooMany as error:
        raise HTTPException(422, str(error)) from None
    except OverflowError:
        raise HTTPException(422, NO_TIME) from None
    counts = await service.store.looking.counts(of, agent)
    if counts is None:
        raise HTTPException(503, NO_ANSWER)
    return _stats(counts)


@router.get(
    "/events",
    summary="Follow all calls",
    response_class=EventSourceResponse,
    dependencies=[Depends(tell_event_format)],
    response_description="The events.",
    responses=problems(422),
)
@needs(Scope.VIEW)
async def all_events(
    request: Request, service: TheService, person: ThePerson, filters: TheFilters
) -> AsyncIterator[ServerSentEvent]:
    """What happens on all calls from now on, or on those that are asked for, as server-sent events.

    An `event:` is the kind, its `data:` the event in JSON, with `call_id`, `number` (of the event in its call) and the
    call's `agent`, `direction` and `state`. Who reads too slowly is cut off, and so is who has a key that is revoked.
    """
    try:
        async for record, number, event in tail(service.store, filters):
            if not still_good(request):
                return
            about = {name: record[name] for name in ("agent", "direction", "state")}
            data = {**event_description(event), "call_id": record["id"], "number": number, **about}
            yield ServerSentEvent(event=event.kind, data=seen_by(person, data))
    except TooSlow:
        return


NO_SUCH_MESSAGE = "no such message: it never was here, or it was forgotten; GET /messages lists them"

NO_ANSWER = "the database does not answer: ask again"


def _place(text: str | None) -> Place | None:
    try:
        return Place.read(text) if text else None
    except ValueError:
        raise HTTPException(
            422, "before is no place in the list: send the `next` of the answer before"
        ) from None


def _message_place(text: str) -> MessagePlace:
    try:
        rest, _, seq = text.rpartition("~")
        place = Place.read(rest)
        return place.created_at, place.call_id, int(seq)
    except ValueError:
        raise HTTPException(
            422, "before is no place in the list: send the `next` of the answer before"
        ) from None


def _csv(rows: AsyncIterator[str], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


async def _calls_as_csv(service: WebService, filters: Filters) -> AsyncIterator[str]:
    yield lines(CALL_COLUMNS, [])
    place, rows = None, 0
    while rows < MOST_ROWS:
        page = await service.store.looking.find(filters, PAGE, place)
        yield lines(CALL_COLUMNS, map(_flat, page.records), heading=False)
        rows, place = rows + len(page.records), page.next
        if place is None:
            return


async def _messages_as_csv(service: WebService, asked: dict[str, Any]) -> AsyncIterator[str]:
    yield lines(MESSAGE_COLUMNS, [])
    place, rows = None, 0
    while rows < MOST_ROWS:
        found = await service.store.looking.messages(limit=PAGE, before=place, **asked)
        if found is None:
            return
        yield lines(MESSAGE_COLUMNS, map(message_row, found[0]), heading=False)
        rows, place = rows + len(found[0]), found[1]
        if place is None:
            return


def _flat(record: Record) -> dict[str, Any]:
    shown = summary(record)
    times = shown["response_ms"]
    return {**shown, "response_p50_ms": times["p50"], "response_max_ms": times["max"]}


def _stats(counts: Counts) -> dict[str, Any]:
    total = counts.total
    return {
        "buckets": [
            {"at": time_text(begin), **_tally(tally)}
            for begin, tally in zip(counts.range.edges, counts.tallies, strict=False)
        ],
        "totals": _tally(total),
        "stages_ms": counts.stages_ms(),
        "open_messages": counts.open_messages,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "calls": tally.calls,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "minutes": round(tally.talk_ms / 60_000, 1),
        "response_ms": _times(tally.responses),
        "first_words_ms": _times(tally.first_words),
    }


def _times(times: dict[int, int]) -> dict[str, int | None]:
    return {"p50": share(times, 50), "p95": share(times, 95), "n": sum(times.values())}


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
