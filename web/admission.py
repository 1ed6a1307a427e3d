"""Which call a media socket is for: its `start` is read, and judged, before any bot hears of the socket.

The token in a socket's address says for which call it was made. What arrives then says itself for which call it is, and
only if that is the same one there will be a session. A socket without a token has nothing but its `start`: it is
admitted only for a call that did not come by a webhook and has no session yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message
from starlette.websockets import WebSocket

from calls.call import Call
from calls.events.talk import Attached
from calls.states import CallState
from desk.lost_sockets import may_begin_again
from desk.lost_streams import STREAM_CLOSES_SECS
from desk.tokens import StreamGrant
from serializers.handshake import NotACarrierStream, read_stream_start
from serializers.start import HandshakeError, StreamStart
from web.refusals import POLICY_VIOLATION
from web.web_service import WebService

LEFT_BY_THE_BOT = (CallState.TRANSFERRING, CallState.TRANSFERRED)

NORMAL_CLOSURE = 1000
"""A WebSocket close code. Source: RFC 6455, section 7.4.1."""

NO_ROOM = "no_room"
"""The reason by which sockets are counted that were refused because no call was taken."""

TAKEN = "the bot talks on this call already, and has not let go of it"


class NotAdmitted(Exception):
    """A socket gets no session.

    Parameters:
        reason: A short name to count by.
        code: The WebSocket close code.
    """

    def __init__(self, reason: str, explanation: str, code: int = POLICY_VIOLATION):
        """Say why: cause and fix, for the log."""
        super().__init__(explanation)
        self.reason = reason
        self.code = code


class OpeningSocket:
    """A socket whose first messages are looked at, and then given out again.

    Parameters:
        socket: What the bot gets: it hears everything from the beginning.
    """

    def __init__(self, websocket: WebSocket):
        """Wrap a socket that is not accepted yet."""
        self._websocket = websocket
        self._heard: list[Message] = []
        self._again: list[Message] = []
        self._looking = True
        self.socket = WebSocket(websocket.scope, self._receive, websocket.send)

    async def read_start(self, body: Mapping[str, Any]) -> StreamStart:
        """Accept the socket, and read it up to its `start`.

        Args:
            body: As for `read_stream_start`.

        Raises:
            HandshakeError: No usable `start` came.
        """
        await self.socket.accept()
        try:
            return await read_stream_start(self.socket, body=body)
        finally:
            self._looking, self._again = False, self._heard

    async def _receive(self) -> Message:
        if not self._looking and self._again:
            return self._again.pop(0)
        message = await self._websocket.receive()
        if self._looking and message["type"] != "websocket.connect":
            self._heard.append(message)
        return message


async def start_with_token(
    opening: OpeningSocket, service: WebService, grant: StreamGrant, body: Mapping[str, Any]
) -> None:
    """Read the `start` of a socket that came with a token.

    Raises:
        NotAdmitted: It is not about the token's call, or the bot is not to talk on that call (any more), or talks on it
            already; or the token is spent, and the call has not lost its stream.
    """
    start = await _start(opening, body)
    if start is None or (start.carrier, start.call_id) != (
        grant.carrier,
        grant.carrier_call_id or start.call_id,
    ):
        raise NotAdmitted("other_call", "its start names another call than its token was made for")
    await service.store.has_heard(grant.call_id, grant.events)
    if grant.spent:
        await _begin_again(service, grant)
        return
    call = service.store.get(grant.call_id)
    if call is not None and (call.is_over or call.ending is not None):
        raise NotAdmitted("call_over", "the call was ended meanwhile")
    if call is not None and service.sockets.get(call.id) and not _is_left(call):
        raise NotAdmitted("call_taken", TAKEN)


async def _begin_again(service: WebService, grant: StreamGrant) -> None:
    """Let a stream begin whose token is spent: the carrier's document opens the socket again that was lost.

    Raises:
        NotAdmitted: The call is not known, is over, was never connected, or the bot talks on it.
    """
    call = await call_to_go_on_with(service, grant)
    if call is None:
        raise NotAdmitted("token", grant.spent)
    until = asyncio.get_running_loop().time() + STREAM_CLOSES_SECS
    while service.sockets.get(call.id):
        # The carrier may notice the end of a stream before our end of it does.
        if asyncio.get_running_loop().time() > until:
            raise NotAdmitted("call_taken", TAKEN)
        await asyncio.sleep(0.05)
    if not await may_begin_again(service, call):
        # Not as a fault, after which the carrier would dial again before its document goes on.
        raise NotAdmitted("call_over", "the bot is not to talk on the call any more", NORMAL_CLOSURE)


async def call_to_go_on_with(service: WebService, grant: StreamGrant) -> Call | None:
    """The call of a spent token, if it lives and has had a stream: its carrier may open the socket again."""
    call = await service.store.named(grant.carrier, grant.carrier_call_id or None, grant.call_id)
    return call if call is not None and not call.is_over and call.has(Attached) else None


async def start_without_token(
    opening: OpeningSocket, service: WebService, carrier: str | None
) -> StreamStart | None:
    """Read the `start` of a socket that came without a token.

    Args:
        opening: The socket.
        service: The service.
        carrier: The carrier whose socket it must be; None for any.

    Returns:
        None for a client that does not speak a carrier's protocol, but perhaps another one that the bot knows.

    Raises:
        NotAdmitted: It is not the carrier's, or about a call that came by a webhook or that the bot talks on.
    """
    start = await _start(opening, {})
    if start is None:
        return None
    if carrier is not None and start.carrier != carrier:
        raise NotAdmitted("other_carrier", "its start is another carrier's than its address or signature")
    name = (start.carrier, start.call_id)
    call = await service.store.restore(*name)
    _forget_old(service)
    if call is not None and not call.is_over and name not in service.without_token:
        raise NotAdmitted("other_call", "its start names a live call that gets its sockets with a token")
    if service.room.reason is not None and name not in service.without_token:
        raise NotAdmitted(NO_ROOM, f"there is no room for another call: {service.room.reason}")
    if service.without_token.get(name) and (call is None or not _is_left(call)):
        raise NotAdmitted("call_taken", TAKEN)
    return start


def expects_return(service: WebService) -> bool:
    """Whether a call without tokens may be about to open another socket: only its `start` tells that it is one."""
    return any(
        not sockets and (call := service.store.find(*name)) is not None and not call.is_over
        for name, sockets in service.without_token.items()
    )


async def _start(opening: OpeningSocket, body: Mapping[str, Any]) -> StreamStart | None:
    try:
        return await opening.read_start(body)
    except NotACarrierStream:
        return None
    except HandshakeError as error:
        raise NotAdmitted("no_start", str(error)) from None


def _is_left(call: Call) -> bool:
    """Whether the bot has let go of the call, so that another stream of it is expected."""
    return call.resume is not None or call.state in LEFT_BY_THE_BOT


def _forget_old(service: WebService) -> None:
    for name, sockets in list(service.without_token.items()):
        call = service.store.find(*name)
        if not sockets and (call is None or call.is_over):
            del service.without_token[name]
