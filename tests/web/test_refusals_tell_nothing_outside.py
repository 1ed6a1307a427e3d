"""Who is turned away gets a plain status; whoever runs the service gets one line a minute and a counter."""

from __future__ import annotations

import asyncio
import logging

import pytest
import websockets
from loguru import logger
from websockets.exceptions import InvalidStatus

from tests.web_service import running
from web.refusals import Refusals

PUBLIC = {"public_url": "https://bot.example.com"}
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
CONFIGURED = ("TWILIO", "TELNYX", "API_KEY", "ALLOW", "PUBLIC_URL", "signature", "token", "carrier", "set ")


@pytest.fixture
def lines():
    found: list[str] = []
    sink = logger.add(lambda message: found.append(str(message)), level="INFO", format="{message}")
    yield found
    logger.remove(sink)


@pytest.mark.parametrize("settings", [{}, TWILIO, {"api_key": "secret"}])
@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/twilio/voice", {"data": FORM, "headers": {"X-Twilio-Signature": "x"}}, 403),
        ("POST", "/twilio/status", {"data": FORM}, 403),
        ("POST", "/telnyx/status", {"data": FORM}, 403),
        ("POST", "/telnyx/events", {"json": {}}, 403),
        ("POST", "/twilio/voice", {"json": {}}, 403),
        ("POST", "/twilio/voice", {"data": {"From": "x" * 100_000}}, 403),
        ("GET", "/calls", {}, 401),
        ("POST", "/calls", {"json": {"to": "+12025550143"}, "headers": {"Authorization": "Bearer x"}}, 401),
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/calls", {}, 405),
    ],
)
async def test_a_stranger_learns_nothing_of_the_configuration(
    tmp_path, settings, method, path, options, status
):
    async with running(tmp_path, **PUBLIC, **settings) as service:
        answer = await service.http.request(method, path, **options)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
        assert not any(word in answer.text for word in CONFIGURED)


async def test_a_socket_that_is_turned_away_gets_a_plain_status_too(tmp_path):
    async with running(tmp_path, **PUBLIC) as service:
        for path in ("/ws", "/ws/twilio/forged"):
            with pytest.raises(InvalidStatus) as caught:
                await websockets.connect(service.ws_url + path)
            assert caught.value.response.status_code == 403
            assert caught.value.response.body == b'{"error":"forbidden"}'
        assert service.app.state.service.refusals.counts == {"tokenless": 1, "token": 1}


async def test_five_hundred_refusals_are_two_lines_and_two_counters(tmp_path, lines):
    async with running(tmp_path, **PUBLIC, **TWILIO) as service:
        for _ in range(50):
            await asyncio.gather(
                *(service.post("/twilio/voice?note=%0AINFO+all+is+well", **FORM) for _ in range(5)),
                *(
                    service.http.post("/twilio/voice", data=FORM, headers={"X-Twilio-Signature": "x"})
                    for _ in range(5)
                ),
            )
        counts = service.app.state.service.refusals.counts
        assert sorted(counts.values()) == [250, 250]
    refused = [line for line in lines if "Refused" in line]
    assert len(refused) == 2
    assert all("/twilio/voice" in line and line.count("\n") == 1 for line in refused)
    assert not any("415555" in line or "all is well" in line for line in refused)


async def test_refused_sockets_are_no_errors_of_the_server(tmp_path):
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign]
    async with running(tmp_path, **PUBLIC, **TWILIO) as service:
        logging.getLogger("uvicorn.error").addHandler(handler)
        for path in ("/ws", "/ws/twilio", "/ws/telnyx/forged", "/nowhere") * 5:
            with pytest.raises(InvalidStatus):
                await websockets.connect(service.ws_url + path)
        await asyncio.sleep(0.1)
        logging.getLogger("uvicorn.error").removeHandler(handler)
    assert not records


async def test_each_route_has_its_own_line(tmp_path, lines):
    async with running(tmp_path, **PUBLIC, **TWILIO) as service:
        for path in ("/twilio/voice", "/twilio/status", "/twilio/voice"):
            await service.post(path, **FORM)
    assert [line.split(" (")[0] for line in lines if "Refused" in line] == [
        "Refused at /twilio/voice",
        "Refused at /twilio/status",
    ]


def test_what_was_not_logged_is_told_a_minute_later(lines):
    now = 0.0
    refusals = Refusals(clock=lambda: now)
    for _ in range(5000):
        refusals.note("/twilio/voice", "signature_absent", "the request is not signed")
    assert len(lines) == 1
    now = 59.0
    refusals.tell()
    assert len(lines) == 1
    now = 61.0
    refusals.tell()
    assert lines[1:] == [
        "Refused at /twilio/voice (signature_absent): 4999 more within a minute: the request is not signed\n"
    ]
    refusals.note("/twilio/voice", "signature_absent", "the request is not signed")
    assert (len(lines), refusals.counts["signature_absent"]) == (3, 5001)


def test_thousands_of_unknown_paths_are_one_line(lines):
    refusals = Refusals()
    for _ in range(1000):
        refusals.note("an unknown path", "no_such_route", "there is nothing at this path")
    assert len(lines) == 1
