"""The REST API: what the operator's own programs may see and do. `Authorization: Bearer API_KEY`."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from calls.call import Call, CallEvent, EndedBy
from web.service import Service, service_of

TheService = Annotated[Service, Depends(service_of)]


def authorised(request: Request, service: TheService) -> None:
    """Let only those in who know API_KEY."""
    expected = service.settings.api_key
    if expected is None:
        raise HTTPException(503, "API_KEY is not set: set it to a secret of your choice to open the API")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = expected.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key):
        raise HTTPException(
            401,
            "the API key is missing or wrong: send the header Authorization: Bearer API_KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )


router = APIRouter(prefix="/calls", dependencies=[Depends(authorised)])


def known_call(call_id: str, service: TheService) -> Call:
    """The call that a path names, by our id or its carrier's."""
    call = service.store.get(call_id)
    if call is None:
        raise HTTPException(
            404, "no such call: it never was here, or it was forgotten; GET /calls lists them"
        )
    return call


TheCall = Annotated[Call, Depends(known_call)]


@router.get("")
async def calls(
    service: TheService, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, list[dict[str, Any]]]:
    """The last calls, newest first, without their events."""
    return {"calls": [_summary(call) for call in service.store.list(limit)]}


@router.get("/{call_id}")
async def one_call(call: TheCall) -> dict[str, Any]:
    """All that is known of a call."""
    return _description(call)


@router.get("/{call_id}/events", response_class=EventSourceResponse)
async def events(call: TheCall, service: TheService) -> AsyncIterator[ServerSentEvent]:
    """Past events, then each as it happens, until the call has ended."""
    async for event in service.store.subscribe(call):
        yield ServerSentEvent(event=event.kind, data=_event(event))


@router.post("/{call_id}/hangup")
async def hang_up(call: TheCall, service: TheService) -> dict[str, Any]:
    """End a call. A call that has ended already is no error."""
    ended = await service.control(call).hang_up(EndedBy.HUMAN, "API")
    if not ended and not await service.close_sockets(call):
        reason = next(e.data["reason"] for e in reversed(call.events) if e.kind == "hang_up_failed")
        raise HTTPException(502, f"the call may still be up: {reason}")
    return _description(call)


def _summary(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "carrier": call.carrier,
        "carrier_call_id": call.carrier_call_id,
        "direction": call.direction,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "state": call.state,
        "ended_by": call.ended_by,
        "end_cause": call.end_cause,
        "agent": call.agent,
        "created_at": _time(call.created_at),
        "answered_at": _time(call.answered_at),
        "ended_at": _time(call.ended_at),
    }


def _description(call: Call) -> dict[str, Any]:
    return {
        **_summary(call),
        "turns": [asdict(turn) for turn in call.turns],
        "events": [_event(event) for event in call.events],
    }


def _event(event: CallEvent) -> dict[str, Any]:
    return {**event.data, "at": _time(event.at), "kind": event.kind}


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
