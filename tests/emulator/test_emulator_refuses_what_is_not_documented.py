"""Each kind of violation of a carrier's documentation is answered with the documented code, and nothing is done."""

import inspect
from typing import Annotated, Literal, get_args, get_origin

import aiohttp
import pytest
import telnyx.types.call_dial_params as dial_params
import telnyx.types.calls as calls_types
import telnyx.types.texml.accounts.call_calls_params as create_params
import telnyx.types.texml.accounts.call_retrieve_calls_params as list_params
import telnyx.types.texml.accounts.call_update_params as update_params
import telnyx.types.texml.accounts.calls.recording_recording_sid_json_params as change_params
import telnyx.types.texml.accounts.calls.recordings_json_recordings_json_params as record_params
from telnyx._utils import PropertyInfo
from twilio.rest.api.v2010.account.call import CallContext, CallList
from twilio.rest.api.v2010.account.call.recording import RecordingContext, RecordingList
from typing_extensions import get_type_hints

from emulator import Colleague, PhoneNetwork
from emulator.facts import requests
from tests.rest_client import ACCOUNT, EVENTS, TEXML, TWILIO, call_url, listed, request

TO, FROM = "+12025550111", "+12025550100"
RINGS = Colleague(TO, behaviour="no_answer")
NOWHERE = "https://bot.example.com/"
LONG = NOWHERE + "x" * 2000


# Twilio

GOOD = {"To": TO, "From": FROM, "Url": NOWHERE}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21201),
        ({"To": "2025550111"}, 21211),
        ({"To": "desk"}, 21211),
        ({"From": ""}, 21213),
        ({"From": "me"}, 21212),
        ({"Url": ""}, 21205),
        ({"Url": "bot.example.com/voice"}, 21205),
        ({"Url": "/voice"}, 21205),
        ({"Url": "ftp://bot.example.com/"}, 21205),
        ({"Url": "https://my_bot.example.com/"}, 21205),
        ({"Url": NOWHERE + "x" * 4000}, 21205),
        ({"Url": "https://bot.example.com/a b"}, 21205),
        ({"Method": "PUT"}, 21209),
        ({"Twiml": "<Response>" + "x" * 4000 + "</Response>"}, 32018),
        ({"StatusCallback": "/status"}, 21609),
        ({"StatusCallbackEvent": "ended"}, 21626),
        ({"StatusCallbackEvent": "initiated ringing answered completed"}, 21626),
        ({"SendDigits": "1" * 33}, 21206),
        ({"SendDigits": "1p2"}, 21206),
        ({"Timeout": "0"}, 21208),
        ({"Timeout": "601"}, 21208),
        ({"Timeout": "soon"}, 21208),
        ({"Timeout": "1.5"}, 21208),
        ({"TimeLimit": "0"}, 20001),
        ({"MachineDetection": "enable"}, 20001),
        ({"MachineDetectionTimeout": "60"}, 20001),
        ({"MachineDetectionSpeechThreshold": "999"}, 20001),
        ({"AsyncAmd": "yes"}, 20001),
        ({"AsyncAmdStatusCallback": "amd"}, 20001),
        ({"RecordingChannels": "stereo"}, 20001),
        ({"Record": "1"}, 20001),
        ({"ApplicationSid": "1"}, 20001),
    ],
)
async def test_twilio_refuses_a_call(fields, code):
    async with PhoneNetwork("twilio") as network:
        status, body = await request("twilio", "POST", f"{network.rest_url}{TWILIO}.json", GOOD | fields)
        assert (status, body["code"], body["status"]) == (400, code, 400)
        assert body["more_info"].endswith(str(code))
        assert await listed("twilio", network.rest_url) == []


async def test_twiml_that_is_no_xml_is_refused():
    order = {"To": TO, "From": FROM, "Twiml": "<Response><Say>"}
    async with PhoneNetwork("twilio") as network:
        status, body = await request("twilio", "POST", f"{network.rest_url}{TWILIO}.json", order)
        assert (status, body["code"]) == (400, 12100)
        assert await listed("twilio", network.rest_url) == []


async def test_at_twilio_only_the_events_may_be_given_more_than_once():
    form = [*GOOD.items(), *(("StatusCallbackEvent", event) for event in EVENTS)]
    async with PhoneNetwork("twilio") as network:
        url = f"{network.rest_url}{TWILIO}.json"
        assert (await request("twilio", "POST", url, form))[0] == 201
        status, body = await request("twilio", "POST", url, [*form, ("Timeout", "20"), ("Timeout", "30")])
        assert (status, body["code"]) == (400, 20001)


async def test_an_unknown_parameter_is_ignored_by_twilio_and_an_error_of_the_call():
    async with PhoneNetwork("twilio") as network:
        status, body = await request(
            "twilio", "POST", f"{network.rest_url}{TWILIO}.json", GOOD | {"Tiemout": "5"}
        )
        assert status == 201
        call = network.exchange.find(body["sid"])
        assert call.errors[0].startswith("20001 Tiemout is no parameter")


@pytest.mark.parametrize(
    "query", ["?Status=over", "?PageSize=0", "?PageSize=1001", "?StartTime=today", "?To=1"]
)
async def test_twilio_refuses_a_list(query):
    async with PhoneNetwork("twilio") as network:
        status, body = await request("twilio", "GET", f"{network.rest_url}{TWILIO}.json{query}")
    assert (status, body["code"]) == (400, 20001)


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("", {"Url": "/next"}, 21205),
        ("", {"Status": "in-progress"}, 21218),
        ("", {"Method": "get"}, 21209),
        ("", {"Twiml": "<Response>"}, 12100),
        ("/Recordings", {"RecordingChannels": "single"}, 20001),
        ("/Recordings", {"RecordingStatusCallbackEvent": "started"}, 20001),
        ("/Recordings", {"RecordingTrack": "caller"}, 20001),
        ("/Recordings/Twilio.CURRENT", {}, 20001),
        ("/Recordings/Twilio.CURRENT", {"Status": "pause"}, 20001),
        ("/Recordings/Twilio.CURRENT", {"Status": "paused", "PauseBehavior": "mute"}, 20001),
    ],
)
async def test_twilio_refuses_to_change_a_call(path, fields, code):
    async with PhoneNetwork("twilio", people=[RINGS]) as network:
        _, made = await request("twilio", "POST", f"{network.rest_url}{TWILIO}.json", GOOD)
        network.exchange.find(made["sid"]).answer()
        url = f"{network.rest_url}{TWILIO}/{made['sid']}{path}.json"
        status, body = await request("twilio", "POST", url, fields)
    assert (status, body["code"]) == (400, code)


# Telnyx, TeXML

ORDER = {"ApplicationSid": "1", "To": TO, "From": FROM, "Url": NOWHERE}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ApplicationSid": None}, "10004"),
        ({"To": None}, "10004"),
        ({"From": ""}, "10004"),
        ({"To": "2025550111"}, "10016"),
        ({"From": "me"}, "10016"),
        ({"Url": LONG}, "10003"),
        ({"Url": "http://bot.example.com/"}, "10003"),
        ({"Url": "/texml"}, "10003"),
        ({"StatusCallback": LONG}, "10003"),
        ({"StatusCallbackEvent": "ended"}, "10032"),
        ({"StatusCallbackEvent": ["initiated"]}, "10032"),
        ({"UrlMethod": "PUT"}, "10032"),
        ({"Timeout": 4}, "10027"),
        ({"Timeout": 121}, "10027"),
        ({"Timeout": "30"}, "10027"),
        ({"TimeLimit": 59}, "90029"),
        ({"TimeLimit": 14001}, "90029"),
        ({"MachineDetection": "Detect"}, "10032"),
        ({"DetectionMode": "premium"}, "10032"),
        ({"AsyncAmd": "true"}, "10026"),
        ({"Texml": 5}, "10026"),
    ],
)
async def test_telnyx_refuses_a_texml_call(fields, code):
    async with PhoneNetwork("telnyx") as network:
        status, body = await request("telnyx", "POST", f"{network.rest_url}{TEXML}", json=ORDER | fields)
        assert (status, body["errors"][0]["code"]) == (422, code)
        assert body["errors"][0]["source"]["pointer"] == f"/{next(iter(fields))}"
        assert await listed("telnyx", network.rest_url) == []


async def test_a_parameter_that_telnyx_does_not_document_has_no_effect_and_is_an_error_of_the_call():
    async with PhoneNetwork("telnyx") as network:
        status, _ = await request(
            "telnyx", "POST", f"{network.rest_url}{TEXML}", json=ORDER | {"SendDigits": "1"}
        )
        assert status == 200
        (call,) = network.exchange.calls
        assert call.errors == ["SendDigits is no parameter of create_call (TeXML): it has no effect"]


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("", {"Status": "canceled"}, "10032"),
        ("", {"Url": LONG}, "10003"),
        ("", {"Url": "http://bot.example.com/"}, "10003"),
        ("", {"Method": "PUT"}, "10032"),
        ("/Recordings.json", {"RecordingChannels": "mono"}, "10032"),
        ("/Recordings.json", {"PlayBeep": "yes"}, "10026"),
        ("/Recordings/1.json", {"Status": "over"}, "10032"),
        ("/Recordings/1.json", {}, "10004"),
    ],
)
async def test_telnyx_refuses_to_change_a_texml_call(path, fields, code):
    async with PhoneNetwork("telnyx") as network:
        await request("telnyx", "POST", f"{network.rest_url}{TEXML}", json=ORDER)
        (call,) = network.exchange.calls
        url = f"{call_url('telnyx', network.rest_url, call.leg.call_id)}{path}"
        status, body = await request("telnyx", "POST", url, fields or aiohttp.FormData())
    assert (status, body["errors"][0]["code"]) == (422, code)


# Telnyx, Call Control

DIAL = {"connection_id": ACCOUNT.telnyx_connection_id, "to": TO, "from": FROM}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": None}, "10004"),
        ({"to": []}, "10016"),
        ({"to": [TO, "desk"]}, "10016"),
        ({"to": 12025550111}, "10016"),
        ({"webhook_url": LONG}, "10003"),
        ({"webhook_url": "http://bot.example.com/"}, "10003"),
        ({"stream_url": "ws://bot.example.com/ws"}, "10003"),
        ({"stream_url": "wss://bot.example.com/" + "x" * 2000}, "10003"),
        ({"stream_url": "https://bot.example.com/ws"}, "10003"),
        ({"stream_track": "inbound"}, "10032"),
        ({"stream_bidirectional_sampling_rate": "16000"}, "10032"),
        ({"stream_auth_token": "x" * 4001}, "10026"),
        ({"client_state": "not base64"}, "90017"),
        ({"client_state": "QUJD" * 1001}, "90017"),
        ({"client_state": "A" * 1_000_000}, "90017"),
        ({"client_state": {"a": 1}}, "90017"),
        ({"command_id": 7}, "10026"),
        ({"command_id": "x" * 256}, "10026"),
        ({"timeout_secs": "30"}, "90028"),
        ({"timeout_secs": True}, "90028"),
        ({"time_limit_secs": 14001}, "90029"),
        ({"send_digits_on_answer": "1" * 65}, "90014"),
        ({"webhook_url_method": "PUT"}, "10032"),
        ({"webhook_urls": []}, "90057"),
        ({"bridge_on_answer": "true"}, "10026"),
        ({"answering_machine_detection_config": {"total_analysis_time_millis": 0}}, "10026"),
        ({"from_display_name": "x" * 129}, "10026"),
    ],
)
async def test_telnyx_refuses_to_dial(fields, code):
    async with PhoneNetwork("telnyx") as network:
        status, body = await request("telnyx", "POST", f"{network.rest_url}/v2/calls", json=DIAL | fields)
        assert (status, body["errors"][0]["code"]) == (422, code)
        assert body["errors"][0]["source"]["pointer"] == f"/{next(iter(fields))}"
        assert network.exchange.calls == []


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        ("answer", {"stream_url": "http://x/"}, "10003"),
        ("answer", {"client_state": "!"}, "90017"),
        ("hangup", {"command_id": ""}, "10026"),
        ("reject", {"cause": "busy"}, "10032"),
        ("transfer", {"to": "123"}, "10016"),
        ("transfer", {"to": TO, "timeout_secs": 601}, "90028"),
        ("transfer", {"to": TO, "target_leg_client_state": "?"}, "90017"),
        ("bridge", {}, "10004"),
        ("refer", {"sip_address": "desk"}, "10026"),
        ("streaming_start", {}, "10004"),
        ("streaming_start", {"stream_url": "wss://h/", "custom_parameters": {"a": "b"}}, "10026"),
        ("send_dtmf", {}, "90014"),
        ("send_dtmf", {"digits": "1,2"}, "90014"),
        ("send_dtmf", {"digits": "1", "duration_millis": 99}, "90027"),
        ("speak", {"payload": "x" * 3001, "voice": "female"}, "90010"),
        ("speak", {"payload": "hello"}, "10004"),
        ("record_start", {"channels": "dual"}, "10004"),
        ("record_start", {"channels": "stereo", "format": "wav"}, "10032"),
        ("record_pause", {"recording_id": 5}, "10026"),
        ("gather", {"maximum_digits": 129}, "90023"),
        ("client_state_update", {}, "10004"),
    ],
)
async def test_telnyx_refuses_a_command(command, fields, code):
    async with PhoneNetwork("telnyx", people=[RINGS]) as network:
        _, made = await request("telnyx", "POST", f"{network.rest_url}/v2/calls", json=DIAL)
        url = f"{network.rest_url}/v2/calls/{made['data']['call_control_id']}/actions/{command}"
        status, body = await request("telnyx", "POST", url, json=fields)
    assert (status, body["errors"][0]["code"]) == (422, code)


# The tables, against the carriers' own libraries

COMMANDS = {
    "answer": "ActionAnswerParams",
    "reject": "ActionRejectParams",
    "hangup": "ActionHangupParams",
    "transfer": "ActionTransferParams",
    "bridge": "ActionBridgeParams",
    "refer": "ActionReferParams",
    "streaming_start": "ActionStartStreamingParams",
    "streaming_stop": "ActionStopStreamingParams",
    "send_dtmf": "ActionSendDtmfParams",
    "speak": "ActionSpeakParams",
    "playback_start": "ActionStartPlaybackParams",
    "playback_stop": "ActionStopPlaybackParams",
    "client_state_update": "ActionUpdateClientStateParams",
    "gather": "ActionGatherParams",
    "gather_stop": "ActionStopGatherParams",
    "record_start": "ActionStartRecordingParams",
    "record_stop": "ActionStopRecordingParams",
    "record_pause": "ActionPauseRecordingParams",
    "record_resume": "ActionResumeRecordingParams",
}
TELNYX = [
    ("telnyx_call_control", "dial", dial_params.CallDialParams),
    *(("telnyx_call_control", name, getattr(calls_types, params)) for name, params in COMMANDS.items()),
    ("telnyx_texml_rest", "create_call", create_params.BodyApplicationDefault),
    ("telnyx_texml_rest", "update_call", update_params.CallUpdateParams),
    ("telnyx_texml_rest", "list_calls", list_params.CallRetrieveCallsParams),
    ("telnyx_texml_rest", "start_recording", record_params.RecordingsJsonRecordingsJsonParams),
    ("telnyx_texml_rest", "update_recording", change_params.RecordingRecordingSidJsonParams),
]
IN_THE_PATH = {"account_sid", "call_sid"}
FREE = {"language", "ringtone", "transcription_engine", "transcription_language", "preferred_codecs"}
"""Long lists of words that the emulator does nothing with."""


def of_the_library(params) -> dict[str, set[object]]:
    """Names as they are sent, and words where there is a list of them."""
    found = {}
    for name, hint in get_type_hints(params, include_extras=True).items():
        parts = [hint]
        alias, words = name, set()
        while parts:
            part = parts.pop()
            if isinstance(part, PropertyInfo):
                alias = part.alias or alias
            elif get_origin(part) is Literal:
                words |= set(get_args(part))
            elif get_origin(part) is Annotated:
                parts += [*get_args(part), *part.__metadata__]
            elif not isinstance(part, str):
                parts += get_args(part)
        found[alias] = words
    return found


@pytest.mark.parametrize(("table", "kind", "params"), TELNYX, ids=[kind for _, kind, _ in TELNYX])
def test_the_tables_have_the_names_and_words_of_telnyxs_library(table, kind, params):
    library = of_the_library(params)
    documented = requests(table)[kind].parameters
    assert set(documented) == set(library) - IN_THE_PATH
    for name, words in library.items():
        if words and name not in IN_THE_PATH | FREE:
            assert set(documented[name].words) == words, name


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("create_call", CallList.create),
        ("update_call", CallContext.update),
        ("list_calls", CallList.page),
        ("start_recording", RecordingList.create),
        ("update_recording", RecordingContext.update),
        ("list_recordings", RecordingList.page),
    ],
)
def test_the_tables_have_the_names_of_twilios_library(kind, method):
    def name(parameter: str) -> str:
        parameter = parameter.removesuffix("_").replace("page_number", "page")
        for suffix, sign in (("_before", "<"), ("_after", ">")):
            if parameter.endswith(suffix):
                parameter = parameter.removesuffix(suffix) + sign
        return "".join(part.capitalize() if part.islower() else part for part in parameter.split("_"))

    library = {name(one) for one in inspect.signature(method).parameters if one != "self"}
    assert set(requests("twilio_rest")[kind].parameters) == library
