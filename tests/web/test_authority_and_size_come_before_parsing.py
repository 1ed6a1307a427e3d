"""Who asks is looked at before what is asked, and no more than 64 kB are ever read of it: on every route."""

from __future__ import annotations

import asyncio
import gzip
import json
from urllib.parse import urlsplit

import pytest

from tests.web_service import Running, running
from web import bodies

KEY = {"Authorization": "Bearer secret"}
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
JSON_TYPE = {"Content-Type": "application/json"}
WEBHOOKS = [
    f"/{carrier}/{route}"
    for carrier in ("twilio", "telnyx")
    for route in (
        "voice",
        "connect-ended",
        "transfer",
        "transfer-answered",
        "status",
        "amd",
        "recording",
        "message",
    )
]
ACTIONS = ["/calls", *(f"/calls/CA1/{action}" for action in ("hangup", "transfer", "digits", "recording"))]


async def ask(service: Running, head: str, *pieces: bytes, pause_secs: float = 0.0) -> bytes:
    """Send a request as it is written here; returns all that came back until the server closed, or for 5 s."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        for piece in pieces:
            await asyncio.sleep(pause_secs)
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("path", ACTIONS)
async def test_without_the_key_not_a_byte_of_the_body_is_waited_for(tmp_path, path):
    async with running(tmp_path, api_key="secret") as service:
        for length in (10_000_000, 20, 0):
            answer = await ask(
                service,
                f"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: {length}"
                + ("\nConnection: close" if not length else ""),
            )
            assert answer.startswith(b"HTTP/1.1 401")


async def test_ten_megabytes_of_brackets_are_not_parsed(tmp_path):
    body = b"[" + b"[]," * 3_300_000 + b"[]]"
    async with running(tmp_path, api_key="secret") as service:
        for headers, status in (({}, 401), (KEY, 413)):
            longest = await _longest_stall(
                service.http.post("/calls", content=body, headers={**headers, **JSON_TYPE}), status
            )
            assert longest < 0.5


async def _longest_stall(request, status: int) -> float:
    """How long the event loop, on which calls talk, stood still while a request was answered."""
    loop, longest, running_ = asyncio.get_running_loop(), 0.0, True

    async def watch() -> None:
        nonlocal longest
        while running_:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)

    watching = asyncio.create_task(watch())
    answer = await request
    assert answer.status_code == status
    running_ = False
    await watching
    return longest


@pytest.mark.parametrize("path", ACTIONS)
async def test_the_operator_may_send_64_kilobytes_too(tmp_path, path):
    async with running(tmp_path, api_key="secret") as service:
        for content in (b" " * 65536, b"{" + b" " * 65533 + b"}x"):
            answer = await service.http.post(path, content=content, headers={**KEY, **JSON_TYPE})
            assert answer.status_code != 413
            answer = await service.http.post(path, content=content + b" ", headers={**KEY, **JSON_TYPE})
            # A call that does not exist, and an action without a body, are told before the body is read.
            assert answer.status_code == (404 if path.endswith("hangup") else 413)


@pytest.mark.parametrize("path", WEBHOOKS)
async def test_a_carriers_form_has_64_kilobytes_at_most(tmp_path, path):
    async with running(tmp_path) as service:
        for content in (
            b"CallSid=CA1&x=" + b"x" * 65_500,
            b"a=&" * 30_000,
            b"CallSid=CA1&x=" + b"x" * 1_000_000,
        ):
            answer = await service.http.post(path, content=content, headers=FORM_TYPE)
            assert answer.status_code == (413 if len(content) > 65536 else answer.status_code)
            assert answer.status_code < 500
        assert (await service.http.post("/telnyx/events", content=b"[" * 70_000)).status_code == 413


async def _chunks(count: int):
    for _ in range(count):
        yield b"CallSid=CA1&x=" + b"x" * 10_000


async def test_a_body_without_a_length_is_counted(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        answer = await service.http.post("/twilio/voice", content=_chunks(100), headers=FORM_TYPE)
        assert answer.status_code == 413
        answer = await service.http.post("/calls", content=_chunks(100), headers={**KEY, **JSON_TYPE})
        assert answer.status_code == 413
        answer = await service.http.post("/calls", content=_chunks(100), headers=JSON_TYPE)
        assert answer.status_code == 401
        assert (await service.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "0x10", "9" * 400, "9" * 5000, "+5", "5, 6", "5\nContent-Length: 6", "", "\u0665"]
)
async def test_a_length_that_cannot_be_true_is_refused(tmp_path, length):
    async with running(tmp_path) as service:
        head = "POST /twilio/voice HTTP/1.1\nHost: localhost\nContent-Type: application/x-www-form-urlencoded"
        head += f"\nContent-Length: {length}"
        answer = await ask(service, head, b"CallSid=CA1")
        assert answer.split(b" ")[1][:1] == b"4"
        assert service.store.list() == []


async def test_a_body_that_is_shorter_than_it_says_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECS", 0.3)
    async with running(tmp_path, api_key="secret") as service:
        for path, key in (("/twilio/voice", ""), ("/calls", "\nAuthorization: Bearer secret")):
            kind = "application/json" if key else "application/x-www-form-urlencoded"
            head = f"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: {kind}\nContent-Length: 500{key}"
            answer = await ask(service, head, b"CallSid=CA1")
            assert answer.startswith(b"HTTP/1.1 408"), answer
            dribbled = await ask(service, head, *[b"x"] * 20, pause_secs=0.05)
            assert dribbled[:12] in (b"HTTP/1.1 408", b"")
        assert service.app.state.service.refusals.counts["slow_body"] == 4


async def test_a_sender_who_leaves_in_the_middle_is_no_failure(tmp_path, capfd):
    async with running(tmp_path, api_key="secret") as service:
        for path, key in (("/twilio/voice", ""), ("/calls", "Authorization: Bearer secret\r\n")):
            address = urlsplit(service.url)
            for _ in range(3):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
                kind = "application/json" if key else "application/x-www-form-urlencoded"
                writer.write(
                    f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{key}".encode()
                    + b"Content-Length: 50\r\n\r\nx"
                )
                await asyncio.sleep(0.05)
                writer.transport.abort()
        await asyncio.sleep(0.2)
        assert (await service.http.get("/healthz")).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


async def test_compressed_bodies_are_not_unpacked(tmp_path):
    packed = gzip.compress(b"CallSid=CA1&x=" + b"x" * 10_000_000)
    async with running(tmp_path, api_key="secret") as service:
        for encoding in ("gzip", "deflate", "br", "identity, gzip", "x" * 100):
            answer = await service.http.post(
                "/twilio/voice", content=packed[:60_000], headers={**FORM_TYPE, "Content-Encoding": encoding}
            )
            assert answer.status_code == 415
        assert service.store.list() == []


async def test_forms_of_many_fields_and_deep_json_are_turned_down(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        answer = await service.http.post(
            "/twilio/voice", content="&".join(f"a{n}=1" for n in range(501)), headers=FORM_TYPE
        )
        assert answer.status_code == 400
        answer = await service.http.post(
            "/twilio/voice?" + "&".join(f"a{n}=1" for n in range(501)), data=FORM
        )
        assert answer.status_code == 400
        for deep in (b"[" * 60_000, b'{"a":' * 12_000, b'{"to":' + b"[" * 30_000 + b"]" * 30_000 + b"}"):
            answer = await service.http.post("/calls", content=deep, headers={**KEY, **JSON_TYPE})
            assert answer.status_code in (400, 422)
            answer = await service.http.post("/telnyx/events", content=deep)
            assert answer.status_code == 400
        deep_parameters = json.loads("[" * 400 + "]" * 400)
        answer = await service.http.post(
            "/calls", json={"to": "+12025550143", "parameters": {"a": deep_parameters}}, headers=KEY
        )
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"])
async def test_other_methods_do_nothing(tmp_path, method):
    async with running(tmp_path, api_key="secret") as service:
        for path in ("/twilio/voice", "/telnyx/events", "/calls", "/calls/CA1/hangup", "/healthz", "/ws"):
            answer = await service.http.request(method, path, headers=KEY, content=b"CallSid=CA1")
            assert 400 <= answer.status_code < 500
        assert service.store.list() == []
