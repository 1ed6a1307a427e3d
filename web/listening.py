"""Listening in on a call by the API: `GET /calls/ID/listen` tells whether one may; as a socket, it is what is heard.

What comes over the socket is said in `conversation.overhearing` and docs/listening.md. Who listens has nothing to say:
their first message ends it. It ends, too, when they take nothing for some seconds, or when their key or session does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from calls.call import Call
from calls.listening import listeners
from conversation.overhearing import DETACHED, LEFT, NOT_ALLOWED, TOO_SLOW
from desk.api_keys import Scope
from desk.overhearing import Ear, hand_on, listen, may_listen
from web.access import OperatorsRoute, admit, needs, still_good
from web.answers import Listening, problems
from web.refusals import POLICY_VIOLATION
from web.web_service import TheService, WebService

LOOK_SECS = 1.0
"""How often it is looked at whether the key or session is still good."""

CLOSE_SECS = 1.0
"""How long the end of a socket may take."""

CLOSES = {
    LEFT: (1000, "you have stopped"),
    DETACHED: (4001, "the bot's session with the caller is over: if the call goes on, listen again"),
    TOO_SLOW: (4008, "you took nothing of what was said for some seconds: listen again"),
    NOT_ALLOWED: (4003, "your key or session is over: log in again"),
}
"""How a socket is closed. Source: RFC 6455, section 7.4.2, for codes from 4000 on."""

SAID_SOMETHING = (POLICY_VIOLATION, "who listens in has nothing to say: send nothing")

router = APIRouter(route_class=OperatorsRoute, generate_unique_id_function=lambda route: route.name)

CallId = Annotated[str, Path(description="Our id of the call, or the carrier's.")]


@router.get(
    "/calls/{call_id}/listen",
    summary="Listen in",
    response_model=Listening,
    response_description="Somebody may listen now.",
    responses=problems(403, 404, 409, 422, 504),
)
@needs(Scope.READ)
async def may(call_id: CallId, service: TheService) -> dict[str, Any]:
    """Whether somebody may listen in on a call now. As a WebSocket, the same address lets them hear it.

    403 when the agent's file does not allow it, 409 while it cannot be: the caller has not been told yet, talks with a
    colleague, or too many listen already.
    """
    call = await _the_call(service, call_id)
    await may_listen(service, call)
    return {"listeners": listeners(call.events)}


@router.websocket("/calls/{call_id}/listen")
async def hear(websocket: WebSocket, call_id: CallId, service: TheService) -> None:
    """Let somebody hear a call. Before the socket is accepted, they are refused as by HTTP."""
    person = admit(websocket, Scope.READ)
    call = await _the_call(service, call_id)
    ear = await listen(service, call, person.name)
    why = LEFT
    try:
        await websocket.accept()
        why = await _until_over(websocket, ear)
    except WebSocketDisconnect:
        pass
    finally:
        ear.close(why if why in CLOSES else LEFT)
        code, reason = CLOSES.get(why, SAID_SOMETHING)
        if WebSocketState.DISCONNECTED not in (websocket.client_state, websocket.application_state):
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(CLOSE_SECS):
                    await websocket.close(code, reason)


async def _the_call(service: WebService, call_id: str) -> Call:
    call = await service.store.fetch(call_id)
    if call is None:
        raise HTTPException(
            404, "no such call: it never was here, or it was forgotten; GET /calls lists them"
        )
    return call


async def _until_over(websocket: WebSocket, ear: Ear) -> str:
    """Send what is heard; tell why it is over."""

    async def send(message: str | bytes) -> None:
        await (websocket.send_text(message) if isinstance(message, str) else websocket.send_bytes(message))

    doing = [
        asyncio.create_task(one) for one in (hand_on(ear, send), _said(websocket), _may_no_more(websocket))
    ]
    try:
        await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        return next(one.result() for one in doing if one.done())
    finally:
        for one in doing:
            one.cancel()
        await asyncio.gather(*doing, return_exceptions=True)


async def _said(websocket: WebSocket) -> str:
    """Wait until who listens has gone, or says something."""
    message = await websocket.receive()
    return LEFT if message["type"] == "websocket.disconnect" else "said something"


async def _may_no_more(websocket: WebSocket) -> str:
    """Wait until who listens may do so no more."""
    while True:
        if not still_good(websocket):
            return NOT_ALLOWED
        await asyncio.sleep(LOOK_SECS)
