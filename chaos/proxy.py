"""The way between the carriers and the server: a TCP proxy on loopback that can be slow, stand still and break."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 1 << 16
CONNECT_SECS = 10.0
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What any proxy answers when nobody listens behind it."""


@dataclass(eq=False)
class Connection:
    """A connection through the proxy.

    Attributes:
        port: The TCP port of the carrier's end.
        behind: The TCP port of the proxy's end towards the server.
    """

    port: int
    behind: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list, repr=False)

    def break_off(self) -> None:
        """End it without a farewell, in both directions."""
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Use as an async context manager. What goes wrong holds for both directions.

    Args:
        target: The server's port on 127.0.0.1.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.open: dict[int, Connection] = {}
        """Open connections by the port of the carrier's end."""
        self.latency_secs = 0.0
        """What is under way takes so long, and half of it more at random. What comes meanwhile travels together."""
        self.stalled_until = 0.0
        """On the monotonic clock; until then nothing moves."""
        self._random = random.Random(0)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """What carriers call."""
        return f"http://127.0.0.1:{self.port}"

    def stall(self, secs: float) -> None:
        """Let nothing move for so long."""
        self.stalled_until = time.monotonic() + secs

    def cut(self, port: int) -> bool:
        """Break the connection whose carrier's end has this port; whether there is one."""
        connection = self.open.get(port)
        if connection is not None:
            connection.break_off()
        return connection is not None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pass_time()
        try:
            async with asyncio.timeout(CONNECT_SECS):
                reader_behind, writer_behind = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # TimeoutError is one
            with suppress(OSError):
                await reader.read(CHUNK)  # an answer before the question would break the connection
                writer.write(BAD_GATEWAY)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            return
        port = int(writer.get_extra_info("peername")[1])
        behind = int(writer_behind.get_extra_info("sockname")[1])
        self.open[port] = Connection(port, behind, [writer, writer_behind])
        ways = [
            asyncio.create_task(self._pump(reader, writer_behind)),
            asyncio.create_task(self._pump(reader_behind, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # Who has closed one direction closes the other one, too: HTTP and WebSockets have no use for half of one
            for one in (writer, writer_behind):
                with suppress(OSError):
                    one.close()
                    async with asyncio.timeout(1.0):
                        await one.wait_closed()
        finally:
            del self.open[port]
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer_behind.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._pass_time()
                writer.write(data)
                await writer.drain()

    async def _pass_time(self) -> None:
        if self.latency_secs:
            await asyncio.sleep(self.latency_secs * self._random.uniform(1.0, 1.5))
        while (left := self.stalled_until - time.monotonic()) > 0:  # it may have been put off
            await asyncio.sleep(left)
