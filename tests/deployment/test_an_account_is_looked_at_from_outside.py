"""What the carrier knows of our account is compared with what we need: credentials, where calls come in, caller ids."""

import socket

import pytest

from carriers import descriptor_of
from carriers.checks import Addresses, Verdict
from carriers.telnyx.carrier import TelnyxCarrier
from emulator import Account, Application, Credentials, OwnNumber, PhoneNetwork
from tests.web_service import make_settings

PUBLIC = "https://bot.example.com"
TWILIO = Addresses(f"{PUBLIC}/twilio/voice", f"{PUBLIC}/twilio/status", fallback=f"{PUBLIC}/twilio/fallback")
TELNYX = Addresses(
    f"{PUBLIC}/telnyx/voice/s3cret",
    f"{PUBLIC}/telnyx/status",
    f"{PUBLIC}/telnyx/events",
    f"{PUBLIC}/telnyx/fallback/s3cret",
)
OURS = {"twilio": TWILIO, "telnyx": TELNYX}
NUMBER = "+12025550100"
OTHER = "+12025550199"


def settings_of(network: PhoneNetwork, **changed):
    values = {name.lower(): value for name, value in network.environment().items()}
    return make_settings(**{**values, **changed})


async def found(network, name, ask, **changed):
    checks = descriptor_of(name).checks(settings_of(network, **changed))
    assert checks is not None
    try:
        return {(one.verdict, one.subject): one.text for one in await ask(checks)}
    finally:
        await checks.aclose()


def faults(findings):
    return {subject: text for (verdict, subject), text in findings.items() if verdict is Verdict.FAULT}


# Credentials


async def test_good_credentials_of_twilio_are_each_tried():
    async with PhoneNetwork() as network:
        findings = await found(network, "twilio", lambda checks: checks.credentials())
    assert list(findings) == [(Verdict.OK, "TWILIO_AUTH_TOKEN"), (Verdict.OK, "TWILIO_API_KEY")]


@pytest.mark.parametrize(
    ("changed", "subject", "part"),
    [
        ({"twilio_auth_token": "wrong"}, "TWILIO_AUTH_TOKEN", "copy both again"),
        (
            {"twilio_account_sid": "AC" + "2" * 32},
            "TWILIO_AUTH_TOKEN",
            "TWILIO_ACCOUNT_SID (401 with error 20003)",
        ),
        ({"twilio_api_secret": "wrong"}, "TWILIO_API_KEY", "make a new key"),
        ({"telnyx_api_key": "wrong"}, "TELNYX_API_KEY", "(401 with error 10009): copy it again"),
        ({"telnyx_account_sid": "0" * 36}, "TELNYX_ACCOUNT_SID", "leave it empty"),
        ({"telnyx_connection_id": "42"}, "TELNYX_CONNECTION_ID", "no application of this ID"),
        (
            {"telnyx_connection_id": "7"},
            "TELNYX_CONNECTION_ID",
            "is a Voice API application, but TELNYX_MODE=texml",
        ),
        (
            {"telnyx_connection_id": "8", "telnyx_mode": "call_control"},
            "TELNYX_CONNECTION_ID",
            "is a TeXML application, but TELNYX_MODE=call_control",
        ),
    ],
)
async def test_a_wrong_credential_is_named_and_no_other(changed, subject, part):
    account = Account(applications=[Application("7", "call_control"), Application("8", "texml")])
    name = "twilio" if subject.startswith("TWILIO") else "telnyx"
    changed = {"telnyx_connection_id": None, **changed}
    async with PhoneNetwork(name, account=account) as network:
        wrong = faults(await found(network, name, lambda checks: checks.credentials(), **changed))
    assert part in wrong.pop(subject)
    # With a wrong account the API key is refused, too.
    assert set(wrong) <= ({"TWILIO_API_KEY"} if "twilio_account_sid" in changed else set())


async def test_no_value_of_a_credential_is_told():
    async with PhoneNetwork() as network:
        for name in ("twilio", "telnyx"):
            for wrong in ({"twilio_auth_token": "hunter2"}, {"telnyx_api_key": "hunter2"}, {}):
                findings = await found(network, name, lambda checks: checks.credentials(), **wrong)
                secrets = ["hunter2", *network.environment().values()]
                assert not any(secret in text for text in findings.values() for secret in secrets)


@pytest.mark.parametrize(("status", "trial"), [("suspended", False), ("closed", False), ("active", True)])
async def test_an_account_that_cannot_call_or_only_tries_is_told(status, trial):
    async with PhoneNetwork(account=Account(status=status, trial=trial)) as network:
        findings = await found(network, "twilio", lambda checks: checks.credentials())
    verdict = Verdict.NOTE if trial else Verdict.FAULT
    assert ("trial" if trial else status) in findings[verdict, "TWILIO_ACCOUNT_SID"]


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_a_carrier_that_cannot_be_reached_is_no_fault_of_the_credentials(name):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        network = PhoneNetwork(name, credentials=Credentials())
        changed = {"twilio_api_base_url": url, "telnyx_api_base_url": f"{url}/v2"}
        checks = descriptor_of(name).checks(settings_of(network, **changed))
        assert checks is not None
        try:
            from carriers.checks import answers

            findings = await answers([checks.credentials()], name)
        finally:
            await checks.aclose()
    assert {one.verdict for one in findings} == {Verdict.NOT_TRIED}


# The account's ID in TeXML's addresses


async def test_telnyx_tells_the_accounts_id_that_nobody_has_set():
    async with PhoneNetwork("telnyx") as network:
        carrier = TelnyxCarrier.from_settings(settings_of(network, telnyx_account_sid=None))
        assert await carrier.find_recent_call(NUMBER, OTHER, _long_ago()) == []
        findings = await found(
            network, "telnyx", lambda checks: checks.credentials(), telnyx_account_sid=None
        )
        await carrier.aclose()
    assert (Verdict.OK, "TELNYX_ACCOUNT_SID") in findings


def _long_ago():
    from datetime import UTC, datetime

    return datetime(2024, 1, 1, tzinfo=UTC)


# Where calls come in


def account(name, url, method="POST", **more):
    status = {"status": OURS[name].status, **more}
    if name == "twilio":
        return Account([OwnNumber(NUMBER, url, method, **status)])
    return Account(
        [OwnNumber(NUMBER, application="5")],
        applications=[Application("5", "texml", url, method, **status)],
    )


async def routed(name, owned):
    async with PhoneNetwork(name, account=owned) as network:
        checks = descriptor_of(name).checks(settings_of(network))
        assert checks is not None
        try:
            return await checks.routing(OURS[name])
        finally:
            await checks.aclose()


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
@pytest.mark.parametrize("query", ["", "?agent=sales"])
async def test_calls_that_come_here_are_fine_with_an_agents_name_too(name, query):
    async with PhoneNetwork(name, account=account(name, OURS[name].voice + query)) as network:
        findings = await found(network, name, lambda checks: checks.routing(OURS[name]))
    assert [verdict for verdict, _ in findings] == [Verdict.OK]
    assert "…0100" in next(iter(findings.values()))


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda url: "", "has no address"),
        (lambda url: "https://[bot.example.com", "no address: paste"),
        (lambda url: url.replace("bot.", "old."), "goes to https://old.example.com"),
        (lambda url: url.replace("https", "http"), "goes to http://bot.example.com"),
        (lambda url: url + "/", "another path"),
        (lambda url: url.replace("/voice", "/status"), "another path"),
        (lambda url: url.replace("s3cret", "0ther").replace("twilio/voice", "voice"), "another path"),
    ],
)
async def test_calls_that_go_elsewhere_are_told_without_a_secret_part(name, change, part):
    async with PhoneNetwork(name, account=account(name, change(OURS[name].voice))) as network:
        checks = descriptor_of(name).checks(settings_of(network))
        assert checks is not None
        findings = await checks.routing(OURS[name])
        await checks.aclose()
    assert [one.verdict for one in findings] == [Verdict.FAULT, Verdict.FAULT]
    assert part in findings[-1].text
    assert not any(secret in one.text for one in findings for secret in ("s3cret", "0ther", NUMBER))


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_a_number_that_is_asked_by_get_is_told(name):
    async with PhoneNetwork(name, account=account(name, OURS[name].voice, "GET")) as network:
        findings = await found(network, name, lambda checks: checks.routing(OURS[name]))
    assert faults(findings) == {}
    assert "POST is better" in findings[Verdict.NOTE, f"{name.capitalize()} numbers"]


async def test_a_number_of_another_program_is_only_a_note():
    numbers = [
        OwnNumber(NUMBER, TWILIO.voice, status=TWILIO.status),
        OwnNumber(OTHER, "https://other.example.com/voice"),
    ]
    async with PhoneNetwork(account=Account(numbers)) as network:
        findings = await found(network, "twilio", lambda checks: checks.routing(TWILIO))
    assert [verdict for verdict, _ in findings] == [Verdict.OK, Verdict.NOTE]


async def test_twilios_numbers_with_an_app_or_a_trunk_are_followed():
    numbers = [
        OwnNumber(NUMBER, "https://ignored.example.com", application="AP1"),
        OwnNumber(OTHER, trunk="TK1"),
    ]
    applications = [Application("AP1", "twiml", TWILIO.voice, "POST", TWILIO.status)]
    async with PhoneNetwork(account=Account(numbers, applications=applications)) as network:
        findings = await found(network, "twilio", lambda checks: checks.routing(TWILIO))
    assert "by a TwiML app" in findings[Verdict.OK, "Twilio numbers"]
    assert "SIP trunk" in findings[Verdict.NOTE, "Twilio numbers"]


async def test_a_voice_api_application_is_compared_with_the_address_of_events():
    numbers = [OwnNumber(NUMBER, application="6"), OwnNumber(OTHER)]
    applications = [Application("6", "call_control", TELNYX.events or "")]
    async with PhoneNetwork("telnyx", account=Account(numbers, applications=applications)) as network:
        findings = await found(network, "telnyx", lambda checks: checks.routing(TELNYX))
    assert "Voice API application" in findings[Verdict.OK, "Telnyx numbers"]
    assert "belongs to no application" in findings[Verdict.NOTE, "Telnyx numbers"]


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_an_account_without_a_number_is_told(name):
    async with PhoneNetwork(name, account=Account()) as network:
        findings = await found(network, name, lambda checks: checks.routing(OURS[name]))
    assert "buy one" in "".join(faults(findings).values())


OFF = "is switched off, so its calls are refused"


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (OwnNumber(NUMBER, TWILIO.voice, voice=False), "is a number without voice"),
        (OwnNumber(NUMBER, TWILIO.voice, receives="fax"), "takes calls for faxes"),
    ],
)
async def test_a_number_of_twilio_that_takes_no_calls_is_told(number, part):
    number.status = TWILIO.status
    (finding,) = await routed("twilio", Account([number]))
    assert (finding.verdict, part in finding.text) == (Verdict.FAULT, True), finding.text


@pytest.mark.parametrize("url", [TELNYX.voice, "https://other.example.com/voice"])
@pytest.mark.parametrize(
    ("kind", "changed", "part"),
    [
        ("texml", {"active": False}, OFF),
        ("call_control", {"active": False}, OFF),
        ("call_control", {"api_version": "1"}, "choose version 2"),
    ],
)
async def test_an_application_that_takes_no_calls_is_told_where_it_leads_here(kind, changed, part, url):
    if kind == "call_control":
        url = url.replace("/voice/s3cret", "/events")
    application = Application("5", kind, url, "POST", TELNYX.status, **changed)
    found = await routed("telnyx", Account([OwnNumber(NUMBER, application="5")], applications=[application]))
    told = [one for one in found if part in one.text]
    if "other" in url:
        assert told == []  # another program's own affair
    else:
        assert [(one.verdict, one.subject) for one in told] == [(Verdict.FAULT, "Telnyx numbers")]
        assert not [one for one in found if one.verdict is Verdict.OK]


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (OwnNumber(OTHER, application="5", state="port-pending"), "the number is port-pending"),
        (OwnNumber(OTHER, application="5", state="emergency-only"), "the number is emergency-only"),
        (OwnNumber(OTHER, application="5", forwards_to="+12025550123"), "forwards them all"),
    ],
)
async def test_of_two_numbers_the_one_that_takes_no_calls_is_told(number, part):
    owned = account("telnyx", TELNYX.voice)
    owned.numbers.append(number)
    found = await routed("telnyx", owned)
    assert [one.verdict for one in found] == [Verdict.OK, Verdict.FAULT]
    assert "…0100" in found[0].text
    assert "…0199" in found[1].text
    assert part in found[1].text
    assert "0123" not in found[1].text


async def test_a_number_that_forwards_only_what_fails_is_fine():
    owned = account("telnyx", TELNYX.voice)
    owned.numbers[0].forwards_to, owned.numbers[0].forwarding = "+12025550123", "on-failure"
    assert [one.verdict for one in await routed("telnyx", owned)] == [Verdict.OK]


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("status", "part"),
    [
        ("", "has no status callback"),
        ("https://old.example.com/status?key=s3cret", "elsewhere (at old.example.com)"),
        (f"{PUBLIC}/status", "elsewhere (at bot.example.com)"),
    ],
)
async def test_a_status_callback_that_is_not_ours_is_a_note(name, status, part):
    found = await routed(name, account(name, OURS[name].voice, status=status))
    assert [one.verdict for one in found] == [Verdict.OK, Verdict.NOTE]
    assert part in found[1].text
    assert "s3cret" not in found[1].text


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: url, False),
        (lambda url: url + "?agent=sales", False),
        (lambda url: url.replace("/voice", "/fallback") + "?agent=sales", False),
        (lambda url: "https://elsewhere.example.com/sorry.xml", False),
        (lambda url: url.replace("s3cret", "0ther").replace("twilio/voice", "voice"), True),
        (lambda url: url.replace("https", "http"), True),
    ],
)
async def test_a_fallback_that_means_to_lead_here_has_to(name, change, told):
    found = await routed(name, account(name, OURS[name].voice, fallback=change(OURS[name].voice)))
    assert [one.verdict for one in found] == [Verdict.OK, Verdict.NOTE][: 1 + told]
    assert all("0ther" not in one.text for one in found)


async def test_a_failover_address_of_events_is_looked_at_too():
    application = Application("5", "call_control", TELNYX.events or "", fallback=f"{PUBLIC}/telnyx/event")
    found = await routed("telnyx", Account([OwnNumber(NUMBER, application="5")], applications=[application]))
    assert [one.verdict for one in found] == [Verdict.OK, Verdict.NOTE]
    assert "falls back" in found[1].text


@pytest.mark.parametrize(
    ("applications", "part"),
    [
        ([], "does not exist any more"),
        ([Application("5", "credential_connection")], "is a credential connection"),
    ],
)
async def test_a_number_of_telnyx_that_leads_to_no_application_is_told(applications, part):
    owned = Account([OwnNumber(NUMBER, application="5")], applications=applications)
    found = await routed("telnyx", owned)
    assert [one.verdict for one in found] == [Verdict.FAULT, Verdict.NOTE]
    assert part in found[1].text


async def test_a_number_of_twilio_whose_app_is_gone_is_told():
    found = await routed("twilio", Account([OwnNumber(NUMBER, TWILIO.voice, application="AP1")]))
    assert [one.verdict for one in found] == [Verdict.FAULT, Verdict.NOTE]
    assert "a TwiML app that does not exist" in found[1].text


@pytest.mark.parametrize(("kind", "mode"), [("texml", "texml"), ("call_control", "call_control")])
async def test_an_application_for_calls_that_is_switched_off_is_told(kind, mode):
    owned = Account(applications=[Application("7", kind, active=False)])
    changed = {"telnyx_connection_id": "7", "telnyx_mode": mode}
    async with PhoneNetwork("telnyx", account=owned) as network:
        wrong = faults(await found(network, "telnyx", lambda checks: checks.credentials(), **changed))
    assert "is switched off" in wrong["TELNYX_CONNECTION_ID"]


# Caller ids


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("owned", "verified", "verdict"),
    [
        ([NUMBER], [], Verdict.OK),
        ([OTHER], [NUMBER], Verdict.OK),
        ([OTHER], [OTHER], Verdict.FAULT),
        # Telnyx finds numbers by a part of them.
        ([NUMBER + "1"], [], Verdict.FAULT),
    ],
)
async def test_a_caller_id_must_be_owned_or_verified(name, owned, verified, verdict):
    own = Account([OwnNumber(number) for number in owned], verified)
    async with PhoneNetwork(name, account=own) as network:
        findings = await found(network, name, lambda checks: checks.caller_id(NUMBER, "CALLER_ID"))
    assert list(findings) == [(verdict, "CALLER_ID")]
