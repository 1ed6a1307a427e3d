"""A documented error that nobody expected is told with the carrier's code, what it means, and what helps."""

import time

import pytest

from carriers import descriptor_of
from carriers.carrier import CarrierRejected, DialOut, StreamDocument
from carriers.checks import Addresses, Destination, Destinations, Verdict
from carriers.errors import CarrierUnauthorized
from deployment import outside
from deployment.banner import addresses
from emulator import Account, Application, OwnNumber, PhoneNetwork, VoiceProfile
from emulator.faults import RestFault
from tests.fake_rest import Answer, call_control, fake_rest
from tests.web_service import make_settings

NUMBER, DESK = "+12025550100", "+12025550111"
HERE = {
    "twilio": Addresses("https://h/twilio/voice", "https://h/twilio/status"),
    "telnyx": Addresses("https://h/telnyx/voice/k", "https://h/telnyx/status", "https://h/telnyx/events"),
}
CALLED = Destinations((Destination("[transfers.desk] of a.toml", "US", DESK),))
QUESTIONS = {
    "credentials": lambda checks, name: checks.credentials(),
    "routing": lambda checks, name: checks.routing(HERE[name]),
    "dialling": lambda checks, name: checks.dialling(CALLED, HERE[name]),
    "caller_id": lambda checks, name: checks.caller_id(NUMBER, "CALLER_ID"),
}


def refusal(name, status, code):
    if name == "twilio":
        return Answer.json(status, {"code": int(code), "message": f"no, {NUMBER}", "status": status})
    detail = {"code": code, "title": "no", "detail": f"no, {NUMBER}"}
    return Answer.json(status, {"errors": [detail]})


async def asked(name, question, *answers):
    """Every request is answered alike."""
    from carriers.checks import answers as of

    async with fake_rest(*answers) as rest:
        values = {
            "twilio_account_sid": "AC" + "1" * 32,
            "twilio_auth_token": "t0ken",
            "twilio_api_base_url": rest.url,
            "telnyx_api_key": "k3y",
            "telnyx_connection_id": "5" if question == "dialling" else None,
            "telnyx_api_base_url": f"{rest.url}/v2",
        }
        checks = descriptor_of(name).checks(make_settings(**values))
        assert checks is not None
        try:
            return await of([QUESTIONS[question](checks, name)], "x")
        finally:
            await checks.aclose()


@pytest.mark.parametrize("question", [one for one in QUESTIONS if one != "credentials"])
@pytest.mark.parametrize(
    ("name", "status", "code", "parts", "verdict"),
    [
        ("twilio", 401, "20003", ["does not take the credentials", "check TWILIO_"], Verdict.NOT_TRIED),
        ("twilio", 403, "20006", ["may not do this", "permission"], Verdict.NOT_TRIED),
        ("twilio", 403, "20403", ["suspended or closed", "ask Twilio's support"], Verdict.NOT_TRIED),
        ("twilio", 429, "20429", ["too many requests at once", "repeated"], Verdict.NOT_TRIED),
        ("twilio", 500, "20500", ["its API has a problem"], Verdict.NOT_TRIED),
        ("twilio", 404, "20404", ["there is no such thing"], Verdict.NOT_TRIED),
        ("twilio", 400, "20001", ["docs/api/errors/20001"], Verdict.FAULT),
        ("telnyx", 401, "10009", ["does not take the API key", "check TELNYX_API_KEY"], Verdict.NOT_TRIED),
        ("telnyx", 403, "10010", ["may not do this", "another key"], Verdict.NOT_TRIED),
        ("telnyx", 429, "10011", ["too many requests at once", "repeated"], Verdict.NOT_TRIED),
        ("telnyx", 500, "10007", ["an unexpected error", "its API has a problem"], Verdict.NOT_TRIED),
        ("telnyx", 422, "10006", ["the ID is not valid", "copy it again"], Verdict.FAULT),
    ],
)
async def test_each_question_tells_code_meaning_and_fix(question, name, status, code, parts, verdict):
    found = await asked(name, question, refusal(name, status, code))
    assert found
    for one in found:
        assert one.verdict is verdict
        assert f"answered {status} with error {code}" in one.text
        assert all(part in one.text for part in parts), one.text
        assert NUMBER not in one.text


@pytest.mark.parametrize(
    ("name", "status", "code", "subject", "parts"),
    [
        ("twilio", 401, "20003", "TWILIO_AUTH_TOKEN", ["401 with error 20003", "copy both again"]),
        ("twilio", 403, "20008", "TWILIO_AUTH_TOKEN", ["403 with error 20008", "the live ones"]),
        ("twilio", 403, "20005", "TWILIO_ACCOUNT_SID", ["error 20005", "not active", "balance"]),
        ("twilio", 401, "20403", "TWILIO_ACCOUNT_SID", ["error 20403", "suspended", "support"]),
        ("twilio", 404, "20404", "TWILIO_AUTH_TOKEN", ["404 with error 20404", "copy both again"]),
        ("twilio", 429, "20429", "Twilio", ["error 20429", "too many requests"]),
        ("twilio", 500, "20500", "Twilio", ["error 20500", "its API has a problem"]),
        ("telnyx", 401, "10009", "TELNYX_API_KEY", ["401 with error 10009", "API Keys"]),
        ("telnyx", 403, "10010", "TELNYX_API_KEY", ["403 with error 10010", "API Keys"]),
        ("telnyx", 404, "10005", "TELNYX_API_BASE_URL", ["no GET /whoami", "404"]),
        ("telnyx", 429, "10011", "x", ["error 10011", "too many requests"]),
        ("telnyx", 500, "10007", "x", ["error 10007", "its API has a problem"]),
    ],
)
async def test_credentials_that_are_refused_are_told_with_code_and_fix(name, status, code, subject, parts):
    (finding,) = await asked(name, "credentials", refusal(name, status, code))
    assert finding.subject == subject
    assert finding.verdict is (Verdict.NOT_TRIED if status in (429, 500) else Verdict.FAULT)
    assert all(part in finding.text for part in parts), finding.text


async def test_a_key_that_may_not_read_everything_is_no_fault():
    async with fake_rest(refusal("twilio", 403, "20006")) as rest:
        settings = make_settings(
            twilio_account_sid="AC" + "1" * 32,
            twilio_api_key="SK" + "1" * 32,
            twilio_api_secret="s3cret",
            twilio_api_base_url=rest.url,
            caller_id=NUMBER,
        )
        found = [one for one in await outside.outside_findings(settings, None) if one.subject != "clock"]
    by_subject = {one.subject: one for one in found}
    assert by_subject["TWILIO_API_KEY"].verdict is Verdict.NOTE
    assert "is restricted" in by_subject["TWILIO_API_KEY"].text
    assert {one.verdict for one in found} == {Verdict.NOTE, Verdict.NOT_TRIED}


@pytest.mark.parametrize(
    ("detail", "part"),
    [
        ("Unverified origination number D38", "(D38)"),
        ("Outbound profile disabled D13", "switched off (D13)"),
        ("Rate is too high D24", "raise its maximum rate (D24)"),
        ("New reason D47", "not allowed (D47)"),
    ],
)
async def test_a_call_that_telnyx_does_not_allow_is_told_with_its_reason(detail, part):
    answer = Answer.json(403, {"errors": [{"code": "10010", "detail": f"{detail} {NUMBER}"}]})
    async with fake_rest(answer) as rest:
        carrier = call_control(rest.url)
        with pytest.raises(CarrierRejected) as refused:
            await carrier.dial(DialOut(DESK, NUMBER, StreamDocument("wss://h/ws")))
        await carrier.aclose()
    assert part in str(refused.value)
    assert not isinstance(refused.value, CarrierUnauthorized)  # the key is not what is wrong
    assert NUMBER not in str(refused.value)


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_what_stands_in_a_codes_place_is_not_repeated(name):
    body = {"code": NUMBER * 9, "errors": [{"code": f"{NUMBER} and more"}]}
    (finding,) = await asked(name, "routing", Answer.json(403, body))
    assert NUMBER not in finding.text


# In the emulated network, all questions together


def owned(name, here):
    own = (
        OwnNumber(NUMBER, here.voice, status=here.status)
        if name == "twilio"
        else OwnNumber(NUMBER, application="5")
    )
    return Account(
        [own],
        applications=[Application("5", "texml", here.voice, "POST", here.status, profile="9")],
        profiles=[VoiceProfile("9")],
    )


async def examined(name, *faults):
    account = Account()
    async with PhoneNetwork(name, account=account, faults=faults) as network:
        values = {key.lower(): value for key, value in network.environment().items() if name in key.lower()}
        if name == "telnyx":
            values["telnyx_connection_id"] = "5"
        settings = make_settings(**values, caller_id=NUMBER, public_url="https://h")
        vars(account).update(vars(owned(name, addresses(settings, "https://h")[name])))
        began = time.monotonic()
        found = await outside.outside_findings(settings, settings.public_url)
    return [one for one in found if one.subject not in ("clock", "PUBLIC_URL")], time.monotonic() - began


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_an_account_as_it_should_be_has_no_fault(name):
    found, _ = await examined(name)
    assert {one.verdict for one in found} == {Verdict.OK}, found


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_questions_that_are_too_many_at_once_are_not_tried_and_say_why(name):
    found, _ = await examined(name, RestFault("fetch", requests=frozenset(range(4, 20)), status=429))
    told = [one for one in found if one.verdict is Verdict.NOT_TRIED]
    assert told
    assert all("too many requests at once" in one.text for one in told)
    assert not [one for one in found if one.verdict is Verdict.FAULT]


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_a_silent_carrier_is_waited_for_once(name, monkeypatch):
    monkeypatch.setattr(f"carriers.{name}.checks.CHECK_TIMEOUT_SECS", 0.5)
    found, took = await examined(name, RestFault(silent_secs=30))
    assert {one.verdict for one in found} == {Verdict.NOT_TRIED}
    assert all("did not answer within 0.5 s" in one.text for one in found)
    assert took < outside.TIMEOUT_SECS + 3  # the clock is asked beside, with the longer time-out
