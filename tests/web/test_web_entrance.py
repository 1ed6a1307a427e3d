"""Paths as people write them, addresses that were entered wrongly, and pages of other sites."""

import asyncio
from urllib.parse import urlencode

import pytest
import websockets
from loguru import logger
from starlette.datastructures import Headers
from twilio.request_validator import RequestValidator
from websockets.exceptions import InvalidStatus

from tests.web.test_web_voice_webhooks import FORM, PUBLIC, TELNYX, TWILIO, telnyx_signed
from tests.web_service import running, stream_of
from web.entrance import plain_path, wrong_address


def signed(url: str) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator("token").compute_signature(url, FORM)}


@pytest.fixture
def lines():
    found: list[str] = []
    sink = logger.add(lambda message: found.append(str(message)), level="WARNING", format="{message}")
    yield found
    logger.remove(sink)


@pytest.mark.parametrize(
    "path", ["/twilio/voice/", "//twilio/voice", "/twilio//voice//", "/twilio/voice/?agent=sales"]
)
async def test_a_slash_too_many_changes_nothing_and_is_signed_as_it_was_called(tmp_path, path):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        url = service.url + path  # the client would take // for a host
        answer = await service.http.post(url, data=FORM, headers=signed(PUBLIC + path))
        assert (answer.status_code, answer.is_redirect) == (200, False)
        assert stream_of(answer.text)[0].startswith("wss://bot.example.com/ws/twilio/t")
        tidy = await service.http.post(url, data=FORM, headers=signed(PUBLIC + plain_path(path)))
        assert tidy.status_code == (200 if plain_path(path) == path else 403)


async def test_every_route_takes_a_slash_at_its_end(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        assert (await service.http.get("/healthz/")).status_code == 200
        assert (
            await service.http.get("/calls/", headers={"Authorization": "Bearer secret"})
        ).status_code == 200
        assert (await service.post(service.telnyx_voice + "/", **FORM)).status_code == 200


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/Twilio/Voice", "/twilio/voice"),
        ("/twilio", "/twilio/voice"),
        ("/twilio/call", "/twilio/voice"),
        ("/voice", "/twilio/voice"),
        ("/", "/twilio/voice"),
        ("/twilio/Status", "/twilio/status"),
        ("/twilio/statuscallback", "/twilio/status"),
    ],
)
async def test_an_address_that_was_entered_wrongly_is_one_line_with_the_right_one(
    tmp_path, lines, path, meant
):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        for _ in "12":
            answer = await service.http.post(path, data=FORM, headers=signed(PUBLIC + path))
            assert answer.status_code == 404
            assert answer.json() == {"error": "not found"}
    (line,) = lines
    assert f"PUBLIC_URL{meant}," in line
    assert "Twilio's console" in line


async def test_telnyxs_too(tmp_path, lines):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        body = b"{}"
        assert (
            await service.http.post("/telnyx/event", content=body, headers=telnyx_signed(body))
        ).status_code == 404
        assert (await service.http.get("/telnyx/events", headers=telnyx_signed(b""))).status_code == 405
    assert all("PUBLIC_URL/telnyx/events," in line for line in lines)
    assert len(lines) == 2


def test_nobody_but_a_carrier_is_told_where_it_should_have_asked():
    assert wrong_address(Headers({}), "/twilio/Voice") is None


@pytest.mark.parametrize(
    ("called", "headers", "part"),
    [
        ("http://bot.example.com/twilio/voice", {}, "has signed it for http://"),
        (
            "https://old.example.com/twilio/voice",
            {"X-Forwarded-Host": "old.example.com"},
            "another host than that",
        ),
        ("https://old.example.com/twilio/voice", {"Host": "old.example.com"}, "another host than that"),
        ("https://bot.example.com/twilio/voice", {}, None),
        ("https://elsewhere.example.com/twilio/voice", {}, "PUBLIC_URL must be the address"),
    ],
)
async def test_what_was_signed_for_another_base_says_what_to_correct(tmp_path, lines, called, headers, part):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        answer = await service.http.post("/twilio/voice", data=FORM, headers={**headers, **signed(called)})
        assert answer.status_code == (200 if part is None else 403)
    assert part is None or part in "".join(lines)


FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:7860"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_gets_nothing_from_a_laptop(tmp_path, lines, headers):
    async with running(tmp_path, api_key="secret") as service:
        for method, path in [
            ("POST", "/twilio/voice"),
            ("GET", "/telnyx/voice?CallSid=1"),
            ("POST", service.telnyx_voice),
            ("GET", "/calls"),
            ("GET", "/nowhere"),
        ]:
            given = {**headers, "Authorization": "Bearer secret"}
            answer = await service.http.request(method, path, headers=given)
            assert (path, answer.status_code, answer.json()) == (path, 403, {"error": "forbidden"})
        for path in ("/ws", "/ws/twilio/t123"):
            with pytest.raises(InvalidStatus) as caught:
                host = headers.get("Host", "localhost")
                await websockets.connect(
                    f"ws://{host}{path}", host="127.0.0.1", port=service.port, origin=headers.get("Origin")
                )
            assert caught.value.response.status_code == 403
        # Whether it is alive, everybody may know: load balancers ask by any name.
        assert (await service.http.get("/healthz", headers=headers)).status_code == 200
        assert (await service.http.head("/readyz", headers=headers)).status_code == 200
        assert service.store.list() == []
    assert len([line for line in lines if "foreign_site" in line]) == 1


async def test_an_http_address_of_others_opens_nothing(tmp_path):
    async with running(tmp_path, public_url="http://bot.example.com") as service:
        for path in (
            "/twilio/voice",
            "/telnyx/voice",
            "/telnyx/connect-ended",
            "/twilio/transfer",
            "/twilio/status",
        ):
            assert (await service.post(path, **FORM)).status_code == 403
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(f"{service.ws_url}/ws")
        assert caught.value.response.status_code == 403
        assert service.store.list() == []


@pytest.mark.parametrize("is_proxied", [False, True], ids=["directly", "by a proxy"])
@pytest.mark.parametrize("how", ["HTTP/1.0", "another port"])
async def test_a_proxy_of_a_laptop_opens_nothing_though_it_adds_no_header(tmp_path, how, is_proxied):
    others = {"public_url": "http://127.0.0.1:1"} if is_proxied and how == "another port" else {}
    version = "1.0" if is_proxied and how == "HTTP/1.0" else "1.1"
    body = urlencode(FORM)
    async with running(tmp_path, **others) as service:
        for path in ("/twilio/voice", "/telnyx/voice"):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(
                f"POST {path} HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()
            )
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert answer.split()[1] == (b"403" if is_proxied else b"200")
        assert len(service.store.list()) == (0 if is_proxied else 2)


async def test_a_proxy_may_call_a_public_service_by_any_name(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        headers = {"Host": "backend:7860", **signed(f"{PUBLIC}/twilio/voice")}
        assert (await service.http.post("/twilio/voice", data=FORM, headers=headers)).status_code == 200
