"""Much that is cheap to send and dear to read: requests sent ahead, chunks of a byte, endless trailers, empty lines."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from urllib.parse import urlsplit

import httpx
import pytest

from tests.web_service import Running, running
from web import connections as limits

CHUNKED = (
    b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nX-Twilio-Signature: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
)
UNREAD = CHUNKED.replace(b"/twilio/voice", b"/nowhere")
PARTS = {
    "requests sent ahead": (b"", b"GET /x HTTP/1.1\r\n\r\n", 200_000),
    "chunks of a byte": (CHUNKED, b"1\r\na\r\n", 400_000),
    "chunks that nobody reads": (UNREAD, b"1\r\na\r\n", 400_000),
    "trailers": (CHUNKED + b"0\r\n", b"a:b\r\n", 400_000),
    "trailers that nobody reads": (UNREAD + b"0\r\n", b"a:b\r\n", 400_000),
}
TOO_LONG_SECS = 0.5
"""Machines that run tests are slow, and have other things to do; without limits these take more than a second each."""


async def send(service: Running, said: bytes) -> None:
    """Send as much as the service takes, for a few seconds at most."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(3):
            for start in range(0, len(said), 1 << 16):
                writer.write(said[start : start + (1 << 16)])
                await writer.drain()
            await reader.read()
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


async def longest_standstill(enough: asyncio.Event) -> float:
    """How long nothing else had its turn, in seconds."""
    longest = 0.0
    while not enough.is_set():
        began = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - began)
    return longest


@pytest.mark.parametrize("kind", PARTS)
async def test_nobody_waits_while_they_are_read(tmp_path, kind):
    before, part, count = PARTS[kind]
    said = before + part * count
    async with running(tmp_path, twilio_auth_token="token", public_url="https://bot.example.com") as service:
        enough = asyncio.Event()
        watching = asyncio.create_task(longest_standstill(enough))
        await asyncio.gather(*(send(service, said) for _ in range(4)))
        enough.set()
        assert await watching < TOO_LONG_SECS


async def test_trailers_are_not_kept(tmp_path):
    async with running(tmp_path, twilio_auth_token="token", public_url="https://bot.example.com") as service:
        tracemalloc.start()
        try:
            await send(service, CHUNKED + b"0\r\n" + b"a:b\r\n" * 400_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20


async def test_trailers_are_no_headers(tmp_path):
    address_and_key = {"api_key": "key", "public_url": "https://bot.example.com"}
    async with running(tmp_path, **address_and_key) as service:
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(
            b"POST /calls HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\nAuthorization: Bearer key\r\n\r\n"
        )
        assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"401"
        writer.close()


async def test_empty_lines_before_a_request_have_an_end(tmp_path):
    async with running(tmp_path) as service:
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        sent = 0
        try:
            while sent < 100 << 20 and not reader.at_eof():
                writer.write(b"\r\n" * 5000)
                sent += 10_000
                await asyncio.wait_for(writer.drain(), 5)
        except ConnectionError:
            pass
        writer.close()
        assert sent < 20 << 20


async def test_a_chunk_with_an_endless_name_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SENT_BYTES", 1 << 20)
    async with running(tmp_path, twilio_auth_token="token", public_url="https://bot.example.com") as service:
        address = urlsplit(service.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(CHUNKED + b"1;")
        sent = 0
        try:
            while sent < 100 << 20:
                writer.write(b"x" * 10_000)
                sent += 10_000
                await asyncio.wait_for(writer.drain(), 5)
        except ConnectionError:
            pass
        writer.close()
        assert sent < 20 << 20


async def test_a_few_requests_sent_ahead_are_answered_in_turn(tmp_path):
    async with running(tmp_path) as service:
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8)
        for _ in range(8):
            answer = await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), 5)
            assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_form_in_small_chunks_is_read_whole(tmp_path):
    form = b"CallSid=CA1&From=%2B14155550100&To=%2B14155550101&x=" + b"x" * 60_000
    async with running(tmp_path) as service:

        async def pieces():
            for start in range(0, len(form), 10):
                yield form[start : start + 10]

        answer = await service.http.post(
            "/twilio/voice",
            content=pieces(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=httpx.Timeout(20),
        )
        assert answer.status_code == 200
        assert "<Stream" in answer.text
