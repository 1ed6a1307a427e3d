"""What is said on calls of this process, for another one on this machine that somebody has asked who wants to listen.

Processes ask each other by the database, which is no place for sound. So the process that talks on the call opens a
port of this machine alone, and its answer has the number of that with a ticket, which is good for one connection.

The other process sends the ticket as a line, and perhaps at its end why it wants no more. It gets messages: one byte
for their kind (`T` text, `B` binary, `E` the end, with the reason), four for their length, big-endian, and the message.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from loguru import logger

from calls.errors import NoAnswer
from conversation.overhearing import DETACHED, LEFT, NOT_ALLOWED, TOO_SLOW, Listener

TICKET_SECS = 5.0
"""How long a ticket is good, and how long a connection may take to show it."""

MAX_LINE_BYTES = 200
MAX_MESSAGE_BYTES = 1 << 20

SEND_SECS = 5.0
"""How long the other process may take nothing."""

HEAD = struct.Struct(">cI")


class ListeningPort:
    """The port. It is opened when it is needed first."""

    def __init__(self) -> None:
        """Nobody has asked for it yet."""
        self._server: asyncio.Server | None = None
        self._offered: dict[str, Listener] = {}

    async def offer(self, listener: Listener) -> dict[str, Any]:
        """Let another process have what somebody hears; tells how, as JSON has it."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_LINE_BYTES)
        ticket = secrets.token_urlsafe(24)
        self._offered[ticket] = listener
        asyncio.get_running_loop().call_later(TICKET_SECS, self._expire, ticket)
        return {"port": self._server.sockets[0].getsockname()[1], "ticket": ticket}

    def _expire(self, ticket: str) -> None:
        if (listener := self._offered.pop(ticket, None)) is not None:
            listener.close()

    async def aclose(self) -> None:
        """Close it."""
        for ticket in list(self._offered):
            self._expire(ticket)
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener, why = None, LEFT
        try:
            async with asyncio.timeout(TICKET_SECS):
                listener = self._offered.pop(await _line(reader), None)
            if listener is not None:
                why = await _talk(listener, reader, writer)
        except (OSError, ValueError, TimeoutError) as error:
            logger.debug("A listener in another process has gone: {}", type(error).__name__)
        finally:
            if listener is not None:
                listener.close(why)
            if why == TOO_SLOW:
                writer.transport.abort()  # what waits would keep it open
            writer.close()


async def _talk(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Send what is heard until it is over, or the other process has enough; tell why."""
    sending = asyncio.create_task(_send(listener, writer))
    leaving = asyncio.create_task(_line(reader))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            return sending.result()
        said = leaving.result()
        return said if said in (TOO_SLOW, NOT_ALLOWED) else LEFT
    finally:
        sending.cancel()
        leaving.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _send(listener: Listener, writer: asyncio.StreamWriter) -> str:
    while messages := await listener.take():
        for message in messages:
            kind, data = (b"T", message.encode()) if isinstance(message, str) else (b"B", message)
            writer.write(HEAD.pack(kind, len(data)) + data)
        try:
            async with asyncio.timeout(SEND_SECS):
                await writer.drain()
        except TimeoutError:
            return TOO_SLOW
    why = listener.over or LEFT
    writer.write(HEAD.pack(b"E", len(why)) + why.encode())
    return why


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readline()).decode("ascii").strip()


class DistantEar:
    """What somebody hears of a call on which another process of this machine talks.

    Parameters:
        over: Why they hear no more; None while they do.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        """Begin to hear, over a connection that has shown its ticket."""
        self.over: str | None = None
        self._reader = reader
        self._writer = writer

    async def take(self) -> list[str | bytes]:
        """Wait for the next message; none when it is over."""
        if self.over is None:
            with suppress(OSError, EOFError):
                kind, length = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                if length <= MAX_MESSAGE_BYTES:
                    data = await self._reader.readexactly(length)
                    if kind == b"B":
                        return [data]
                    if kind == b"T":
                        return [data.decode()]
                    self.over = data.decode("ascii", "replace")
            self.over = self.over or DETACHED  # that process has died
        return []

    def close(self, why: str = LEFT) -> None:
        """Hear no more."""
        self.over = self.over or why
        with suppress(OSError):
            self._writer.write(f"{why}\n".encode())
            self._writer.close()


async def connected(offered: Mapping[str, Any]) -> DistantEar:
    """Begin to hear what another process of this machine has offered.

    Args:
        offered: What `ListeningPort.offer` has told.

    Raises:
        NoAnswer: It cannot be reached.
    """
    try:
        async with asyncio.timeout(TICKET_SECS):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(offered["port"]))
    except (OSError, TimeoutError):
        raise NoAnswer(
            "the process that talks on the call cannot be reached from this one: do both run on one machine, and in "
            "one container?"
        ) from None
    writer.write(f"{offered['ticket']}\n".encode())
    return DistantEar(reader, writer)
