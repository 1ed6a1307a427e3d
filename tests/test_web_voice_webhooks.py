"""What a carrier is told when a call comes in."""

import base64
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.request_validator import RequestValidator

from tests.web_service import running, stream_of, verbs

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101", "CallStatus": "ringing", "ToZip": ""}
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
PUBLIC = "https://bot.example.com"


def signed(url: str, form: dict[str, str]) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator("token").compute_signature(url, form)}


@CARRIERS
async def test_a_call_is_connected_with_the_agent(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/voice", **FORM)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/xml")
        url, parameters = stream_of(answer.text)
        assert url.startswith(f"{service.ws_url}/ws/{carrier}/t")
        assert "?" not in url
        assert parameters == {"agent": "receptionist", "from_number": FORM["From"], "to_number": FORM["To"]}
        assert f"{service.url}/{carrier}/connect-ended" in answer.text
        (call,) = service.store.list()
        assert (call.carrier, call.carrier_call_id, call.state) == (carrier, "CA1", "ringing")
        assert (call.agent, call.from_number) == ("receptionist", FORM["From"])


@CARRIERS
async def test_a_get_request_is_answered_too(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.http.get(f"/{carrier}/voice", params={**FORM, "agent": "sales"})
        assert stream_of(answer.text)[1]["agent"] == "sales"


@CARRIERS
async def test_the_address_chooses_the_agent_and_passes_parameters_on(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/voice?agent=sales&campaign=spring&from_number=x", **FORM)
        assert stream_of(answer.text)[1] == {
            "agent": "sales",
            "campaign": "spring",
            "from_number": FORM["From"],
            "to_number": FORM["To"],
        }
        assert service.store.list()[0].parameters == {"campaign": "spring"}


@CARRIERS
async def test_a_repeated_webhook_is_the_same_call_with_a_new_ticket(tmp_path, carrier):
    async with running(tmp_path) as service:
        first, second = [stream_of((await service.post(f"/{carrier}/voice", **FORM)).text)[0] for _ in "12"]
        assert first != second
        assert len(service.store.list()) == 1


async def test_a_withheld_number_is_not_passed_on(tmp_path):
    async with running(tmp_path) as service:
        answer = await service.post("/twilio/voice", **{**FORM, "From": "anonymous"})
        assert "from_number" not in stream_of(answer.text)[1]


@CARRIERS
@pytest.mark.parametrize("agent", ["nobody", "broken", "../secrets"])
async def test_an_agent_that_cannot_be_used_is_a_spoken_apology(tmp_path, carrier, agent):
    async with running(tmp_path) as service:
        answer = await service.http.post(f"/{carrier}/voice", params={"agent": agent}, data=FORM)
        assert answer.status_code == 200
        (say, text), (last, _) = verbs(answer.text)
        assert (say, last) == ("Say", "Hangup")
        assert "sorry" in text


@CARRIERS
@pytest.mark.parametrize(
    ("request_", "status", "named"),
    [
        ({"data": {"From": "+1"}}, 400, "CallSid is missing"),
        ({"content": b"", "headers": {}}, 400, "CallSid is missing"),
        ({"json": {"CallSid": "CA1"}}, 415, "unsupported media type"),
        ({"content": b"CallSid=CA1"}, 415, "unsupported media type"),
        (
            {"content": b"\xff", "headers": {"content-type": "application/x-www-form-urlencoded"}},
            400,
            "bad request",
        ),
        (
            {"content": bytes(2 << 20), "headers": {"content-type": "application/x-www-form-urlencoded"}},
            413,
            "content too large",
        ),
    ],
)
async def test_what_is_no_webhook_is_one_line(tmp_path, carrier, request_, status, named):
    async with running(tmp_path) as service:
        answer = await service.http.post(f"/{carrier}/voice", **request_)
        assert answer.status_code == status
        assert named in answer.json()["error"]
        assert service.store.list() == []


async def test_twilios_signature_is_checked_against_the_public_address(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        path = "/twilio/voice?agent=sales&note=a%20b"
        answer = await service.http.post(path, data=FORM, headers=signed(PUBLIC + path, FORM))
        assert answer.status_code == 200
        assert stream_of(answer.text)[0].startswith("wss://bot.example.com/ws/twilio/t")
        for headers in ({}, signed(service.url + path, FORM), signed(PUBLIC + path, {**FORM, "From": "+1"})):
            answer = await service.http.post(path, data=FORM, headers=headers)
            assert answer.status_code == 403
            assert answer.json() == {"error": "forbidden"}


async def test_twilios_signature_of_a_get_request_is_over_the_address_alone(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        path = "/twilio/voice?CallSid=CA1&From=%2B1"
        answer = await service.http.get(path, headers=signed(PUBLIC + path, {}))
        assert answer.status_code == 200


async def test_without_a_key_the_world_is_refused_and_a_laptop_is_not(tmp_path):
    async with running(tmp_path) as service:
        assert (await service.post("/twilio/voice", **FORM)).status_code == 200
        tunnelled = await service.http.post(
            "/twilio/voice", data=FORM, headers={"X-Forwarded-For": "1.2.3.4"}
        )
        assert tunnelled.status_code == 403
    async with running(tmp_path, public_url=PUBLIC) as service:
        for path in ("/twilio/voice", "/telnyx/voice", "/telnyx/status", "/twilio/connect-ended"):
            answer = await service.post(path, **FORM)
            assert answer.status_code == 403
            assert answer.json() == {"error": "forbidden"}
    async with running(tmp_path, public_url=PUBLIC, allow_unsigned_webhooks=True) as service:
        assert (await service.post("/telnyx/voice", **FORM)).status_code == 200


KEY = Ed25519PrivateKey.generate()
TELNYX = {
    "telnyx_api_key": "KEY",
    "telnyx_public_key": base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
}


def telnyx_signed(body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    signature = base64.b64encode(KEY.sign(stamp.encode() + b"|" + body)).decode()
    return {
        "telnyx-signature-ed25519": signature,
        "telnyx-timestamp": stamp,
        "content-type": "application/x-www-form-urlencoded",
    }


async def test_telnyxs_signature_is_checked_and_may_be_absent_only_from_instruction_fetches(tmp_path):
    body = b"CallSid=v3:1&From=%2B1&CallStatus=completed"
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        for path, unsigned in [
            ("/telnyx/voice", 200),
            ("/telnyx/connect-ended", 200),
            ("/telnyx/status", 403),
        ]:
            forged = telnyx_signed(b"something else")
            for headers, status in [(telnyx_signed(body), 200), (forged, 403), (form, unsigned)]:
                answer = await service.http.post(path, content=body, headers=headers)
                assert (path, answer.status_code) == (path, status)


async def test_an_unsigned_instruction_fetch_ends_no_call(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        await service.post("/telnyx/voice", CallSid="v3:1")
        await service.post("/telnyx/connect-ended", CallSid="v3:1", CallStatus="completed")
        assert service.store.list()[0].state == "ringing"


async def test_answering_uses_no_network(tmp_path):
    settings = {**TWILIO, "twilio_api_base_url": "http://127.0.0.1:9"}
    async with running(tmp_path, **settings) as service:
        began = time.monotonic()
        url = f"{service.url}/twilio/voice"
        answer = await service.http.post("/twilio/voice", data=FORM, headers=signed(url, FORM))
        assert answer.status_code == 200
        assert time.monotonic() - began < 1


async def test_no_phone_number_gets_into_the_log(tmp_path, caplog):
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    try:
        async with running(tmp_path) as service:
            for path in ("voice", "voice?agent=nobody", "status", "connect-ended"):
                for carrier in ("twilio", "telnyx"):
                    await service.post(f"/{carrier}/{path}", **FORM)
    finally:
        logger.remove(sink)
    assert lines
    assert "4155550" not in "".join(lines)
