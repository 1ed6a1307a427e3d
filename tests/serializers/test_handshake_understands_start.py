"""What the handshake reads from a `start` message: ids, numbers, audio format, parameters, agent."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serializers import HandshakeError, MediaFormat, StreamStart
from serializers.handshake import parse_start

# A busy machine is no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)

CALL_CONTROL_ID = "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"


def twilio(query=None, body=None, **start):
    fields = {
        "streamSid": "MZ0123456789abcdef0123456789abcdef",
        "accountSid": "AC0123456789abcdef0123456789abcdef",
        "callSid": "CA0123456789abcdef0123456789abcdef",
        "tracks": ["inbound"],
        "customParameters": {},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    } | start
    message = {"event": "start", "sequenceNumber": "1", "streamSid": fields["streamSid"], "start": fields}
    return parse_start(message, query=query or {}, body=body)


def telnyx(query=None, body=None, stream_id="6b4f1c1e-0000-4000-8000-000000000000", **start):
    fields = {
        "user_id": "3e6f8b0a-0000-4000-8000-000000000000",
        "call_control_id": CALL_CONTROL_ID,
        "call_session_id": "ff55a038-6f5d-11ef-9692-02420aef0000",
        "from": "+15550100",
        "to": "+15550199",
        "tags": [],
        "client_state": None,
        "custom_parameters": {},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    } | start
    message = {"event": "start", "sequence_number": "1", "stream_id": stream_id, "start": fields}
    return parse_start(message, query=query or {}, body=body)


def b64(value, *, urlsafe=False, padding=True):
    raw = (
        value
        if isinstance(value, bytes)
        else value.encode()
        if isinstance(value, str)
        else json.dumps(value).encode()
    )
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(raw).decode()
    return text if padding else text.rstrip("=")


both_carriers = pytest.mark.parametrize("parse", [twilio, telnyx])

# --- ids and numbers --------------------------------------------------------------------------------------------------


def test_twilio_start():
    assert twilio(customParameters={"topic": "rent"}) == StreamStart(
        carrier="twilio",
        stream_id="MZ0123456789abcdef0123456789abcdef",
        call_id="CA0123456789abcdef0123456789abcdef",
        media_format=MediaFormat("PCMU", 8000, 1),
        from_number=None,
        to_number=None,
        account_id="AC0123456789abcdef0123456789abcdef",
        session_id=None,
        parameters={"topic": "rent"},
        service_host=None,
    )


def test_telnyx_start():
    assert telnyx(custom_parameters={"topic": "rent"}) == StreamStart(
        carrier="telnyx",
        stream_id="6b4f1c1e-0000-4000-8000-000000000000",
        call_id=CALL_CONTROL_ID,
        media_format=MediaFormat("PCMU", 8000, 1),
        from_number="+15550100",
        to_number="+15550199",
        account_id="3e6f8b0a-0000-4000-8000-000000000000",
        session_id="ff55a038-6f5d-11ef-9692-02420aef0000",
        parameters={"topic": "rent"},
        service_host=None,
    )


EVIL_IDS = [
    "../../x?y=",
    "CA1/../CA2",
    "CA1/x",
    "CA1?x",
    "CA1#x",
    "CA1%2e",
    "CA 1",
    "CA1\n",
    "CA1\x00",
    "..",
    "a..b",
    "",
    "CÄ1",
    "CA1\\x",
    "x" * 257,
    None,
    7,
    [],
    {},
    True,
]


@pytest.mark.parametrize("evil", EVIL_IDS)
def test_an_id_that_could_leave_its_place_in_a_url_is_refused(evil):
    with pytest.raises(HandshakeError, match="no usable callSid: it must be"):
        twilio(callSid=evil)
    with pytest.raises(HandshakeError, match="no usable call_control_id"):
        telnyx(call_control_id=evil)
    with pytest.raises(HandshakeError, match="no usable streamSid"):
        twilio(streamSid=evil)
    with pytest.raises(HandshakeError, match="no usable stream_id"):
        telnyx(stream_id=evil)
    assert twilio(accountSid=evil).account_id is None
    assert telnyx(call_session_id=evil, user_id=evil).session_id is None


def test_the_refusal_does_not_repeat_the_id():
    with pytest.raises(HandshakeError) as caught:
        twilio(callSid="<script>")
    assert "script" not in str(caught.value)


@pytest.mark.parametrize(
    "call_id", ["v2:7subYr8fLrXmaAXm8egeAMpoSJ72J3SGPUuome81-hQuaKRf9b7hKA", "a_b.c=+~-:9", "x" * 256]
)
def test_all_ids_that_carriers_use_are_taken(call_id):
    assert telnyx(call_control_id=call_id).call_id == call_id


def test_a_missing_stream_sid_in_start_is_taken_from_the_message():
    message = {"event": "start", "streamSid": "MZ9", "start": {"callSid": "CA9"}}
    assert parse_start(message, query={}).stream_id == "MZ9"


@pytest.mark.parametrize(
    "caller", ["+15550100", "anonymous", "sip:bob@example.com", "Restricted", "266696687"]
)
def test_callers_are_kept_as_the_carrier_writes_them(caller):
    assert telnyx(**{"from": caller}).from_number == caller
    assert twilio(customParameters={"from_number": caller}).from_number == caller


@pytest.mark.parametrize("caller", [None, "", 15550100, ["+15550100"], "x" * 257, "+1\n555"])
def test_a_caller_that_is_no_text_is_unknown(caller):
    assert telnyx(**{"from": caller}).from_number is None


def test_twilio_numbers_come_from_parameters():
    start = twilio(customParameters={"from": "+1", "to": "+2"})
    assert (start.from_number, start.to_number) == ("+1", "+2")
    start = twilio(customParameters={"from_number": "+3", "to_number": "+4", "from": "+1", "to": "+2"})
    assert (start.from_number, start.to_number) == ("+3", "+4")
    start = twilio(body={"from_number": "+5", "to_number": 6})
    assert (start.from_number, start.to_number) == ("+5", None)


def test_telnyx_numbers_come_from_start_before_parameters():
    start = telnyx(custom_parameters={"from_number": "+7", "to_number": "+8"}, to=None)
    assert (start.from_number, start.to_number) == ("+15550100", "+8")


# --- audio format -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"encoding": "PCMA", "sample_rate": 8000, "channels": 1}, MediaFormat("PCMA", 8000, 1)),
        ({"encoding": "audio/x-mulaw", "sample_rate": 8000, "channels": 1}, MediaFormat("PCMU", 8000, 1)),
        ({"encoding": "L16", "sample_rate": 16000, "channels": 1}, MediaFormat("L16", 16000, 1)),
        ({"encoding": "l16", "sample_rate": 24000, "channels": 1}, MediaFormat("L16", 24000, 1)),
        ({"encoding": "L16"}, MediaFormat("L16", 16000, 1)),
        ({"encoding": "OPUS", "sample_rate": 16000, "channels": 2}, MediaFormat("OPUS", 16000, 2)),
        ({"encoding": "PCMU", "sample_rate": "8000", "channels": "1"}, MediaFormat("PCMU", 8000, 1)),
        ({"encoding": "PCMU", "sample_rate": -1, "channels": 0}, MediaFormat("PCMU", 8000, 1)),
        ({"encoding": "PCMU", "sample_rate": 10**9, "channels": True}, MediaFormat("PCMU", 8000, 1)),
        ({"encoding": 7}, MediaFormat("PCMU", 8000, 1)),
        ({}, MediaFormat("PCMU", 8000, 1)),
        (None, MediaFormat("PCMU", 8000, 1)),
        ("PCMA", MediaFormat("PCMU", 8000, 1)),
    ],
)
def test_media_format(fields, expected):
    assert telnyx(media_format=fields).media_format == expected


# --- parameters -------------------------------------------------------------------------------------------------------


def test_twilio_parameters_are_text_only():
    custom = {"a": "1", "b": 2, "c": None, "d": ["x"], "e": {"f": "g"}, "h": ""}
    assert twilio(customParameters=custom).parameters == {"a": "1", "h": ""}


@pytest.mark.parametrize("custom", [None, "x", 3, ["a"], []])
def test_parameters_of_a_wrong_type_are_none(custom):
    assert twilio(customParameters=custom).parameters == {}


def test_telnyx_parameters_as_object_and_as_list():
    assert telnyx(custom_parameters={"a": "1", "b": 2, "c": None, "d": []}).parameters == {"a": "1", "b": 2}
    listed = [
        {"name": "a", "value": "1"},
        {"name": "b"},
        {"value": "x"},
        {"name": 3, "value": "x"},
        "x",
        None,
    ]
    assert telnyx(custom_parameters=listed).parameters == {"a": "1"}
    assert telnyx(custom_parameters="x").parameters == {}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (b64({"order": 7, "vip": True}), {"order": 7, "vip": True}),
        (b64("campaign-12"), {"client_state": "campaign-12"}),
        (b64("[1, 2]"), {"client_state": "[1, 2]"}),
        (b64("12"), {"client_state": "12"}),
        (b64("[" * 5000), {"client_state": "[" * 5000}),
        (b64("Grüße"), {"client_state": "Grüße"}),
        (b64(b"\xff\xfe\x00"), {}),
        ("not base64!", {}),
        ("YWI", {}),
        ("", {}),
        (None, {}),
        (7, {}),
        ({"a": 1}, {}),
    ],
)
def test_client_state(state, expected):
    assert telnyx(client_state=state).parameters == expected


@both_carriers
@pytest.mark.parametrize("urlsafe", [False, True])
@pytest.mark.parametrize("padding", [False, True])
@pytest.mark.parametrize(
    "value", [{"a": "1"}, {"a": "12"}, {"a": "???>>>"}, {"a": {"b": [1, None]}}, {"ü": "ß~ÿ"}]
)
def test_body_of_the_query(parse, urlsafe, padding, value):
    assert parse(query={"body": b64(value, urlsafe=urlsafe, padding=padding)}).parameters == value


def test_a_plus_that_became_a_space_in_the_query_is_restored():
    text = b64(json.dumps({"a": "~~~~ÿÿ"}, ensure_ascii=False))
    assert "+" in text
    assert twilio(query={"body": text.replace("+", " ")}).parameters == {"a": "~~~~ÿÿ"}


@both_carriers
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "%%%",
        b64([1]),
        b64("text"),
        b64(b"\xff"),
        b64("[" * 3000),
        b64({"a": "x" * 9000}),
        b64("{"),
        "ÄÖ",
    ],
)
def test_an_unusable_body_is_ignored(parse, text):
    assert parse(query={"body": text}).parameters == {}


@both_carriers
@pytest.mark.parametrize("body", [None, "x", 3, [], [1]])
def test_a_decoded_body_that_is_no_object_is_ignored(parse, body):
    assert parse(body=body).parameters == {}


def test_the_nearer_to_the_call_wins():
    query = {"body": b64({"a": "query", "b": "query", "c": "query", "d": "query"})}
    body = {"b": "body", "c": "body", "d": "body"}
    start = telnyx(
        query=query,
        body=body,
        client_state=b64({"c": "state", "d": "state"}),
        custom_parameters={"d": "custom"},
    )
    assert start.parameters == {"a": "query", "b": "body", "c": "state", "d": "custom"}
    assert twilio(query=query, body=body, customParameters={"c": "custom"}).parameters == {
        "a": "query",
        "b": "body",
        "c": "custom",
        "d": "body",
    }


@both_carriers
def test_the_query_of_the_address_is_parameters_that_all_others_win_over(parse):
    query = {"serviceHost": "desk.my-org", "customer": "Ann Bell", "vip": "yes", "body": b64({"vip": "no"})}
    assert parse(query=query).parameters == {"customer": "Ann Bell", "vip": "no"}
    assert parse(query=query, body={"customer": "Bob"}).parameters == {"customer": "Bob", "vip": "no"}


@both_carriers
@pytest.mark.parametrize(
    "name",
    [
        "call_id",
        "token",
        "serviceHost",
        "_phonebot0",
        "_pipecatCloudServiceHost",
        "a.b",
        "9",
        "",
        "ä",
        "a" * 65,
    ],
)
def test_what_an_address_may_not_say_is_no_parameter(parse, name):
    assert parse(query={name: "desk.my-org", "ok": "1"}).parameters == {"ok": "1"}


@both_carriers
@pytest.mark.parametrize("value", ["", "x" * 257, "a\x00b", "a\nb"])
def test_a_query_value_that_is_no_short_line_is_no_parameter(parse, value):
    assert parse(query={"a": value, "ok": "1"}).parameters == {"ok": "1"}


@both_carriers
def test_a_query_has_only_so_many_parameters(parse):
    assert len(parse(query={f"p{number}": "x" for number in range(1000)}).parameters) == 32


def test_the_given_body_is_not_changed():
    body = {"_pipecatCloudServiceHost": "a.b", "x": "1"}
    assert twilio(body=body).parameters == {"x": "1"}
    assert body == {"_pipecatCloudServiceHost": "a.b", "x": "1"}


# --- the agent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service_host", "agent"),
    [
        ("receptionist.acme", "receptionist"),
        ("front.desk.acme", "front.desk"),
        ("receptionist", "receptionist"),
        ("my_agent-2.acme-inc", "my_agent-2"),
    ],
)
def test_the_agent_is_all_before_the_last_dot(service_host, agent):
    by_parameter = twilio(customParameters={"_pipecatCloudServiceHost": service_host, "x": "1"})
    assert (by_parameter.service_host, by_parameter.agent) == (service_host, agent)
    assert by_parameter.parameters == {"x": "1"}
    by_query = telnyx(query={"serviceHost": service_host})
    assert (by_query.service_host, by_query.agent) == (service_host, agent)
    assert telnyx(custom_parameters={"_pipecatCloudServiceHost": service_host}).agent == agent


def test_each_carriers_own_way_of_naming_the_agent_wins():
    parameter, query = {"_pipecatCloudServiceHost": "p.org"}, {"serviceHost": "q.org"}
    assert twilio(customParameters=parameter, query=query).agent == "p"
    assert telnyx(custom_parameters=parameter, query=query).agent == "q"


@pytest.mark.parametrize(
    "evil", ["../../etc.passwd", ".acme", "acme.", "a..b", "a/b.c", "a b.c", "a\n.c", "ä.c", "x" * 257, "."]
)
def test_an_impossible_agent_is_ignored(evil):
    start = twilio(customParameters={"_pipecatCloudServiceHost": evil})
    assert start.service_host is None
    assert start.agent is None
    assert start.parameters == {}
    assert telnyx(query={"serviceHost": evil}).agent is None


# --- anything at all --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@unhurried
@given(
    parse=st.sampled_from([twilio, telnyx]),
    fields=st.dictionaries(
        st.sampled_from(
            "streamSid callSid accountSid customParameters mediaFormat from to client_state "
            "call_control_id custom_parameters media_format user_id call_session_id".split()
        ),
        json_values,
    ),
    query=st.dictionaries(st.sampled_from(["body", "serviceHost", "x"]), st.text()),
    body=json_values,
)
def test_any_start_is_understood_or_refused(parse, fields, query, body):
    try:
        start = parse(query=query, body=body, **fields)
    except HandshakeError:
        return
    assert start.call_id.isascii()
    assert start.stream_id.isascii()
    assert not set("/?#% ") & set(start.call_id + start.stream_id)
    assert isinstance(start.parameters, dict)
    assert start.media_format.sample_rate > 0
