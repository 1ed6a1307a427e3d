"""Strangers who connect and say nothing, or not all: health checks and carriers are answered all along."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import uvicorn
import websockets
from twilio.request_validator import RequestValidator
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import listen, uvicorn_config
from tests.web_service import Running, running, stream_of
from web import connections as limits
from web.connections import Connections, http_protocol

PUBLIC = {"public_url": "https://bot.example.com"}
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
HALF = [
    b"",
    b"POST /twilio/vo",
    b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nX-Header: ",
    b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nX-Twilio-Signature: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nCall",
    b"GET /ws/twilio HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
]


@asynccontextmanager
async def silent(service: Running, count: int, said: bytes = b""):
    address = urlsplit(service.url)
    opened = []
    try:
        for _ in range(count):
            opened.append(await asyncio.open_connection(address.hostname, address.port))
            opened[-1][1].write(said)
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


async def signed_webhook(service: Running) -> int:
    signature = RequestValidator("token").compute_signature("https://bot.example.com/twilio/voice", FORM)
    answer = await service.http.post("/twilio/voice", data=FORM, headers={"X-Twilio-Signature": signature})
    return answer.status_code


@pytest.mark.parametrize(
    "said", HALF, ids=["nothing", "half a line", "half a head", "no body", "half an upgrade"]
)
async def test_three_hundred_silent_connections_hold_nobody_up(tmp_path, said):
    async with running(tmp_path, max_connections=50, **PUBLIC, **TWILIO) as service:
        async with silent(service, 300, said):
            began = time.monotonic()
            for _ in range(5):
                assert (
                    await service.http.get("/healthz", headers={"Connection": "close"})
                ).status_code == 200
                assert await signed_webhook(service) == 200
            assert time.monotonic() - began < 3


async def test_a_live_call_is_not_disturbed(tmp_path):
    async with running(tmp_path, max_connections=30) as service:
        async with websockets.connect(service.ws_url + "/ws") as call, silent(service, 200, b"GET /"):
            await call.send("still here")
            await asyncio.wait_for(await call.ping(), 5)
            url, _ = stream_of((await service.post("/twilio/voice", **FORM)).text)
            async with websockets.connect(url) as another:
                await asyncio.wait_for(await another.ping(), 5)


@pytest.mark.parametrize(
    "said", HALF, ids=["nothing", "half a line", "half a head", "no body", "half an upgrade"]
)
async def test_who_does_not_finish_a_request_in_time_is_hung_up_on(tmp_path, monkeypatch, said):
    monkeypatch.setattr(limits, "REQUEST_SECS", 0.3)
    monkeypatch.setattr(limits, "SWEEP_SECS", 0.1)
    async with running(tmp_path, **PUBLIC, **TWILIO) as service, silent(service, 3, said) as opened:
        assert all([await is_closed(reader) for reader, _ in opened])
        assert service.app.state.service.refusals.counts["slow_request"] == 3


async def test_who_sends_a_byte_now_and_then_is_hung_up_on_too(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "REQUEST_SECS", 0.5)
    monkeypatch.setattr(limits, "SWEEP_SECS", 0.1)
    async with running(tmp_path) as service, silent(service, 1, b"GET / HTTP/1.1\r\nX: ") as opened:
        ((reader, writer),) = opened
        for _ in range(20):
            writer.write(b"x")
            await asyncio.sleep(0.05)
        assert await is_closed(reader)


async def test_a_kept_connection_may_rest_between_requests(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "REQUEST_SECS", 0.3)
    monkeypatch.setattr(limits, "SWEEP_SECS", 0.1)
    async with running(tmp_path) as service, silent(service, 1) as opened:
        ((reader, writer),) = opened
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), 5)
            assert answer.startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.6)


@asynccontextmanager
async def protocol_of(base: type[asyncio.Protocol], service: Running):
    """The same application, served by one protocol class of uvicorn's."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn_config(service.app)
    state = service.app.state.service
    config.http = http_protocol(Connections(100, 10, state.refusals), base)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize("base", [H11Protocol, HttpToolsProtocol])
async def test_megabytes_of_headers_are_not_kept(tmp_path, base):
    async with running(tmp_path) as service, protocol_of(base, service) as address:
        for said in (b"GET /healthz HTTP/1.1\r\n", b"GET /", b""):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(said)
            sent = 0
            try:
                while sent < 100 << 20:
                    writer.write(
                        b"X-Header: " + b"x" * 1000 + b"\r\n" if said.endswith(b"\n") else b"x" * 1012
                    )
                    sent += 1012
                    await asyncio.wait_for(writer.drain(), 5)
                    if reader.at_eof() or reader._buffer:  # type: ignore[attr-defined]
                        break
                answer = await asyncio.wait_for(reader.read(), 5)
            except ConnectionError:
                answer = b""
            except TimeoutError:
                answer = b"still listened to"
            writer.close()
            assert answer[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
            assert sent < 8 << 20


@pytest.mark.parametrize("base", [H11Protocol, HttpToolsProtocol])
async def test_bodies_are_no_headers_however_they_are_cut(tmp_path, base):
    form = b"CallSid=CA1&From=%2B14155550100&To=%2B14155550101&x=" + b"x" * 60_000
    head = (
        b"POST /twilio/voice HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: " + str(len(form)).encode() + b"\r\n\r\n"
    )
    # On another port than its own, the service takes everybody for a stranger.
    async with (
        running(tmp_path, allow_unsigned_webhooks=True) as service,
        protocol_of(base, service) as address,
    ):
        for cut in (len(head) - 1, len(head) - 2, len(head) - 3, len(head), len(head) + 40_000, 10):
            reader, writer = await asyncio.open_connection(*address)
            for piece in (
                (head + form)[:cut],
                (head + form)[cut:],
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ):
                writer.write(piece)
                await asyncio.sleep(0.05)
            answers = await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), 5)
            assert answers.count(b"HTTP/1.1 200") == 2
            writer.close()


def test_a_peer_with_many_unfinished_requests_loses_its_own_oldest():
    async def scenario() -> None:
        class Transport:
            aborted = False

            def abort(self) -> None:
                self.aborted = True

        class Connection:
            def __init__(self, peer: str):
                self.peer, self.transport = peer, Transport()

        from web.refusals import Refusals

        refusals = Refusals()
        connections = Connections(1000, 3, refusals)
        other = Connection("203.0.113.9")
        theirs = [Connection("198.51.100.7") for _ in range(5)]
        proxied = [Connection("127.0.0.1") for _ in range(50)]
        for connection in (other, *theirs, *proxied):
            assert connections.opened(connection)
        assert [c.transport.aborted for c in theirs] == [True, True, False, False, False]
        assert not other.transport.aborted
        assert not any(c.transport.aborted for c in proxied)
        assert refusals.counts == {"too_many_of_one_peer": 2}

    asyncio.run(scenario())


async def test_garbage_is_one_line_in_the_log_however_often(tmp_path, capfd):
    async with running(tmp_path) as service:
        address = urlsplit(service.url)
        for _ in range(100):
            with socket.create_connection((address.hostname, address.port)) as connection:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert service.app.state.service.refusals.counts["malformed"] == 100
    err = capfd.readouterr().err
    assert err.count("\n") < 10
