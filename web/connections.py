"""TCP connections: how many there may be, and how long one may take to say what it wants.

A connection that has not sent a whole request yet is *waiting*. A stranger can have many such connections at no cost,
so each of them has a time limit, and when there are too many the one that has waited longest is closed for the next: a
carrier or a health check sends its request at once and never is that one. Connections that are being answered, and
media sockets, are never closed for others.

Behind a proxy or a tunnel all connections come from one address. From this machine's own addresses the limit for one
peer does not hold, and elsewhere a proxy that passes on whole requests hardly ever has one waiting.

What comes in large pieces is parsed in small ones with time between them, for a piece of 256 kB may be 40,000 messages
of a media socket, 14,000 requests, or 40,000 chunks of a body. Requests wait by the time that their parsing takes, so a
carrier's do not. (How fast audio is *used* is for `serializers/pace.py` to say.)

The hooks are those of uvicorn's own protocol classes. Nothing is done per message of a media socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from web.refusals import Refusals

REQUEST_SECS = 10.0
"""How long the head of a request may take, from the connection's beginning or its first byte, in seconds; its body as
long again."""

MAX_HEAD_BYTES = 16 << 10
"""The largest first line and headers of a request. The longest are addresses of media sockets, below 2 kB."""

SWEEP_SECS = 1.0

PIECE_BYTES = 2 << 10
BYTES_PER_SEC = 512 << 10
"""How much of a media socket is parsed at once, and how fast in all. A stream sends 18 to 50 kB a second."""

MAX_SENT_BYTES = 20 << 20
"""The largest body, as it is sent. `web.bodies` counts its content only, without the chunks' framing."""

PARSE_SECS = 0.002
"""How long requests are parsed before others have their turn, when more has come in at once than a piece."""

REST = 4
"""How many times as long the parsing of requests rests then, those of all connections together."""

MAX_PIPELINED = 16
"""How many requests may wait on a connection for the answer to the one before. Carriers and proxies send none ahead."""

UNREAD_SECS = 5.0
"""How long the other side of a socket may take to read the rest of what was sent, once we are done with it."""

WANTED_FILES = 4096
"""How many files a process may have open, if the system lets it: some start programs with 256."""

ABORT = "phonebot.abort"
"""The extension of a request's scope that drops its connection at once."""

ROUTE = "a connection"
"""What refusals are noted under that come before any route."""


class Connections:
    """The open connections of a process.

    Parameters:
        at_most: How many there may be in all, media sockets included.
        per_peer: How many of one address may be waiting; 0 for any number.
        refusals: Where closed connections are noted.
    """

    def __init__(self, at_most: int, per_peer: int, refusals: Refusals):
        self._at_most = _within_open_files(at_most)
        self._per_peer = per_peer
        self._refusals = refusals
        self._open: set[Any] = set()
        self._waiting: dict[Any, float] = {}  # in order of when they began to
        self._idle: dict[Any, None] = {}
        self._waiting_of: Counter[str] = Counter()
        self._sweeper: asyncio.TimerHandle | None = None
        self._parse_at = 0.0

    def opened(self, connection: Any) -> bool:
        """Take a new connection in.

        Returns:
            Whether there is room for it.
        """
        peer = connection.peer
        if self._per_peer and self._waiting_of[peer] >= self._per_peer and not _is_this_machine(peer):
            self._close(next(c for c in self._waiting if c.peer == peer), "too_many_of_one_peer")
        if len(self._open) >= self._at_most:
            oldest = next(iter(self._waiting), None) or next(iter(self._idle), None)
            if oldest is None:
                self._refusals.note(
                    ROUTE, "full", "as many connections as MAX_CONNECTIONS allows are being answered"
                )
                return False
            self._close(oldest, "too_many")
        self._open.add(connection)
        self.waits(connection)
        return True

    def upgraded(self, socket: Any) -> None:
        """Count a connection that has become a media socket."""
        self._open.add(socket)

    def waits(self, connection: Any) -> None:
        """Note that the rest of a request is waited for, from now on."""
        self._forget(connection)
        self._waiting[connection] = time.monotonic()
        self._waiting_of[connection.peer] += 1
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECS, self._sweep)

    def served(self, connection: Any) -> None:
        """Note that a request is whole."""
        self._forget(connection)

    def idles(self, connection: Any) -> None:
        """Note that a request is answered and the connection kept; uvicorn closes it when no other one comes."""
        self._forget(connection)
        self._idle[connection] = None

    def is_idle(self, connection: Any) -> bool:
        """Whether nothing has come since the last answer."""
        return connection in self._idle

    def closed(self, connection: Any) -> None:
        """Forget a connection."""
        self._forget(connection)
        self._open.discard(connection)

    def _forget(self, connection: Any) -> None:
        self._idle.pop(connection, None)
        if self._waiting.pop(connection, None) is not None:
            self._waiting_of[connection.peer] -= 1
            if not self._waiting_of[connection.peer]:
                del self._waiting_of[connection.peer]

    def _close(self, connection: Any, reason: str) -> None:
        explanation = {
            "too_many": "more connections than MAX_CONNECTIONS: the one that waited longest is closed",
            "too_many_of_one_peer": "more unfinished requests of one address than MAX_CONNECTIONS_PER_PEER",
            "slow_request": f"no whole request within {REQUEST_SECS:g} s",
        }[reason]
        self._refusals.note(ROUTE, reason, explanation)
        self.closed(connection)
        connection.transport.abort()

    def _sweep(self) -> None:
        self._sweeper = None
        late = time.monotonic() - REQUEST_SECS
        for connection in [c for c, since in self._waiting.items() if since < late]:
            self._close(connection, "slow_request")
        if self._waiting:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECS, self._sweep)

    def rest(self, parsed_secs: float) -> float:
        """How long a connection waits that has been parsed for so long and has more, in seconds."""
        now = time.monotonic()
        self._parse_at = max(now, self._parse_at) + REST * parsed_secs
        return self._parse_at - now

    def refuse(self, connection: Any, reason: str, explanation: str) -> None:
        """Note why a connection is turned away by its protocol."""
        self._refusals.note(ROUTE, reason, explanation)


def http_protocol(
    connections: Connections, base: type[asyncio.Protocol] = AutoHTTPProtocol
) -> type[asyncio.Protocol]:
    """One of uvicorn's HTTP protocols, with limits."""

    class LimitedHttp(base):  # type: ignore[valid-type, misc]
        """One connection."""

        peer = ""
        _head_bytes = 0
        _body_bytes = 0
        _tail = b""
        _in_body = False
        _turned_away = False
        _feeding = False

        def connection_made(self, transport: Any) -> None:
            self.peer = _address_of(transport)
            self._backlog = bytearray()
            super().connection_made(transport)
            if not connections.opened(self):
                self._turned_away = True
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self)
            self._turned_away = True
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._turned_away:
                return
            if connections.is_idle(self):
                connections.waits(self)
            self._backlog += data
            if self._feeding:
                self.transport.pause_reading()  # which uvicorn has resumed
            else:
                self._feed()

        def _feed(self) -> None:
            began = time.thread_time()
            while self._backlog and not self._turned_away:
                piece = bytes(self._backlog[:PIECE_BYTES])
                del self._backlog[:PIECE_BYTES]
                self._take(piece)
                if self._backlog and (parsed_secs := time.thread_time() - began) > PARSE_SECS:
                    self._feeding = True
                    self.transport.pause_reading()
                    asyncio.get_running_loop().call_later(connections.rest(parsed_secs), self._feed)
                    return
            self._backlog.clear()
            if self._feeding:
                self._feeding = False
                # What uvicorn has paused, it resumes.
                if not self.flow.read_paused and not self.transport.is_closing():
                    self.transport.resume_reading()

        def _take(self, data: bytes) -> None:
            cycle = self.cycle
            in_head = cycle is None or cycle.response_complete or not cycle.more_body
            self._body_bytes += 0 if in_head else len(data)
            if self._body_bytes > MAX_SENT_BYTES:
                self._turn_away("large_body", f"more than {MAX_SENT_BYTES} bytes came of one body")
                self.transport.abort()
                return
            head_bytes = self._head_bytes + len(data)
            if in_head and self._head_is_too_large(data):
                self._turn_away("large_head", f"the head has more than {MAX_HEAD_BYTES} bytes")
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()
                return
            super().data_received(data)
            if self._turned_away:
                return
            if self.cycle is not cycle:
                self._head_bytes, self._tail, self._body_bytes = 0, b"", 0
                if self.cycle.more_body:
                    connections.waits(self)
            elif in_head:
                # Also where it only seemed to end, with the empty lines before it.
                self._head_bytes = head_bytes
            if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
                connections.served(self)
            if len(getattr(self, "pipeline", ())) > MAX_PIPELINED:
                self._turn_away(
                    "pipelined", f"more than {MAX_PIPELINED} requests were sent ahead on one connection"
                )
                self.transport.abort()

        def _turn_away(self, reason: str, explanation: str) -> None:
            self._turned_away = True
            connections.refuse(self, reason, explanation)

        def on_message_begin(self) -> None:
            self._in_body = False
            super().on_message_begin()
            # For answers that go on for long: who does not read them would hold up a polite close, too
            self.scope["extensions"] = {ABORT: self.transport.abort}

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            self._in_body = True

        def on_header(self, name: bytes, value: bytes) -> None:
            # What follows a body in chunks are headers, too, as many as the sender likes, and we need none of them.
            if not self._in_body:
                super().on_header(name, value)

        def _head_is_too_large(self, data: bytes) -> bool:
            seen = self._tail + data
            end = seen.find(b"\r\n\r\n")
            self._head_bytes += len(data) if end < 0 else max(0, end - len(self._tail))
            self._tail = seen[-3:]
            return self._head_bytes > MAX_HEAD_BYTES

        def send_400_response(self, msg: str) -> None:
            connections.refuse(self, "malformed", "this is no HTTP request")
            super().send_400_response(msg)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing() and self.cycle.response_complete:
                connections.idles(self)

        def handle_websocket_upgrade(self, *event: Any) -> None:
            connections.closed(self)
            self._turned_away = True  # what else comes is for the socket
            if self._feeding and not self.transport.is_closing():
                self.transport.resume_reading()
            super().handle_websocket_upgrade(*event)

    return LimitedHttp


def websocket_protocol(connections: Connections) -> type[asyncio.Protocol]:
    """The WebSocket protocol of uvicorn, counted."""

    class LimitedWebSocket(AutoWebSocketsProtocol):  # type: ignore[valid-type, misc]
        """One media socket."""

        _feeding = False

        def connection_made(self, transport: Any) -> None:
            connections.upgraded(self)
            self._backlog = bytearray()
            self._tcp = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self)
            self._backlog.clear()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._feeding and len(data) <= PIECE_BYTES:
                super().data_received(data)
                return
            self._backlog += data
            self._tcp.pause_reading()
            if not self._feeding:
                self._feeding = True
                self._feed()

        async def run_asgi(self) -> None:
            await super().run_asgi()
            if self._tcp.get_write_buffer_size():
                # Who reads nothing would keep it open for ever: it closes when they have all.
                asyncio.get_running_loop().call_later(UNREAD_SECS, self._tcp.abort)

        async def send(self, message: Any) -> None:
            await super().send(message)
            if message["type"] == "websocket.http.response.body" and getattr(self, "close_sent", False):
                self.handshake_complete = True  # else uvicorn logs each refused socket as an error of ours

        async def receive(self) -> Any:
            message = await super().receive()
            if self._feeding:
                self._tcp.pause_reading()  # which uvicorn may have resumed, though there is more already
            return message

        def _feed(self) -> None:
            if self._tcp.is_closing():
                self._backlog.clear()
            is_paused = getattr(self, "read_paused", False)
            if not self._backlog:
                self._feeding = False
                if not is_paused:  # else uvicorn has paused it, and resumes it
                    self._tcp.resume_reading()
                return
            # While messages wait to be taken, more of them would only take memory.
            piece = b"" if is_paused else bytes(self._backlog[:PIECE_BYTES])
            del self._backlog[: len(piece)]
            asyncio.get_running_loop().call_later((len(piece) or PIECE_BYTES) / BYTES_PER_SEC, self._feed)
            if piece:
                super().data_received(piece)

    return LimitedWebSocket


HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


def _address_of(transport: Any) -> str:
    address = transport.get_extra_info("peername")
    return str(address[0]) if isinstance(address, tuple) and address else ""


def _is_this_machine(peer: str) -> bool:
    """Whether connections from there may be a proxy's. A UNIX socket's have no address at all."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return not peer
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _within_open_files(at_most: int) -> int:
    """As many connections as there can be files: beyond, nothing can be opened at all, not even a log or a database."""
    try:
        import resource
    except ImportError:  # Windows
        return at_most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED_FILES if hard == unlimited else min(WANTED_FILES, hard)
    if soft != unlimited and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return at_most if soft == unlimited else min(at_most, max(16, soft // 2))
