"""The first messages of a media socket: which carrier, which call, what was passed along.

A carrier introduces itself with messages such as `connected`, and then `start`. `read_stream_start` reads up to and
including `start` and not one message more, so the caller's first audio is still in the socket when the pipeline begins
to read. It closes nothing.

    HandshakeError          the socket is of no use: it never sent a start, closed, or named impossible ids
    └── NotACarrierStream   the peer is no carrier, e.g. Pipecat's eval harness; carries the first message
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pipecat.processors.frameworks.rtvi.models import MESSAGE_LABEL
from starlette.websockets import WebSocket, WebSocketDisconnect

from serializers import parameters, wire
from serializers.messages import BadMessage, parse_message
from serializers.start import HandshakeError, StreamStart

MAX_MESSAGES_BEFORE_START = 16
"""How many other messages a socket may send before `start`; the carriers send one."""

START_SECS = 5.0
"""How long a socket may take to send `start`; the carriers send it at once."""


class NotACarrierStream(HandshakeError):
    """The first message is no carrier's.

    Parameters:
        first_message: The only message that was read from the socket.
    """

    def __init__(self, first_message: dict[str, Any]):
        """Keep the message, so that the caller of `read_stream_start` can answer it."""
        super().__init__(
            "The socket speaks RTVI, not a carrier's media protocol: "
            "point RTVI clients and evals at a bot that serves them."
        )
        self.first_message = first_message


async def read_stream_start(
    websocket: WebSocket,
    *,
    timeout_secs: float = START_SECS,
    query: Mapping[str, str] | None = None,
    body: Any = None,
) -> StreamStart:
    """Read an accepted socket up to its `start` message.

    Args:
        websocket: The socket; it has been accepted. It is not closed here, whatever happens.
        timeout_secs: The limit for all of it, in seconds.
        query: The connection's query parameters; by default the socket's own.
        body: An already decoded `?body=`, when a host has decoded it.

    Raises:
        NotACarrierStream: The first message is an RTVI message; no second one was read.
        HandshakeError: No usable `start` came.
    """
    try:
        async with asyncio.timeout(timeout_secs):
            message = await _read_until_start(websocket)
    except TimeoutError:
        raise HandshakeError(
            f"The carrier sent no start message within {timeout_secs:g} s: "
            "check that this URL is given to a media stream, and that no proxy holds its messages back."
        ) from None
    query = websocket.query_params if query is None else query
    return parse_start(message, query=query, body=body)


def parse_start(message: dict[str, Any], *, query: Mapping[str, str], body: Any = None) -> StreamStart:
    """Understand a `start` message.

    Args:
        message: The decoded message.
        query: The connection's query parameters.
        body: An already decoded `?body=`; it wins over the query's.

    Raises:
        HandshakeError: No known carrier sends such a message, or its ids are impossible.
    """
    passed = (
        parameters.from_query(query)
        | parameters.from_body_query(query.get("body"))
        | parameters.from_body(body)
    )
    formats = wire.wire_formats()
    for one in formats:
        if one.claims(message):
            return one.parse_start(message, query=query, passed=passed)
    carriers = " nor ".join(f"{one.title}'s" for one in formats)
    missing = ", ".join(f"no {one.call_key}" for one in formats)
    raise HandshakeError(f"The start message is neither {carriers} ({missing}): connect one of these.")


async def _read_until_start(websocket: WebSocket) -> dict[str, Any]:
    skipped = 0
    introduced = False
    while skipped <= MAX_MESSAGES_BEFORE_START:
        data = await _receive(websocket)
        try:
            message = parse_message(data)
        except BadMessage:
            skipped += 1
            continue
        events = {one.event_of(message) for one in wire.wire_formats()}
        if "start" in events:
            return message
        if not introduced and message.get("event") is None and message.get("label") == MESSAGE_LABEL:
            raise NotACarrierStream(message)
        introduced = introduced or "connected" in events
        skipped += 1
    known = " or ".join(one.title for one in wire.wire_formats())
    raise HandshakeError(
        f"The socket sent {skipped} messages and no start: connect a {known} media stream to it."
    )


async def _receive(websocket: WebSocket) -> str | bytes:
    try:
        event = await websocket.receive()
    except (WebSocketDisconnect, RuntimeError):  # read again after it was closed
        event = {"type": "websocket.disconnect"}
    if event["type"] == "websocket.disconnect":
        raise HandshakeError(
            f"The socket was closed before its start message (code {event.get('code', 'unknown')}): "
            "the caller has hung up, or the carrier has given up and its debugger says why."
        )
    text = event.get("text")
    return text if text is not None else event.get("bytes") or b""
