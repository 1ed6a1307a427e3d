"""The proxy between the carriers and the server: it passes all on, and can be slow, stand still and break."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import pytest

from chaos.processes import held, holders, of_session
from chaos.proxy import Proxy

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()


async def with_echo(use) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            async with asyncio.timeout(20):
                await use(proxy, reader, writer)
        finally:
            writer.transport.abort()
    server.close()
    await server.wait_closed()


async def test_all_comes_through_in_order():
    async def use(proxy, reader, writer):
        sent = os.urandom(300_000)
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent

    await with_echo(use)


async def test_latency_is_felt_in_both_directions_and_ends():
    async def use(proxy, reader, writer):
        proxy.latency_secs = 0.1
        began = time.monotonic()
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        assert time.monotonic() - began >= 0.2
        proxy.latency_secs = 0.0
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"

    await with_echo(use)


async def test_nothing_is_lost_while_it_stands_still():
    async def use(proxy, reader, writer):
        writer.write(b"before")
        await reader.readexactly(6)
        proxy.stall(0.3)
        began = time.monotonic()
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        assert time.monotonic() - began >= 0.25

    await with_echo(use)


async def test_a_connection_is_cut_by_its_port_and_no_other_one():
    async def use(proxy, reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for one_reader, one_writer in ((reader, writer), (other_reader, other_writer)):
            one_writer.write(b"x")
            await one_reader.readexactly(1)
        assert proxy.cut(writer.get_extra_info("sockname")[1])
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        other_writer.write(b"y")
        assert await other_reader.readexactly(1) == b"y"
        assert not proxy.cut(1)
        other_writer.transport.abort()

    await with_echo(use)


async def test_who_is_answered_by_nobody_gets_a_bad_gateway():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"POST /twilio/voice HTTP/1.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 502 ")
        writer.close()


async def test_a_server_that_closes_is_closed_through_the_proxy():
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b"bye"
        writer.close()
        for _ in range(100):
            if not proxy.open:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("a connection is still known after its end")


@linux
async def test_it_is_known_which_process_has_a_connection():
    async def use(proxy, reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        (connection,) = proxy.open.values()
        found = await asyncio.to_thread(holders, proxy.target, [os.getpid(), 1 << 30])
        assert found == {connection.behind: os.getpid()}
        assert connection.port == writer.get_extra_info("sockname")[1]

    await with_echo(use)


@linux
def test_what_a_process_holds_is_counted():
    before = held([os.getpid()])
    with socket.socket(), open(os.devnull, "rb"):
        during = held([os.getpid()])
    assert during.sockets == before.sockets + 1
    assert during.files == before.files + 1
    assert before.memory_mb > 10
    assert before.threads >= 1
    assert held([1 << 30]).memory_mb == 0


@linux
def test_the_processes_of_a_session_are_found():
    assert os.getpid() in of_session(os.getsid(0))
    assert of_session(1 << 30) == []
