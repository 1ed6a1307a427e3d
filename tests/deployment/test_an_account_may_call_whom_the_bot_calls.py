"""What an account may dial is compared with transfers and settings, before a caller is put through in vain."""

import pytest

from carriers import descriptor_of
from carriers.checks import Addresses, Destination, Destinations, Verdict
from deployment import outside
from deployment.destinations import destinations
from emulator import Account, Application, Country, OwnNumber, PhoneNetwork, VoiceProfile
from tests.web_service import make_settings

PUBLIC = "https://bot.example.com"
TELNYX = Addresses(f"{PUBLIC}/telnyx/voice/s3cret", f"{PUBLIC}/telnyx/status", f"{PUBLIC}/telnyx/events")
NUMBER, BERLIN, DESK = "+12025550100", "+493055550100", "+12025550111"
TO_US = Destination("[transfers.desk] of a.toml", "US", DESK)
TO_DE = Destination("[transfers.berlin] of a.toml", "DE", BERLIN)
TO_CA = Destination("DIAL_COUNTRIES", "CA")
ANYWHERE = Destination("DIAL_COUNTRIES", None)


async def asked(name, owned, wanted, addresses=TELNYX, **changed):
    async with PhoneNetwork(name, account=owned) as network:
        values = {key.lower(): value for key, value in network.environment().items()}
        checks = descriptor_of(name).checks(make_settings(**{**values, **changed}))
        assert checks is not None
        try:
            await checks.credentials()
            return await checks.dialling(wanted, addresses)
        finally:
            await checks.aclose()


def verdicts(found):
    return [one.verdict for one in found]


# Twilio


@pytest.mark.parametrize(
    ("wanted", "expected", "part"),
    [
        (Destinations(), [], ""),
        (Destinations((TO_US,)), [Verdict.OK], "calls may go to US"),
        (Destinations((TO_US,), (TO_CA,)), [Verdict.OK], "calls may go to CA, US"),
        (Destinations((TO_US, TO_DE)), [Verdict.FAULT], "calls to DE ([transfers.berlin] of a.toml)"),
        (
            Destinations((), (Destination("DIAL_COUNTRIES", "DE"), Destination("DIAL_COUNTRIES", "GB"))),
            [Verdict.FAULT],
            "calls to DE, GB (DIAL_COUNTRIES) are switched off",
        ),
        (Destinations((), (ANYWHERE,)), [], ""),
    ],
)
async def test_countries_that_twilio_does_not_dial_are_told(wanted, expected, part):
    found = await asked("twilio", Account([OwnNumber(NUMBER)]), wanted)
    assert verdicts(found) == expected
    assert part in "".join(one.text for one in found)


async def test_canada_is_among_the_united_states_of_twilio():
    closed = Account(
        [OwnNumber(NUMBER)], countries=[Country("US", "United States/Canada", "+1", "NORTH_AMERICA")]
    )
    (finding,) = await asked("twilio", closed, Destinations((), (TO_CA,)))
    assert finding.verdict is Verdict.FAULT
    assert "calls to CA" in finding.text
    assert "Geo permissions" in finding.text


@pytest.mark.parametrize(
    ("trial", "verified", "told"), [(True, [], True), (True, [DESK], False), (False, [], False)]
)
async def test_a_trial_account_reaches_verified_numbers_only(trial, verified, told):
    owned = Account([OwnNumber(NUMBER)], verified, trial=trial)
    found = await asked("twilio", owned, Destinations((TO_US,)))
    assert verdicts(found) == [Verdict.OK, Verdict.FAULT][: 1 + told]
    if told:
        assert found[1].text.startswith("…0111 ([transfers.desk] of a.toml) is not verified")
    assert all(DESK not in one.text for one in found)


# Telnyx


def telnyx(profile="9", enabled=True, countries=("US", "CA"), kind="texml", url=TELNYX.voice):
    return Account(
        [OwnNumber(NUMBER, application="5")],
        applications=[Application("5", kind, url, "POST", TELNYX.status, profile=profile)],
        profiles=[VoiceProfile("9", enabled, countries)],
    )


EVERYBODY = Destinations((TO_US,), (TO_CA,))


@pytest.mark.parametrize("kind", ["texml", "call_control"])
@pytest.mark.parametrize(
    ("owned", "wanted", "verdict", "part"),
    [
        ({}, EVERYBODY, Verdict.OK, "may place calls to CA, US"),
        ({}, Destinations((), (ANYWHERE,)), Verdict.OK, "may place calls"),
        ({"profile": ""}, EVERYBODY, Verdict.FAULT, "has no outbound voice profile"),
        ({"profile": ""}, Destinations(), Verdict.NOTE, "has no outbound voice profile"),
        ({"profile": "8"}, EVERYBODY, Verdict.FAULT, "has no outbound voice profile"),
        ({"enabled": False}, EVERYBODY, Verdict.FAULT, "is switched off: enable it"),
        ({"countries": ("US",)}, EVERYBODY, Verdict.FAULT, "does not allow calls to CA (DIAL_COUNTRIES)"),
        (
            {"countries": ()},
            Destinations((TO_US,)),
            Verdict.FAULT,
            "does not allow calls to US ([transfers.desk]",
        ),
    ],
)
async def test_the_profile_of_the_application_that_calls_are_placed_with(kind, owned, wanted, verdict, part):
    changed = {"telnyx_connection_id": "5", "telnyx_mode": kind}
    (finding,) = await asked("telnyx", telnyx(kind=kind, **owned), wanted, None, **changed)
    assert (finding.verdict, finding.subject) == (verdict, "Telnyx dialling")
    assert part in finding.text
    assert verdict is Verdict.OK or "Outbound Voice Profiles" in finding.text


@pytest.mark.parametrize(
    ("url", "expected"), [(TELNYX.voice, [Verdict.FAULT]), ("https://other.example.com/voice", [])]
)
async def test_transfers_count_for_the_application_of_a_number_that_leads_here(url, expected):
    owned = telnyx(countries=("CA",), url=url)
    found = await asked("telnyx", owned, EVERYBODY, telnyx_connection_id=None)
    assert verdicts(found) == expected
    # A call that is placed comes from TELNYX_CONNECTION_ID, which is not set.
    assert all("the TeXML application of …0100" in one.text and "CA (" not in one.text for one in found)


async def test_an_application_that_numbers_and_calls_share_is_told_of_once():
    found = await asked("telnyx", telnyx(), EVERYBODY, telnyx_connection_id="5")
    assert verdicts(found) == [Verdict.OK]


# What counts


def test_transfers_and_settings_say_whom_the_bot_calls(tmp_path):
    (tmp_path / "a.toml").write_text(
        'greeting = "Hello."\ninstructions = "x"\ntools = ["transfer_call"]\n'
        f'[transfers.berlin]\nnumber = "{BERLIN}"\n[transfers.pbx]\nsip = "sip:desk@pbx.example.com"\n'
    )
    (tmp_path / "broken.toml").write_text("greeting = ")

    def calls(**values):
        return destinations(make_settings(agents_dir=tmp_path, agent="a", **values))

    assert calls() == Destinations((TO_DE,))
    assert [one.country for one in calls(caller_id=NUMBER).calls] == ["US"]
    assert [one.country for one in calls(dial_countries="DE,CA").calls] == ["DE", "CA"]
    assert calls(caller_id=NUMBER, dial_countries="*").calls == (ANYWHERE,)


@pytest.mark.parametrize(("profile", "verdict"), [("9", Verdict.OK), ("", Verdict.FAULT)])
async def test_the_doctor_asks_it_and_names_the_agents_file(tmp_path, profile, verdict):
    (tmp_path / "desk.toml").write_text(
        'greeting = "Hello."\ninstructions = "x"\ntools = ["transfer_call"]\n'
        f'[transfers.desk]\nnumber = "{DESK}"\n'
    )
    async with PhoneNetwork("telnyx", account=telnyx(profile)) as network:
        values = {key.lower(): value for key, value in network.environment().items() if "TELNYX" in key}
        values["telnyx_connection_id"] = "5"
        settings = make_settings(**values, agents_dir=tmp_path, agent="desk")
        found = await outside.outside_findings(settings, None)
    assert [one.verdict for one in found if one.subject == "Telnyx dialling"] == [verdict]
