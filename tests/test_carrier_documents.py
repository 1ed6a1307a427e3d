"""The markup that carriers get."""

from xml.etree import ElementTree

import pytest

from carriers.carrier import StreamDocument
from carriers.cloud import CloudError, cloud_documents
from carriers.telnyx import TelnyxCarrier
from carriers.twilio import TwilioCarrier

DOCUMENT = StreamDocument(
    stream_url="wss://bot.example.com/ws/x/TOKEN",
    parameters={"agent": "receptionist", "from_number": "+14155550100", "note": 'a "quoted" <b> & ü'},
    ended_url="https://bot.example.com/x/connect-ended",
)
BOTH = pytest.mark.parametrize(
    "carrier", [TwilioCarrier(), TelnyxCarrier()], ids=lambda carrier: carrier.name
)


def parameters(document: str) -> dict[str, str]:
    return {
        p.get("name"): p.get("value") for p in ElementTree.fromstring(document.encode()).iter("Parameter")
    }


def test_twilio_connects_the_call_and_asks_what_comes_next():
    response = ElementTree.fromstring(TwilioCarrier().stream_document(DOCUMENT).encode())
    assert [verb.tag for verb in response] == ["Connect"]  # no Pause that would keep the caller in silence
    assert response[0].attrib == {"action": DOCUMENT.ended_url, "method": "POST"}
    assert response[0][0].attrib == {"url": DOCUMENT.stream_url}


def test_telnyx_streams_raw_audio_both_ways_and_redirects_afterwards():
    response = ElementTree.fromstring(TelnyxCarrier().stream_document(DOCUMENT).encode())
    assert [verb.tag for verb in response] == ["Connect", "Redirect"]
    assert response[0].attrib == {}
    assert response[0][0].attrib == {
        "url": DOCUMENT.stream_url,
        "bidirectionalMode": "rtp",
        "bidirectionalCodec": "PCMU",
        "enableReconnect": "false",
    }
    assert (response[1].text, response[1].get("method")) == (DOCUMENT.ended_url, "POST")


def test_telnyx_l16_is_asked_for_in_both_directions():
    document = TelnyxCarrier(codec="L16").stream_document(DOCUMENT)
    stream = next(ElementTree.fromstring(document.encode()).iter("Stream"))
    assert stream.get("codec") == stream.get("bidirectionalCodec") == "L16"
    assert stream.get("bidirectionalSamplingRate") == "16000"


@BOTH
def test_parameters_arrive_as_they_were_given(carrier):
    assert parameters(carrier.stream_document(DOCUMENT)) == DOCUMENT.parameters


@BOTH
@pytest.mark.parametrize(
    ("name", "value"), [("long", "x" * 496), ("", "nameless"), ("control", "a\x00b"), ("lone", "\ud800")]
)
def test_a_parameter_that_a_carrier_would_refuse_is_left_out_and_the_call_goes_on(carrier, name, value):
    document = carrier.stream_document(StreamDocument("wss://h/ws", {name: value, "kept": "yes"}))
    assert parameters(document) == {"kept": "yes"}


@BOTH
def test_the_longest_parameter_is_kept(carrier):
    assert parameters(carrier.stream_document(StreamDocument("wss://h/ws", {"long": "x" * 495})))


def test_nothing_that_telnyx_would_take_for_a_template_gets_into_its_markup():
    carrier = TelnyxCarrier()
    document = carrier.stream_document(
        StreamDocument(
            "wss://h/{{ws}}", {"note": "{{From}}", "{{x}}": "y", "kept": "{ok}"}, "https://h/{{x}}"
        )
    )
    assert "{{" not in document + carrier.end_document("Hello {{{From}}}")
    assert parameters(document) == {"kept": "{ok}"}


@BOTH
def test_a_call_ends_after_a_sentence_or_without_one(carrier):
    said = ElementTree.fromstring(carrier.end_document("I'm sorry & goodbye.\x07").encode())
    assert [(verb.tag, verb.text) for verb in said] == [("Say", "I'm sorry & goodbye."), ("Hangup", None)]
    assert [verb.tag for verb in ElementTree.fromstring(carrier.end_document().encode())] == ["Hangup"]


def test_a_sentence_is_not_longer_than_twilio_allows():
    said = ElementTree.fromstring(TwilioCarrier().end_document("x" * 5000).encode())
    assert len(said[0].text) == 4096


def test_pipecat_clouds_bins_name_the_agent_and_the_region():
    documents = cloud_documents("receptionist.my-org", "eu-central")
    twilio = ElementTree.fromstring(documents["twilio"].encode())
    assert twilio[0][0].get("url") == "wss://eu-central.api.pipecat.daily.co/ws/twilio"
    assert parameters(documents["twilio"]) == {
        "_pipecatCloudServiceHost": "receptionist.my-org",
        "from_number": "{{From}}",
        "to_number": "{{To}}",
    }
    telnyx = ElementTree.fromstring(documents["telnyx"].encode())
    assert telnyx[0][0].attrib == {
        "url": "wss://eu-central.api.pipecat.daily.co/ws/telnyx?serviceHost=receptionist.my-org",
        "bidirectionalMode": "rtp",
        "enableReconnect": "false",
    }
    assert "wss://api.pipecat.daily.co/ws/twilio" in cloud_documents("receptionist.my-org")["twilio"]


@pytest.mark.parametrize(
    ("agent", "region", "named"),
    [
        ("receptionist", None, "AGENT.ORGANISATION"),
        ("a.b", "mars", "us-west, us-east"),
        ("a.b&c", None, "AGENT"),
    ],
)
def test_a_wrong_cloud_agent_or_region_is_one_line(agent, region, named):
    with pytest.raises(CloudError, match=named) as caught:
        cloud_documents(agent, region)
    assert "\n" not in str(caught.value)
