"""Which credentials are enough, and what is said about those that are not."""

import base64

import pytest

from carriers import carrier_for, credential_notes, credential_problems, descriptor_of, known_carriers
from carriers.carrier import CALL_CONTROL, MARKUP
from tests.web_service import make_settings

KEY = base64.b64encode(bytes(31) + b"\x01").decode()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("twilio", {"twilio_account_sid": "AC1", "twilio_auth_token": "t"}),
        ("twilio", {"twilio_account_sid": "AC1", "twilio_api_key": "SK1", "twilio_api_secret": "s"}),
        ("telnyx", {"telnyx_api_key": "KEY"}),
    ],
)
async def test_a_carrier_with_credentials_can_act(name, given):
    settings = make_settings(**given)
    assert credential_problems(settings) == []
    carrier = carrier_for(name, settings)
    assert carrier is not None
    assert carrier.name == name
    await carrier.aclose()


def test_without_credentials_there_is_no_carrier():
    assert [carrier_for(name, make_settings()) for name in (*known_carriers(), "webrtc")] == [
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("name", "mode", "usable"),
    [
        ("telnyx", MARKUP, True),
        ("telnyx", CALL_CONTROL, True),
        ("twilio", MARKUP, True),
        ("twilio", CALL_CONTROL, False),
        ("telnyx", "something-new", False),
    ],
)
async def test_a_call_is_acted_on_in_its_own_way(name, mode, usable):
    settings = make_settings(twilio_account_sid="AC1", twilio_auth_token="t", telnyx_api_key="KEY")
    carrier = carrier_for(name, settings, mode)
    assert (carrier is not None) == usable
    if carrier is not None:
        assert (carrier.name, carrier.mode) == (name, mode)
        await carrier.aclose()


@pytest.mark.parametrize(
    ("given", "modes"),
    [
        ({}, [MARKUP, MARKUP]),
        ({"telnyx_mode": "texml"}, [MARKUP, MARKUP]),
        ({"telnyx_mode": "Call_Control "}, [MARKUP, CALL_CONTROL]),
    ],
)
def test_the_operator_chooses_how_new_calls_are_run(given, modes):
    assert [
        descriptor_of(name).dialling_mode(make_settings(**given)) for name in ("twilio", "telnyx")
    ] == modes


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"twilio_account_sid": "AC1"}, "TWILIO_AUTH_TOKEN"),
        ({"twilio_account_sid": "SK1", "twilio_auth_token": "t"}, "does not start with AC"),
        ({"twilio_auth_token": "t"}, "TWILIO_ACCOUNT_SID is not set"),
        ({"twilio_account_sid": "AC1", "twilio_api_key": "SK1"}, "TWILIO_API_SECRET is not set"),
        ({"twilio_account_sid": "AC1", "twilio_api_secret": "s"}, "TWILIO_API_KEY is not set"),
        ({"telnyx_public_key": "short"}, "TELNYX_PUBLIC_KEY is not 32 bytes"),
        ({"telnyx_api_base_url": "https://api.telnyx.eu"}, "must end with /v2"),
    ],
)
def test_credentials_that_cannot_work_are_one_line(given, named):
    (problem,) = credential_problems(make_settings(**given))
    assert named in problem
    assert "\n" not in problem


def test_credentials_that_cannot_verify_webhooks_are_mentioned():
    settings = make_settings(
        twilio_account_sid="AC1", twilio_api_key="SK1", twilio_api_secret="s", telnyx_api_key="K"
    )
    assert [note.split()[0] for note in credential_notes(settings)] == [
        "TWILIO_AUTH_TOKEN",
        "TELNYX_PUBLIC_KEY",
    ]
    complete = make_settings(telnyx_api_key="K", telnyx_public_key=KEY)
    assert credential_problems(complete) == credential_notes(complete) == []
