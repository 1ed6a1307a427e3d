"""Hosted services on this machine that misbehave on purpose: endpoints of OpenAI's protocol, sockets that are mute.

Each request is answered by the next of the given behaviours; the last one goes on for ever.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _answer(*deltas: dict[str, Any], finish: str = "stop", stays: bool = False) -> Behaviour:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEADERS)
        for delta in deltas:
            writer.write(_event(delta))
        await writer.drain()
        if stays:
            await asyncio.Event().wait()
        writer.write(_event({}, finish) + b"data: [DONE]\n\n")

    return answer


def words(text: str) -> Behaviour:
    """Answer."""
    return _answer({"role": "assistant", "content": text})


def nothing() -> Behaviour:
    """Answer with no word at all."""
    return _answer({"role": "assistant", "content": ""})


def reasoning_only() -> Behaviour:
    """Think, and say nothing."""
    return _answer({"reasoning_content": "The caller wants"}, {"reasoning_content": " to know."})


def thinking_aloud_only() -> Behaviour:
    """Think in the text, which is not for the caller."""
    return _answer({"content": "<think>The caller wants"}, {"content": " to know.</think>"})


def calls(name: str, arguments: str, *, says: str = "") -> Behaviour:
    """Call a tool, with arguments as they are written here."""
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    said = [{"content": says}] if says else []
    return _answer(*said, {"tool_calls": [call]}, finish="tool_calls")


def calls_both(*named: tuple[str, str], says: str = "") -> Behaviour:
    """Call several tools in one reply."""
    deltas: list[dict[str, Any]] = [{"content": says}] if says else []
    for index, (name, arguments) in enumerate(named):
        function = {"name": name, "arguments": arguments}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"c{index}", "type": "function", "function": function}]}
        )
    return _answer(*deltas, finish="tool_calls")


def headers_and_no_token() -> Behaviour:
    """Begin to answer, and go no further."""
    return _answer(stays=True)


def stalls_after(text: str) -> Behaviour:
    """Stop in the middle of an answer."""
    return _answer({"content": text}, stays=True)


def no_answer() -> Behaviour:
    """Take the request, and be silent."""

    async def wait(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return wait


def keeps_alive_only() -> Behaviour:
    """Send comments, as proxies do that wait for a model themselves."""

    async def wait(writer: asyncio.StreamWriter) -> None:
        writer.write(HEADERS)
        while True:
            writer.write(b": still processing\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    return wait


def status(code: int, *headers: str) -> Behaviour:
    """Refuse."""

    async def refuse(writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"error": {"message": "no", "type": "fake"}})
        lines = [f"HTTP/1.1 {code} No", "Content-Type: application/json", "Connection: close", *headers]
        writer.write(("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])).encode())

    return refuse


def tone(secs: float, hz: int) -> bytes:
    """A tone of 500 Hz, as 16-bit samples at a rate."""
    half = hz // 1000
    return (b"\x00\x20" * half + b"\x00\xe0" * half) * round(secs * 500)


def audio(secs: float) -> Behaviour:
    """Speak: a tone at 24 kHz."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        pcm = tone(secs, 24000)
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(pcm)}\r\nConnection: close\r\n\r\n".encode() + pcm
        )

    return speak


def late(secs: float, behaviour: Behaviour) -> Behaviour:
    """Take a while, as what is far away does."""

    async def wait(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(secs)
        await behaviour(writer)

    return wait


def closes() -> Behaviour:
    """Drop the connection."""

    async def drop(_writer: asyncio.StreamWriter) -> None:
        return None

    return drop


@dataclass
class Endpoint:
    """A running endpoint.

    Attributes:
        url: Its base, ending in /v1.
        requests: The bodies that it got, as JSON.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def endpoint(*behaviours: Behaviour) -> AsyncIterator[Endpoint]:
    """Serve on a free port of this machine."""
    running: set[asyncio.Task[Any]] = set()
    served = Endpoint("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(
                (int(x.split(":")[1]) for x in head.split("\r\n") if x.startswith("content-length")), 0
            )
            body = await reader.readexactly(length)
            served.requests.append(json.loads(body) if body.startswith(b"{") else {})
            await behaviours[min(len(served.requests), len(behaviours)) - 1](writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def mute_socket() -> AsyncIterator[int]:
    """A port that accepts connections and says nothing: a TLS or WebSocket handshake hangs there."""
    open_writers: list[asyncio.StreamWriter] = []

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


@asynccontextmanager
async def full_port() -> AsyncIterator[int]:
    """A port whose queue of connections is full: connecting to it hangs."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def transcript(text: str) -> Behaviour:
    """Understand."""

    async def understand(writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"text": text})
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n{body}".encode())

    return understand


def no_sound() -> Behaviour:
    """Answer with success, and nothing in it."""

    async def be_empty(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    return be_empty


def garbage() -> Behaviour:
    """Answer with what is no HTTP."""

    async def be_strange(writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x16\x03 SSH-2.0-nothing\r\n\r\n")

    return be_strange


def only_headers() -> Behaviour:
    """Begin an answer, and go no further."""

    async def begin(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 48000\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    return begin


def audio_that(ends: str, secs: float = 0.5) -> Behaviour:
    """Begin to speak, then `stall` or `close` in the middle."""

    async def begin(writer: asyncio.StreamWriter) -> None:
        pcm = tone(secs, 24000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 960000\r\nConnection: close\r\n\r\n" + pcm)
        await writer.drain()
        if ends == "stall":
            await asyncio.Event().wait()

    return begin


Peer = Callable[[ServerConnection], Awaitable[None]]
"""What happens on a WebSocket."""


@dataclass
class SocketService:
    """A running WebSocket service.

    Attributes:
        url: Its address, without a path.
        connections: How many were opened.
    """

    url: str
    connections: int = 0


@asynccontextmanager
async def socket_service(
    *peers: Peer | int, tls: SSLContext | None = None, late_secs: float = 0.0
) -> AsyncIterator[SocketService]:
    """Serve WebSockets on a free port: each connection by the next peer, the last goes on; a number is refused with.

    Shaking hands takes `late_secs`.
    """
    service = SocketService("")

    def of(connection: int) -> Peer | int:
        return peers[min(connection, len(peers)) - 1]

    async def serve(socket: ServerConnection) -> None:
        peer = of(service.connections)
        assert not isinstance(peer, int)
        with suppress(ConnectionClosed):
            await peer(socket)

    async def shake_hands(socket: ServerConnection, _request: Request) -> Response | None:
        service.connections += 1
        peer = of(service.connections)
        await asyncio.sleep(late_secs)
        return socket.respond(peer, "no") if isinstance(peer, int) else None

    async with websocket_server(
        serve, "127.0.0.1", 0, process_request=shake_hands, close_timeout=0.2, ssl=tls
    ) as server:
        service.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield service
