"""Media sockets: who may open one, and handing it to the bot."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, WebSocket
from loguru import logger
from starlette.websockets import WebSocketDisconnect, WebSocketState

from calls.events.lifecycle import ErrorHappened
from carriers import descriptor_of, descriptors, known_carriers
from carriers.carrier import Signature
from desk.lost_sockets import say_what_is_next
from desk.tokens import KEPT_SECS, SpentToken, StreamGrant, TokenError
from web.admission import (
    NO_ROOM,
    NORMAL_CLOSURE,
    NotAdmitted,
    OpeningSocket,
    call_to_go_on_with,
    expects_return,
    start_with_token,
    start_without_token,
)
from web.refusals import Refused, route_of
from web.trust import tokenless_refusal
from web.web_service import ServerRunnerArguments, TheService, WebService, peer_of, upgrade_of

INTERNAL_ERROR = 1011
"""A WebSocket close code. Source: RFC 6455, section 7.4.1."""


def media_router() -> APIRouter:
    """The routes of media sockets."""
    router = APIRouter()
    router.add_api_websocket_route("/ws/{carrier}/{token}", stream_with_token)
    for path in ("/ws", *(f"/ws/{name}" for name in known_carriers())):
        router.add_api_websocket_route(path, stream_without_token)
    return router


async def stream_with_token(websocket: WebSocket, service: TheService, carrier: str, token: str) -> None:
    """The media socket of a call that our voice webhook answered."""
    grant = await redeemed(service, carrier, token)
    named = {
        "agent": grant.agent,
        "call_id": grant.call_id,
        "from_number": grant.from_number,
        "to_number": grant.to_number,
    }
    body = {name: value for name, value in named.items() if value}
    opening = OpeningSocket(websocket)
    try:
        await start_with_token(opening, service, grant, body)
    except NotAdmitted as error:
        await _turn_away(service, opening, websocket, error)
        return
    with service.room.session(lambda: service.store.get(grant.call_id)):
        await _talk(service, opening.socket, body, grant.call_id)
    if descriptor_of(carrier).dials_again:
        await say_what_is_next(service, service.store.get(grant.call_id))


async def redeemed(service: WebService, carrier: str, token: str) -> StreamGrant:
    """What a token allows, which is used up, in this process and in those that share the database.

    One that is spent is given back, as such, where the carrier's documents open a lost socket again.

    Raises:
        Refused: It is not ours or not this carrier's, too old, or was used before.
    """
    try:
        grant = service.tokens.redeem(token)
        if grant.carrier != carrier:
            raise TokenError("the token is for another carrier")
        if await service.store.use_once(f"token {grant.ticket}", KEPT_SECS) is not None:
            raise SpentToken("the token was used before, by another process", grant)
    except TokenError as error:
        if isinstance(error, SpentToken) and await _may_be_used_again(service, carrier, error.grant):
            return replace(error.grant, spent=str(error))
        raise Refused(403, "token", str(error)) from None
    return grant


async def _may_be_used_again(service: WebService, carrier: str, grant: StreamGrant) -> bool:
    """Whether the carrier's documents open a lost socket again, and the call lives that had one."""
    if grant.carrier != carrier or not descriptor_of(carrier).dials_again:
        return False
    call = await call_to_go_on_with(service, grant)
    return call is not None


async def stream_without_token(websocket: WebSocket, service: TheService) -> None:
    """A media socket as on Pipecat Cloud: the call that it is for is in its query and its first messages."""
    signature, signed_by = _signature(websocket, service)
    refusal = tokenless_refusal(signature, peer_of(websocket), service.settings, service.public_url)
    if refusal:
        raise Refused(403, "tokenless", refusal)
    if signature is Signature.INVALID:
        logger.warning("A media socket's signature does not match; it is let in by ALLOW_TOKENLESS_STREAMS")
    carrier = signed_by or websocket.scope["path"].removeprefix("/ws").strip("/") or None
    if service.room.reason is not None and not expects_return(service):
        # Before the upgrade: the carrier goes on with its document at once.
        raise Refused(503, NO_ROOM, f"there is no room for another call: {service.room.reason}")
    opening = OpeningSocket(websocket)
    try:
        start = await start_without_token(opening, service, carrier)
    except NotAdmitted as error:
        await _turn_away(service, opening, websocket, error)
        return
    if start is None:
        with service.room.guest():
            await _talk(service, opening.socket, {}, None)
        return
    name = (start.carrier, start.call_id)
    service.without_token[name] = service.without_token.get(name, 0) + 1
    try:
        with service.room.session(lambda: service.store.find(*name)):
            await _talk(service, opening.socket, {}, None)
    finally:
        service.without_token[name] -= 1


def _signature(websocket: WebSocket, service: WebService) -> tuple[Signature, str | None]:
    """What the signature of an upgrade is worth, and the name of the carrier that it is a valid one of."""
    upgrade = upgrade_of(websocket, service)
    found = Signature.UNCHECKED
    for one in descriptors():
        if not one.signs_upgrades:
            continue
        signature = one.carrier(service.settings).verify_webhook(upgrade)
        if signature is Signature.VALID:
            return signature, one.name
        if signature is not Signature.UNCHECKED:
            found = signature
    return found, None


async def _turn_away(
    service: WebService, opening: OpeningSocket, websocket: WebSocket, error: NotAdmitted
) -> None:
    service.refusals.note(route_of(websocket.scope), error.reason, str(error))
    with suppress(RuntimeError, WebSocketDisconnect):
        await opening.socket.close(error.code)


async def _talk(service: WebService, websocket: WebSocket, body: dict[str, Any], call_id: str | None) -> None:
    sockets = service.sockets.setdefault(call_id, set()) if call_id else set()
    sockets.add(websocket)
    service.live_sessions += 1
    code = NORMAL_CLOSURE
    try:
        await service.run_bot(
            ServerRunnerArguments(
                websocket=websocket, body=body, session_id=uuid.uuid4().hex, way_back=service.way_back
            )
        )
    except Exception as error:
        # One call's failure is that call's alone.
        logger.opt(exception=error).error("The bot failed on call {}", call_id or "without a token")
        if call_id and (call := service.store.get(call_id)):
            call.record(ErrorHappened(message=f"the bot failed: {type(error).__name__}"))
        code = INTERNAL_ERROR
    finally:
        service.live_sessions -= 1
        service.leftovers.session_ended()
        sockets.discard(websocket)
        if call_id and not sockets:
            service.sockets.pop(call_id, None)
        if WebSocketState.DISCONNECTED not in (websocket.client_state, websocket.application_state):
            with suppress(RuntimeError):
                await websocket.close(code)
