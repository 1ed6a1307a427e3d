"""What the emulated carriers answer about an account: as documented, and nothing to what is not."""

import inspect
import re

import pytest
import telnyx.types.connection_list_active_calls_params as active_calls_params
import telnyx.types.phone_number_list_params as numbers_params
import telnyx.types.phone_numbers.voice_list_params as voice_params
from telnyx._utils import PropertyInfo
from telnyx.types import CallControlApplication, OutboundVoiceProfile, TexmlApplication
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberList
from twilio.rest.api.v2010.account.outgoing_caller_id import OutgoingCallerIdList
from twilio.rest.voice.v1.dialing_permissions.country import CountryList
from typing_extensions import get_type_hints, is_typeddict

from deployment import outside
from emulator import Account, Application, OwnNumber, PhoneNetwork, VoiceProfile
from emulator.facts import requests
from tests.rest_client import ACCOUNT, request
from tests.web_service import make_settings

NUMBER = "+12025550100"
TWILIO = f"/2010-04-01/Accounts/{ACCOUNT.twilio_account_sid}"
COUNTRIES = "/v1/DialingPermissions/Countries"


def owned():
    return Account(
        [OwnNumber(NUMBER, application="5"), OwnNumber("+12025550199", application="6")],
        ["+12025550188"],
        [
            Application(
                "5", "texml", "https://h/telnyx/voice/k", "POST", "https://h/telnyx/status", profile="9"
            ),
            Application("6", "fqdn_connection"),
            Application("7", "call_control", "https://h/telnyx/events", api_version="1", active=False),
        ],
        trial=True,
        profiles=[VoiceProfile("9", countries=("US",))],
    )


async def asked(carrier, path):
    async with PhoneNetwork(carrier, account=owned()) as network:
        return await request(carrier, "GET", network.rest_url + path)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/phone_numbers?page[size]=0", 400, "10015"),
        ("/v2/phone_numbers?page[size]=251", 400, "10015"),
        ("/v2/phone_numbers?page_size=20", 400, "10015"),
        ("/v2/phone_numbers?filter[phone_number]=12", 400, "10015"),
        ("/v2/phone_numbers?filter[status]=on", 400, "10015"),
        ("/v2/phone_numbers?sort=name", 400, "10015"),
        ("/v2/phone_numbers?sort=phone_number&sort=purchased_at", 400, "10015"),
        ("/v2/phone_numbers/voice?filter[status]=active", 400, "10015"),
        ("/v2/whoami?verbose=true", 400, "10015"),
        ("/v2/texml_applications/7", 404, "10005"),
        ("/v2/call_control_applications/5", 404, "10005"),
        ("/v2/connections/8", 404, "10005"),
        ("/v2/connections/8/active_calls", 404, "10005"),
        ("/v2/connections/5/active_calls?page[size]=251", 400, "10015"),
        ("/v2/connections/5/active_calls?status=active", 400, "10015"),
        ("/v2/outbound_voice_profiles/8", 404, "10005"),
        ("/v2/outbound_voice_profiles/9?fields=name", 400, "10015"),
        ("/v2/verified_numbers/+12025550111", 404, "10005"),
    ],
)
async def test_telnyx_refuses_what_is_not_documented_or_not_there(path, status, code):
    answered, body = await asked("telnyx", path)
    assert (answered, body["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize(
    "path",
    [
        "whoami",
        "phone_numbers/voice",
        "connections/5",
        "connections/5/active_calls",
        "outbound_voice_profiles/9",
        "texml_applications/5",
    ],
)
async def test_telnyx_tells_nobody_without_the_key(path):
    async with PhoneNetwork("telnyx", account=owned()) as network:
        status, body = await request("twilio", "GET", f"{network.rest_url}/v2/{path}")  # other credentials
    assert (status, body["errors"][0]["code"]) == (401, "10009")


@pytest.mark.parametrize(
    "query", ["PageSize=1001", "PageSize=0", "Page=-1", "LowRiskNumbersEnabled=no", "IsoCode=USA"]
)
async def test_twilio_refuses_a_list_of_countries(query):
    status, body = await asked("twilio", f"{COUNTRIES}?{query}")
    assert (status, body["code"]) == (400, 20001)


async def test_twilio_tells_nobody_without_credentials_whom_the_account_may_call():
    async with PhoneNetwork(account=owned()) as network:
        status, body = await request("telnyx", "GET", network.rest_url + COUNTRIES)
    assert (status, body["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["US", "DE", "GB"]),
        ("?LowRiskNumbersEnabled=true", ["US"]),
        ("?LowRiskNumbersEnabled=false&PageSize=1000", ["DE", "GB"]),
        ("?IsoCode=DE", ["DE"]),
        ("?Continent=EUROPE", ["DE", "GB"]),
        ("?HighRiskTollfraudNumbersEnabled=true", []),
        ("?PageSize=2&Page=1", ["GB"]),
    ],
)
async def test_twilio_lists_countries_as_they_are_asked_for(query, found):
    _, body = await asked("twilio", COUNTRIES + query)
    assert [one["iso_code"] for one in body["content"]] == found
    assert body["meta"]["key"] == "content"


# Telnyx's own library reads the answers


@pytest.mark.parametrize(
    ("path", "model", "says"),
    [
        ("texml_applications/5", TexmlApplication, lambda one: one.outbound.outbound_voice_profile_id == "9"),
        ("call_control_applications/7", CallControlApplication, lambda one: one.webhook_api_version == "1"),
        (
            "outbound_voice_profiles/9",
            OutboundVoiceProfile,
            lambda one: one.whitelisted_destinations == ["US"],
        ),
    ],
)
async def test_a_resource_has_the_fields_and_words_of_the_library(path, model, says):
    _, body = await asked("telnyx", f"/v2/{path}")
    assert says(model.model_validate(body["data"]))
    assert set(body["data"]) <= set(model.model_fields)


# The tables


def of_the_library(params, around="{}") -> set[str]:
    """Names as they are sent, those within an object behind its name."""
    found = set()
    for name, hint in get_type_hints(params, include_extras=True).items():
        alias, inner = name, hint
        for part in getattr(hint, "__metadata__", ()):
            alias = part.alias or alias if isinstance(part, PropertyInfo) else alias
            inner = hint.__origin__
        if is_typeddict(inner):
            found |= of_the_library(inner, around.format(alias) + "[{}]")
        else:
            found.add(around.format(alias))
    return found


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("list_numbers", numbers_params.PhoneNumberListParams),
        ("list_voice_settings", voice_params.VoiceListParams),
        ("list_active_calls", active_calls_params.ConnectionListActiveCallsParams),
    ],
)
def test_the_table_has_the_names_of_telnyxs_library(kind, params):
    assert set(requests("telnyx_accounts")[kind].parameters) == of_the_library(params)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("list_countries", CountryList.page),
        ("list_numbers", IncomingPhoneNumberList.page),
        ("list_caller_ids", OutgoingCallerIdList.page),
    ],
)
def test_the_table_has_the_names_of_twilios_library(kind, method):
    names = {one.replace("page_number", "page") for one in inspect.signature(method).parameters} - {"self"}
    named = {"".join(part.capitalize() for part in name.split("_")) for name in names}
    assert set(requests("twilio_rest")[kind].parameters) == named


# What the doctor asks

KINDS = (
    ("twilio_rest", rf"{TWILIO}\.json|{TWILIO}/Applications/\w+\.json", "fetch"),
    ("twilio_rest", rf"{TWILIO}/IncomingPhoneNumbers\.json", "list_numbers"),
    ("twilio_rest", rf"{TWILIO}/OutgoingCallerIds\.json", "list_caller_ids"),
    ("twilio_rest", COUNTRIES, "list_countries"),
    ("telnyx_accounts", r"/v2/phone_numbers", "list_numbers"),
    ("telnyx_accounts", r"/v2/phone_numbers/voice", "list_voice_settings"),
    (
        "telnyx_accounts",
        r"/v2/(whoami|(texml_applications|call_control_applications|connections|outbound_voice_profiles|"
        r"verified_numbers)/[^/]+)",
        "fetch",
    ),
)


@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_the_doctor_asks_only_what_is_documented(name):
    async with PhoneNetwork(name, account=owned()) as network:
        values = {key.lower(): value for key, value in network.environment().items() if name in key.lower()}
        if name == "telnyx":
            values["telnyx_connection_id"] = "5"
        settings = make_settings(**values, caller_id=NUMBER, caller_ids="+12025550177")
        await outside.outside_findings(settings, "https://h")
        asked = [
            one for one in network.requests.entries if one.path not in ("/", "/v2")
        ]  # which only the clock asks
    seen = set()
    for one in asked:
        (found,) = [(table, kind) for table, path, kind in KINDS if re.fullmatch(path, one.path)]
        documented = requests(found[0])[found[1]]
        assert documented.unknown(one.fields) == []
        assert documented.violation(one.fields, as_text=True) is None
        seen.add(found[1])
    assert seen >= (
        {"fetch", "list_numbers"} | ({"list_countries"} if name == "twilio" else {"list_voice_settings"})
    )
