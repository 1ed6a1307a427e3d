"""The fallback address: asked by a carrier that got no document from another one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.request_validator import RequestValidator

from calls.states import CallState, EndedBy
from deployment.banner import pasted_address, start_lines
from desk.keys import FALLBACK
from tests.web.test_web_voice_webhooks import TELNYX, telnyx_signed
from tests.web_service import running, verbs

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101", "CallStatus": "ringing"}
WHY = {"ErrorCode": "11205", "ErrorUrl": "https://bot.example.com/twilio/voice?call=1&address_key=secret"}
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
PUBLIC = "https://bot.example.com"
DESK = """
greeting = "Hello."
instructions = "Be kind."
[transfers.desk]
number = "+14155550199"
spoken = "the desk"
ring_timeout_secs = 20
[dead_air]
apology = "Sorry about that."
fallback = "desk"
"""


async def with_desk(tmp_path, service) -> None:
    (tmp_path / "agents" / "desk.toml").write_text(DESK)


@CARRIERS
async def test_the_caller_is_put_through_to_whom_the_agent_names(tmp_path, carrier):
    async with running(tmp_path) as service:
        await with_desk(tmp_path, service)
        answer = await service.post(f"/{carrier}/fallback?agent=desk", **FORM, **WHY)
        (say, words), (dial, _) = verbs(answer.text)
        assert (say, words) == ("Say", "Sorry about that. One moment, I'll put you through to the desk.")
        assert dial == "Dial"
        assert "+14155550199" in answer.text
        assert 'timeout="20"' in answer.text
        assert f"{service.url}/{carrier}/transfer" in answer.text
        (call,) = service.store.list()
        assert call.state is CallState.IN_PROGRESS
        assert call.transfer_under_way == "desk"
        told = next(event for event in call.events if event.kind == "error").data["message"]
        assert told == "the carrier got no document from us at /twilio/voice (error 11205)"


@CARRIERS
async def test_when_the_line_is_busy_the_bot_gets_the_caller_after_all(tmp_path, carrier):
    async with running(tmp_path) as service:
        await with_desk(tmp_path, service)
        await service.post(f"/{carrier}/fallback?agent=desk", **FORM)
        (call,) = service.store.list()
        path = service.way_back_path(call, "transfer")
        answer = await service.post(path, **FORM, DialCallStatus="busy")
        assert verbs(answer.text)[0][0] == "Connect"


@CARRIERS
async def test_nobody_is_called_twice_and_nobody_after_they_have_talked(tmp_path, carrier):
    async with running(tmp_path) as service:
        await with_desk(tmp_path, service)
        await service.post(f"/{carrier}/fallback?agent=desk", **FORM)
        (call,) = service.store.list()
        again = await service.post(f"/{carrier}/fallback?agent=desk", **FORM)
        assert [name for name, _ in verbs(again.text)] == ["Say", "Pause", "Hangup"]
        await service.post(f"/{carrier}/fallback?agent=desk", **{**FORM, "CallSid": "CA2"})
        other = next(one for one in service.store.list() if one is not call)
        await service.post(
            service.way_back_path(other, "transfer-answered"),
            **{**FORM, "CallSid": "CA3", "CallStatus": "in-progress"},
        )
        after = await service.post(f"/{carrier}/fallback?agent=desk", **{**FORM, "CallSid": "CA2"})
        assert [name for name, _ in verbs(after.text)] == ["Hangup"]


@CARRIERS
async def test_without_anybody_to_call_the_caller_hears_the_agents_apology(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/fallback?agent=sales", **FORM)
        assert verbs(answer.text) == [("Say", "Sales is sorry."), ("Pause", None), ("Hangup", None)]
        assert service.store.list()[0].ending.by is EndedBy.ERROR


@CARRIERS
async def test_an_agent_that_cannot_be_used_is_no_reason_for_an_error(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/fallback?agent=broken", **FORM)
        assert answer.status_code == 200
        assert [name for name, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]


@CARRIERS
async def test_whoever_is_on_the_do_not_call_list_is_not_called(tmp_path, carrier):
    listed = tmp_path / "never.txt"
    listed.write_text("+14155550199\n")
    async with running(tmp_path, dial_do_not_call=listed) as service:
        await with_desk(tmp_path, service)
        answer = await service.post(f"/{carrier}/fallback?agent=desk", **FORM)
        assert [name for name, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]


@CARRIERS
async def test_a_call_that_the_bot_has_ended_ends_without_a_word(tmp_path, carrier):
    async with running(tmp_path) as service:
        await with_desk(tmp_path, service)
        await service.post(f"/{carrier}/voice?agent=desk", **FORM)
        service.store.list()[0].will_end(EndedBy.BOT, "end_call")
        answer = await service.post(f"/{carrier}/fallback?agent=desk", **FORM)
        assert [name for name, _ in verbs(answer.text)] == ["Hangup"]


async def test_at_twilio_its_signature_vouches_for_a_request_by_get_as_well(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TWILIO) as service:
        assert (await service.post("/twilio/fallback", **FORM)).status_code == 403
        request = service.http.build_request("GET", "/twilio/fallback", params=FORM)
        url = f"{PUBLIC}{request.url.raw_path.decode()}"
        request.headers["X-Twilio-Signature"] = RequestValidator("token").compute_signature(url, {})
        assert (await service.http.send(request)).status_code == 200
        request.headers["X-Twilio-Signature"] = RequestValidator("token").compute_signature(url + "&x=1", {})
        assert (await service.http.send(request)).status_code == 403


async def test_at_telnyx_the_secret_part_of_the_printed_address_does_and_no_other_key(tmp_path):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        settings = service.app.state.service.settings
        address = pasted_address("telnyx", settings, "", FALLBACK)
        assert f"  Failover URL            POST           {PUBLIC}{address}" in start_lines(settings, PUBLIC)
        voice_key = service.telnyx_voice.rsplit("/", 1)[1]
        for path in (
            "/telnyx/fallback",
            f"/telnyx/fallback/{voice_key}",
            f"/telnyx/voice/{address.rsplit('/', 1)[1]}",
        ):
            assert (await service.http.get(path, params=FORM)).status_code == 403
        assert service.store.list() == []
        assert (await service.http.get(address, params=FORM)).status_code == 200
        assert (await service.post(address, **FORM)).status_code == 200


async def test_what_telnyx_signs_of_a_get_is_not_known_and_so_no_evidence_against_it(tmp_path):
    stamp = telnyx_signed(b"")["telnyx-timestamp"]
    strange = base64.b64encode(Ed25519PrivateKey.generate().sign(stamp.encode() + b"|")).decode()
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        for headers in (
            telnyx_signed(b""),
            telnyx_signed(b"CallSid=CA1"),
            telnyx_signed(b"") | {"telnyx-signature-ed25519": strange},
        ):
            assert (
                await service.http.get(service.telnyx_voice, params=FORM, headers=headers)
            ).status_code == 200
            assert (await service.http.get("/telnyx/voice", params=FORM, headers=headers)).status_code == 403
