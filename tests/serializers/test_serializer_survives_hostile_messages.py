"""Nothing that arrives on a media socket ends the call: Pipecat takes any exception for a hang-up."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import Frame, InputAudioRawFrame

from serializers import StreamStart, serializer_for

# A busy machine is no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)

TWILIO = StreamStart(carrier="twilio", stream_id="MZ1", call_id="CA1")
TELNYX = StreamStart(carrier="telnyx", stream_id="6b4f", call_id="v3:abc")
both_carriers = pytest.mark.parametrize("start", [TWILIO, TELNYX], ids=["twilio", "telnyx"])

GOOD_PAYLOAD = base64.b64encode(b"\xff" * 160).decode()
GOOD = json.dumps({"event": "media", "media": {"track": "inbound", "payload": GOOD_PAYLOAD}})


def media(value):
    return json.dumps({"event": "media", "media": value})


NESTED = "[" * 2_000


def how_deep_this_python_reads(text: str) -> str:
    """Python 3.11 gives up on what newer ones read to the end, and then find unfinished."""
    try:
        json.loads(text)
    except RecursionError:
        return "too_deep"
    except ValueError:
        return "not_json"
    raise AssertionError("this is no JSON")


HOSTILE = {
    "empty text": ("", "not_json"),
    "malformed JSON": ('{"event":', "not_json"),
    "not JSON": ("hello", "not_json"),
    "NaN": ('{"event":"media","media":NaN}', "not_json"),
    "a number beyond any float": ('{"event":"media","media":1e999}', "not_json"),
    "a lone surrogate": ('{"event":"mark","mark":{"name":"\\ud800"}}', "not_json"),
    "an enormous integer": ('{"event":"media","media":{"payload":' + "9" * 5000 + "}}", "not_json"),
    "deep nesting": (NESTED, how_deep_this_python_reads(NESTED)),
    "deeper nesting": ("[" * 30_000 + "]" * 30_000, "too_many_parts"),
    "deep nesting in a known event": (
        '{"event":"media","media":' + '{"a":' * 10_000 + "1" + "}" * 10_001,
        "too_many_parts",
    ),
    "thousands of lists": ("{" + '"event":[' + "[]," * 20_000 + "[]]}", "too_many_parts"),
    "JSON array": ("[1,2,3]", "not_an_object"),
    "JSON number": ("42", "not_an_object"),
    "JSON null": ("null", "not_an_object"),
    "JSON string": ('"media"', "not_an_object"),
    "JSON true": ("true", "not_an_object"),
    "binary": (b"\x00\x01\x02", "binary"),
    "binary that is not UTF-8": (b"\xff\xfe\xfd", "binary"),
    "binary JSON": (GOOD.encode(), "binary"),
    "empty binary": (b"", "binary"),
    "a 5 MB payload": (media({"payload": "A" * 5_000_000}), "too_long"),
    "no event": ("{}", "unknown_event"),
    "event null": ('{"event":null}', "unknown_event"),
    "event of a wrong type": ('{"event":{"media":1}}', "unknown_event"),
    "unknown event": ('{"event":"shutdown"}', "unknown_event"),
    "event in capitals": ('{"event":"MEDIA","media":{}}', "unknown_event"),
    "media missing": ('{"event":"media"}', "bad_media"),
    "media null": (media(None), "bad_media"),
    "media a string": (media("abc"), "bad_media"),
    "media a list": (media([]), "bad_media"),
    "payload missing": (media({}), "bad_media"),
    "payload null": (media({"payload": None}), "bad_media"),
    "payload a number": (media({"payload": 12345}), "bad_media"),
    "payload a list": (media({"payload": ["AAAA"]}), "bad_media"),
    "payload empty": (media({"payload": ""}), "bad_media"),
    "bad base64 padding": (media({"payload": "AAAAA"}), "bad_base64"),
    "bad base64 characters": (media({"payload": "AA*A"}), "bad_base64"),
    "base64 with line breaks": (media({"payload": "AAAA\nAAAA"}), "bad_base64"),
    "non-ASCII payload": (media({"payload": "ÄÖÜß"}), "bad_base64"),
    "track of a wrong type": (media({"track": [], "payload": GOOD_PAYLOAD}), "outbound_track"),
    "track null": (media({"track": None, "payload": GOOD_PAYLOAD}), "outbound_track"),
    "dtmf missing": ('{"event":"dtmf"}', "bad_dtmf"),
    "dtmf null": ('{"event":"dtmf","dtmf":null}', "bad_dtmf"),
    "digit missing": ('{"event":"dtmf","dtmf":{}}', "bad_dtmf"),
    "digit a number": ('{"event":"dtmf","dtmf":{"digit":1}}', "bad_dtmf"),
    "digit a list": ('{"event":"dtmf","dtmf":{"digit":["1"]}}', "bad_dtmf"),
    "digit empty": ('{"event":"dtmf","dtmf":{"digit":""}}', "unknown_digit"),
    "digit that no keypad has": ('{"event":"dtmf","dtmf":{"digit":"A"}}', "unknown_digit"),
    "many digits": ('{"event":"dtmf","dtmf":{"digit":"123"}}', "unknown_digit"),
    "mark null": ('{"event":"mark","mark":null}', "bad_mark"),
    "mark name missing": ('{"event":"mark","mark":{}}', "bad_mark"),
    "mark name a number": ('{"event":"mark","mark":{"name":3}}', "bad_mark"),
    "mark name endless": (json.dumps({"event": "mark", "mark": {"name": "x" * 10_000}}), "bad_mark"),
    "mark name with a line break": ('{"event":"mark","mark":{"name":"a\\nb"}}', "bad_mark"),
    "foreign stream": ('{"event":"stop","streamSid":"MZ2","stream_id":"MZ2"}', "foreign_stream"),
    "stream id of a wrong type": ('{"event":"stop","streamSid":[],"stream_id":{}}', "foreign_stream"),
}


@both_carriers
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_message_is_counted_and_the_call_goes_on(start, name):
    message, reason = HOSTILE[name]
    serializer = serializer_for(start)
    assert await serializer.deserialize(message) is None
    assert serializer.ignored == {reason: 1}
    assert isinstance(await serializer.deserialize(GOOD), InputAudioRawFrame)


@pytest.mark.parametrize(
    "shape", [{}, {"payload": None}, {"payload": "x"}, {"error": []}, {"payload": 1, "error": 2}]
)
async def test_a_shapeless_telnyx_error_is_counted(shape):
    serializer = serializer_for(TELNYX)
    assert await serializer.deserialize(json.dumps({"event": "error", **shape})) is None
    assert serializer.ignored == {"bad_error": 1}


@pytest.mark.parametrize(
    "chunk", [None, "", "x", "-1", "1.5", "²", "9" * 5000, 1.5, True, [], {}, -7, 10**30]
)
async def test_a_senseless_chunk_number_only_costs_the_order(chunk):
    serializer = serializer_for(TELNYX)
    for _ in range(3):
        message = media({"track": "inbound", "payload": GOOD_PAYLOAD, "chunk": chunk})
        if len(message) > 5000:
            assert isinstance(chunk, str)
        assert isinstance(await serializer.deserialize(message), InputAudioRawFrame)
    assert not serializer.ignored


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
event_names = st.sampled_from(["media", "dtmf", "mark", "stop", "start", "connected", "error", "clear", "x"])
known_keys = st.sampled_from(
    ["payload", "track", "chunk", "digit", "name", "code", "title", "detail", "timestamp", "x"]
)
messages = st.fixed_dictionaries(
    {"event": event_names | json_values},
    optional={
        key: st.dictionaries(known_keys, json_values | st.sampled_from(["inbound", GOOD_PAYLOAD, "1"]))
        | json_values
        for key in ("media", "dtmf", "mark", "payload", "error", "streamSid", "stream_id")
    },
).map(json.dumps)
anything = messages | json_values.map(json.dumps) | st.text() | st.binary()


@both_carriers
@unhurried
@given(data=st.lists(anything, max_size=8))
async def test_no_sequence_of_messages_raises(start, data):
    serializer = serializer_for(start)
    for message in data:
        frame = await serializer.deserialize(message)
        assert frame is None or isinstance(frame, Frame)
    # `failed` is the net under defects of ours; nothing may fall into it.
    assert "failed" not in serializer.ignored
    before = sum(serializer.ignored.values())
    assert isinstance(await serializer.deserialize(GOOD), InputAudioRawFrame)
    assert sum(serializer.ignored.values()) == before


@both_carriers
async def test_even_a_defect_of_ours_does_not_end_the_call(start, monkeypatch):
    serializer = serializer_for(start)

    def broken(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(serializer._inbound, "decode", broken)
    assert await serializer.deserialize(GOOD) is None
    assert serializer.ignored == {"failed": 1}
