"""What a carrier is told when a call comes in."""

import base64
import re
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loguru import logger
from twilio.request_validator import RequestValidator

from tests.talks.test_server_remembers_calls import store_of
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
@pytest.mark.parametrize("written", ["Sales", "SALES"])
async def test_an_agent_that_is_written_with_capitals_answers_under_its_own_name(tmp_path, carrier, written):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/voice?agent={written}", **FORM)
        assert "sorry" not in answer.text
        assert stream_of(answer.text)[1]["agent"] == "sales"
        assert service.store.list()[0].agent == "sales"


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
        (say, text), (pause, _), (last, _) = verbs(answer.text)
        assert (say, pause, last) == ("Say", "Pause", "Hangup")
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


async def test_telnyxs_requests_are_signed_or_come_to_the_address_that_is_printed(tmp_path):
    body = b"CallSid=v3:1&From=%2B1&CallStatus=in-progress"
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        printed = service.telnyx_voice
        for number, (path, unsigned) in enumerate(
            [
                ("/telnyx/voice", 403),
                (printed, 200),
                (printed[:-1], 403),
                (printed + "x", 403),
                ("/telnyx/voice/", 403),
                ("/telnyx/connect-ended", 403),
                ("/telnyx/transfer", 403),
                ("/telnyx/transfer-answered", 403),
                ("/telnyx/status", 403),
                ("/telnyx/amd", 403),
                ("/telnyx/recording", 403),
                ("/telnyx/events", 403),
            ]
        ):
            mine = body + f"&n={number}&DialCallStatus=busy&AnsweredBy=human".encode()
            assert (await service.http.post(path, content=mine, headers=form)).status_code == unsigned
            forged = await service.http.post(path, content=mine, headers=telnyx_signed(b"something else"))
            assert (path, forged.status_code) == (path, 403)
            signed = await service.http.post(path, content=mine, headers=telnyx_signed(mine))
            assert (path, signed.status_code) == (path, 400 if path == "/telnyx/events" else 200)


@pytest.mark.parametrize("given", [TELNYX, {"telnyx_api_key": "KEY"}], ids=["with key", "without public key"])
@pytest.mark.parametrize("public_url", [PUBLIC, None], ids=["public", "laptop"])
async def test_a_stranger_gets_nothing_of_telnyxs_routes(tmp_path, given, public_url):
    form = {"CallSid": "v3:1", "From": "+14155550100", "DialCallStatus": "busy", "AnsweredBy": "human"}
    async with running(tmp_path, public_url=public_url, **given) as service:
        call = service.store.open(carrier="telnyx", carrier_call_id="v3:1")
        before = len(call.events)
        for route in (
            "voice",
            "connect-ended",
            "transfer",
            "transfer-answered",
            "status",
            "amd",
            "recording",
        ):
            for path in (
                f"/telnyx/{route}",
                f"/telnyx/{route}?call={call.id}",
                f"/telnyx/{route}?call={call.id}&address_key=x",
            ):
                assert (await service.post(path, **form)).status_code == 403
                assert (await service.http.get(path, params=form)).status_code == 403
        assert (len(service.store.list()), len(call.events)) == (1, before)


async def test_instructions_may_be_asked_for_with_an_unsigned_get_at_the_printed_address(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        answer = await service.http.get(service.telnyx_voice, params={**FORM, "agent": "sales"})
        assert stream_of(answer.text)[1] == {
            "agent": "sales",
            "from_number": FORM["From"],
            "to_number": FORM["To"],
        }
        assert service.telnyx_voice.rsplit("/", 1)[1] not in answer.text


async def test_a_signature_over_nothing_proves_nothing(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        headers = telnyx_signed(b"")
        assert (await service.http.get("/telnyx/voice", params=FORM, headers=headers)).status_code == 403
        assert (await service.http.get(service.telnyx_voice, params=FORM, headers=headers)).status_code == 200


async def test_what_was_signed_for_one_address_is_refused_at_every_other(tmp_path):
    body = b"CallSid=v3:1&From=%2B1&CallStatus=in-progress&DialCallStatus=busy&AnsweredBy=human"
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        headers = telnyx_signed(body)
        assert (await service.http.post("/telnyx/status", content=body, headers=headers)).status_code == 200
        for path in (
            "voice",
            "voice?agent=sales",
            "connect-ended",
            "transfer",
            "amd",
            "status?call=x",
            "recording",
        ):
            answer = await service.http.post(f"/telnyx/{path}", content=body, headers=headers)
            assert (path, answer.status_code) == (path, 403)
        # The carrier asks again: no error.
        assert (await service.http.post("/telnyx/status", content=body, headers=headers)).status_code == 200
        assert service.store.list() == []


async def test_the_same_signed_request_for_instructions_gets_the_same_document(tmp_path):
    body = b"CallSid=v3:1&From=%2B1&CallStatus=in-progress"
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        headers = telnyx_signed(body)
        first, again = [
            await service.http.post("/telnyx/voice", content=body, headers=headers) for _ in range(2)
        ]
        assert first.status_code == 200
        assert stream_of(first.text) == stream_of(again.text)
        later = body + b"&x=1"
        anew = await service.http.post("/telnyx/voice", content=later, headers=telnyx_signed(later))
        assert stream_of(anew.text)[0] != stream_of(first.text)[0]


async def test_another_process_knows_for_which_address_something_was_signed(tmp_path):
    both = {"public_url": PUBLIC, **TELNYX}
    async with (
        running(tmp_path, store=store_of(tmp_path), **both) as one,
        running(tmp_path, store=store_of(tmp_path), **both) as other,
    ):
        # The other process hears of it for the first time, each time.
        for number, (path, status) in enumerate([("/telnyx/voice", 403), ("/telnyx/status", 200)]):
            body = f"CallSid=v3:{number}&CallStatus=in-progress".encode()
            headers = telnyx_signed(body)
            answer = await one.http.post("/telnyx/status", content=body, headers=headers)
            assert answer.status_code == 200
            answer = await other.http.post(path, content=body, headers=headers)
            assert (path, answer.status_code) == (path, status)
            # The carrier asks again, and a stranger's repetition does not stand in its way.
            answer = await other.http.post("/telnyx/status", content=body, headers=headers)
            assert (path, answer.status_code) == (path, 200)
            answer = await other.http.post("/telnyx/voice", content=body, headers=headers)
            assert (path, answer.status_code) == (path, 403)


@pytest.mark.parametrize("field", ["CallbackSource", "HangupCause", "RecordingStatus", "StreamEvent"])
async def test_a_callback_is_no_request_for_instructions(tmp_path, field):
    body = f"CallSid=v3:1&{field}=x".encode()
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        answer = await service.http.post("/telnyx/voice", content=body, headers=telnyx_signed(body))
        assert answer.status_code == 400
        assert service.store.list() == []


async def test_a_call_that_is_over_gets_no_other_stream(tmp_path):
    async with running(tmp_path) as service:
        await service.post("/twilio/voice", **FORM)
        await service.post("/twilio/status", CallSid="CA1", CallStatus="completed")
        assert verbs((await service.post("/twilio/voice", **FORM)).text) == [("Hangup", None)]


async def test_an_address_is_about_a_call_by_its_key_also_when_it_is_signed(tmp_path):
    body = b"CallSid=v3:new&CallStatus=busy"
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        call = service.store.dial_out(carrier="telnyx", from_number="+1", to_number="+2")
        path = service.way_back_path(call, "status")
        wrong = path.replace("key=", "key=x")
        answer = await service.http.post(wrong, content=body, headers=telnyx_signed(body))
        assert (answer.status_code, call.carrier_call_id, call.state) == (200, "", "queued")
        unsigned = await service.post(path, CallSid="v3:new", CallStatus="busy")
        assert (unsigned.status_code, call.carrier_call_id, call.state) == (200, "v3:new", "busy")


async def test_addresses_are_the_same_after_a_restart_and_change_with_the_secret(tmp_path):
    async def printed(**values) -> str:
        async with running(tmp_path, public_url=PUBLIC, **values) as service:
            assert (await service.post(service.telnyx_voice, **FORM)).status_code == 200
            return service.telnyx_voice

    by_file = await printed()
    assert by_file == await printed()
    (file,) = (tmp_path / "data").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("address.key", 0o600)
    with_telnyx = await printed(telnyx_api_key="KEY")
    assert with_telnyx == await printed(telnyx_api_key="KEY", **TWILIO)
    by_secret = await printed(telnyx_api_key="KEY", stream_token_secret="s" * 32)
    assert len({by_file, with_telnyx, by_secret}) == 3
    async with running(
        tmp_path, public_url=PUBLIC, telnyx_api_key="KEY", stream_token_secret="s" * 32
    ) as service:
        assert (await service.post(with_telnyx, **FORM)).status_code == 403


async def test_addresses_are_short(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        call = service.store.open(
            carrier="telnyx", carrier_call_id="v3:" + "x" * 60, from_number="+14155550100"
        )
        for route in ("connect-ended", "transfer", "transfer-answered", "status", "amd", "recording"):
            assert len(PUBLIC + service.way_back_path(call, route)) < 200
        stream = await service.app.state.service.way_back.stream(call)
        assert len(stream.stream_url) < 500


async def test_answering_uses_no_network(tmp_path):
    settings = {**TWILIO, "twilio_api_base_url": "http://127.0.0.1:9"}
    async with running(tmp_path, **settings) as service:
        began = time.monotonic()
        url = f"{service.url}/twilio/voice"
        answer = await service.http.post("/twilio/voice", data=FORM, headers=signed(url, FORM))
        assert answer.status_code == 200
        assert time.monotonic() - began < 1


async def test_no_phone_number_and_no_key_gets_into_the_log(tmp_path, caplog):
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    try:
        async with running(tmp_path) as service:
            for path in ("voice", "voice?agent=nobody", "status", "connect-ended"):
                for carrier in ("twilio", "telnyx"):
                    await service.post(f"/{carrier}/{path}", **FORM)
        async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
            call = service.store.open(carrier="telnyx", carrier_call_id="CA1")
            secrets = {service.telnyx_voice, service.way_back_path(call, "connect-ended")}
            for path in {*secrets, service.telnyx_voice + "/x", "/telnyx/voices" + service.telnyx_voice}:
                await service.post(path, **FORM)
                await service.http.post(path, data=FORM, headers=telnyx_signed(b"x"))
                await service.http.delete(path)
    finally:
        logger.remove(sink)
    assert lines
    assert "4155550" not in "".join(lines)
    assert not any(re.split("[/=]", secret)[-1] in "".join(lines) for secret in secrets)


async def test_fields_that_moved_into_the_calls_id_are_not_what_twilio_signed(tmp_path):
    form = {
        **FORM,
        "AccountSid": "AC1",
        "CallSid": "CA" + "0123456789abcdef" * 2,
        "Called": "+14155550101",
        "Direction": "inbound",
    }
    url = f"{PUBLIC}/twilio/voice"
    seen = signed(url, form)
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        for moved in (["CallStatus"], ["CallStatus", "Called"], ["CallStatus", "Called", "Direction"]):
            other = {name: value for name, value in form.items() if name not in moved}
            other["CallSid"] += "".join(name + form[name] for name in moved)
            assert RequestValidator("token").validate(url, other, seen["X-Twilio-Signature"])
            answer = await service.http.post("/twilio/voice", data=other, headers=seen)
            assert answer.status_code == 403
        assert not service.store.list()
        assert (await service.http.post("/twilio/voice", data=form, headers=seen)).status_code == 200


@CARRIERS
async def test_a_get_request_leaves_neither_numbers_nor_keys_in_the_log(tmp_path, carrier, caplog):
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level=0)
    caplog.set_level(0)
    try:
        async with running(tmp_path, public_url=PUBLIC, **TELNYX, **TWILIO) as service:
            voice = service.telnyx_voice if carrier == "telnyx" else "/twilio/voice"
            await service.http.get(voice, params=FORM)  # Twilio's is not signed, and refused
            await service.http.get(f"/{carrier}/voice", params={"address_key": "4711secret", **FORM})
    finally:
        logger.remove(sink)
    told = "".join(lines)
    told += "".join(record.getMessage() for record in caplog.records if record.name.startswith("uvicorn"))
    assert f"Refused at /{carrier}/voice" in told
    for secret in ("14155550100", "14155550101", "4711secret", service.telnyx_voice.rsplit("/", 1)[1]):
        assert secret not in told
