"""The first messages of a media socket: which carrier, which call, what was passed along.

A carrier introduces itself with messages such as `connected`, and then `start`. `read_stream_start` reads up to and
including `start` and not one message more, so the caller's first audio is still in the socket when the pipeline begins
to read. It closes nothing.

    HandshakeError          the socket is of no use: it never sent a start, closed, or named impossible ids
    └── NotACarrierStream   somebody else is speaking, e.g. Pipecat's eval harness; carries the first message
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from pipecat.processors.frameworks.rtvi.models import MESSAGE_LABEL
from starlette.websockets import WebSocket, WebSocketDisconnect

from serializers import parameters, wire
from serializers.codecs import G711_SAMPLE_RATE, normalise_encoding
from serializers.messages import MAX_TEXT_CHARS, BadMessage, parse_message, short_text

MAX_MESSAGES_BEFORE_START = 16
"""How many other messages a socket may send before `start`; the carriers send one."""

START_SECS = 5.0
"""How long a socket may take to send `start`; the carriers send it at once."""

# Ids become parts of REST URLs: nothing that has a meaning there may be in them.
_ID = re.compile(rf"[A-Za-z0-9:_.=+~-]{{1,{MAX_TEXT_CHARS}}}")
_SERVICE_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_L16_SAMPLE_RATES = frozenset({8000, 16000, 22050, 24000, 48000})


class HandshakeError(Exception):
    """The socket did not become a media stream; the message says why and what to do."""


class NotACarrierStream(HandshakeError):
    """The first message is no carrier's.

    Parameters:
        first_message: The only message that was read from the socket.
    """

    def __init__(self, first_message: dict[str, Any]):
        """Keep the message for whoever can answer it."""
        super().__init__(
            "The socket speaks RTVI, not a carrier's media protocol: "
            "point RTVI clients and evals at a bot that serves them."
        )
        self.first_message = first_message


@dataclass(frozen=True)
class MediaFormat:
    """How the caller's audio is encoded.

    Parameters:
        encoding: RTP name in upper case: `PCMU`, `PCMA`, `L16`, or another one as the carrier wrote it.
        sample_rate: Hz.
        channels: 1 is mono.
    """

    encoding: str = "PCMU"
    sample_rate: int = G711_SAMPLE_RATE
    channels: int = 1


@dataclass(frozen=True)
class StreamStart:
    """What a carrier's `start` says about the stream and its call, in the same words for all carriers.

    Parameters:
        carrier: Name of the carrier.
        stream_id: The carrier's id of the stream.
        call_id: The carrier's id of the call. Safe to put into a URL path.
        media_format: How the caller's audio is encoded.
        from_number: The caller, as the carrier writes it: E.164, a SIP URI, `anonymous`, ...; `None` when not
            told.
        to_number: The number that was called.
        account_id: The carrier's id of the account.
        session_id: What is common to the legs of one call, where a carrier has such an id.
        parameters: All that was passed along with the call: the message's own over `body` over the address's query.
        service_host: `AGENT.ORG`, as Pipecat Cloud routes by it.
    """

    carrier: str
    stream_id: str
    call_id: str
    media_format: MediaFormat = field(default_factory=MediaFormat)
    from_number: str | None = None
    to_number: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    service_host: str | None = None

    @property
    def agent(self) -> str | None:
        """The agent of `service_host`: all before the last dot, because an organisation's name has none."""
        return self.service_host and (self.service_host.rpartition(".")[0] or self.service_host)


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
        HandshakeError: It is no known carrier's, or its ids cannot be true.
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


def checked_id(name: str, value: Any) -> str:
    """An id that a `start` must have.

    Args:
        name: Its key, for the error.
        value: What is there.

    Raises:
        HandshakeError: It is none, or has what means something in an address.
    """
    checked = optional_id(value)
    if checked is None:
        raise HandshakeError(
            f"The start message has no usable {name}: it must be 1 to {MAX_TEXT_CHARS} letters, digits or "
            ":_.=+~- without '..'; connect the carrier itself, not something that imitates it."
        )
    return checked


def optional_id(value: Any) -> str | None:
    """An id that may be missing; None also for one that cannot be true."""
    return value if isinstance(value, str) and _ID.fullmatch(value) and ".." not in value else None


def number_in(passed: Mapping[str, Any], *names: str) -> str | None:
    """The first of these parameters that is a text, for a caller's number or the one that was called."""
    return next((text for name in names if (text := short_text(passed.get(name)))), None)


def media_format(value: Any, rate_key: str) -> MediaFormat:
    """The format, with the documented defaults (PCMU, 8000 Hz, mono) for what is missing or impossible."""
    fields = value if isinstance(value, dict) else {}
    name = short_text(fields.get("encoding"))
    if name is None:
        logger.warning("The start message names no encoding: taking the caller's audio as PCMU")
    encoding = normalise_encoding(name) if name else "PCMU"
    rate = fields.get(rate_key)
    if type(rate) is not int or rate not in _L16_SAMPLE_RATES:
        rate = 16000 if encoding == "L16" else G711_SAMPLE_RATE
    channels = fields.get("channels")
    return MediaFormat(encoding, rate, channels if type(channels) is int and channels > 0 else 1)


def checked_service_host(value: Any) -> str | None:
    """`AGENT.ORG`, as a parameter or the query names it; None also for what cannot be one."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= MAX_TEXT_CHARS and _SERVICE_HOST.fullmatch(value):
        return value
    logger.warning(
        "Ignoring the service host: it must look like AGENT.ORG, of letters, digits, '-', '_' and '.'"
    )
    return None
