"""The markup that carriers get."""

from xml.etree import ElementTree

import pytest

from carriers.carrier import Meeting, StreamDocument, TransferDocument
from carriers.cloud import CloudError, cloud_documents
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier

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
    assert [(verb.tag, verb.text) for verb in said] == [
        ("Say", "I'm sorry & goodbye."),
        ("Pause", None),
        ("Hangup", None),
    ]
    assert [verb.tag for verb in ElementTree.fromstring(carrier.end_document().encode())] == ["Hangup"]


@BOTH
@pytest.mark.parametrize(
    ("language", "voice", "spoken"),
    [
        ("es", "Polly.Lupe", "es-US"),
        ("es-MX", "Polly.Mia", "es-MX"),
        ("es_ar", "Polly.Lupe", "es-US"),
        ("pt-PT", "Polly.Ines", "pt-PT"),
        ("de", "Polly.Marlene", "de-DE"),
        ("hi", "Polly.Aditi", "hi-IN"),
    ],
)
def test_the_carriers_voice_is_one_of_the_sentences_language(carrier, language, voice, spoken):
    said, *_ = ElementTree.fromstring(carrier.end_document("Hasta luego.", language).encode())
    assert said.attrib == {"voice": voice, "language": spoken}
    transfer = TransferDocument(
        "+14155550100", action_url="https://h/x", say="Un momento.", language=language
    )
    assert ElementTree.fromstring(carrier.transfer_document(transfer).encode())[0].attrib == said.attrib


@BOTH
@pytest.mark.parametrize("language", [None, "en", "en-US", "sv", ""])
def test_english_and_languages_without_a_known_voice_are_left_to_the_default_voice(carrier, language):
    said, *_ = ElementTree.fromstring(carrier.end_document("Goodbye.", language).encode())
    assert said.attrib == {}


def test_a_sentence_is_not_longer_than_twilio_allows():
    said = ElementTree.fromstring(TwilioCarrier().end_document("x" * 5000).encode())
    assert len(said[0].text) == 4096


NUMBER, OWN_NUMBER = "+14155550101", "+14155550100"
BACK = StreamDocument("wss://bot.example.com/ws/x/TOKEN", {"transfer": "sales"}, "https://h/ended")


@BOTH
def test_a_transfer_asks_what_comes_next_and_nothing_follows(carrier):
    document = carrier.transfer_document(
        TransferDocument(NUMBER, OWN_NUMBER, 20, action_url="https://h/dialled")
    )
    response = ElementTree.fromstring(document.encode())
    assert [verb.tag for verb in response] == ["Dial"]
    assert response[0].attrib == {
        "action": "https://h/dialled",
        "method": "POST",
        "timeout": "20",
        "callerId": OWN_NUMBER,
    }
    assert [(noun.tag, noun.text) for noun in response[0]] == [("Number", NUMBER)]


@BOTH
def test_without_webhooks_a_transfer_falls_through_to_the_bot(carrier):
    response = ElementTree.fromstring(
        carrier.transfer_document(TransferDocument(NUMBER, fallback=BACK)).encode()
    )
    alone = ElementTree.fromstring(carrier.stream_document(BACK).encode())
    # An action here would make the verbs behind it unreachable.
    assert response[0].attrib == {"timeout": "25"}
    assert [verb.tag for verb in response] == ["Dial", *[verb.tag for verb in alone]]
    assert [ElementTree.tostring(verb) for verb in response[1:]] == [ElementTree.tostring(v) for v in alone]
    assert parameters(carrier.transfer_document(TransferDocument(NUMBER, fallback=BACK))) == BACK.parameters


@BOTH
def test_a_transfer_may_go_to_a_sip_address(carrier):
    transfer = TransferDocument("sip:desk@pbx.example.com", action_url="https://h/dialled")
    response = ElementTree.fromstring(carrier.transfer_document(transfer).encode())
    assert [(noun.tag, noun.text) for noun in response[0]] == [("Sip", "sip:desk@pbx.example.com")]


@BOTH
@pytest.mark.parametrize("destination", [NUMBER, "sip:desk@pbx.example.com"])
def test_a_transfer_tells_at_once_when_it_is_answered(carrier, destination):
    transfer = TransferDocument(
        destination, action_url="https://h/dialled", answered_url="https://h/answered?call=1&x=2"
    )
    (noun,) = ElementTree.fromstring(carrier.transfer_document(transfer).encode())[0]
    assert noun.attrib == {
        "statusCallback": "https://h/answered?call=1&x=2",
        "statusCallbackEvent": "answered",
    }


def test_telnyx_comes_back_with_its_codec():
    document = TelnyxCarrier(codec="PCMA").transfer_document(TransferDocument(NUMBER, fallback=BACK))
    assert next(ElementTree.fromstring(document.encode()).iter("Stream")).get("bidirectionalCodec") == "PCMA"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"destination": "4165550101"}, "destination is neither"),
        ({"destination": "+1415{{From}}"}, "destination is neither"),
        ({"caller_id": "anonymous"}, "caller_id is neither"),
        ({"ring_timeout_secs": 3}, "ring_timeout_secs"),
        ({"action_url": None}, "exactly one"),
        ({"fallback": BACK}, "exactly one"),
        ({"refer": True}, "can only lead to one"),
    ],
)
def test_a_transfer_that_would_lose_the_caller_is_refused(fields, named):
    good = {"destination": NUMBER, "action_url": "https://h/dialled"}
    with pytest.raises(ValueError, match=named) as caught:
        TransferDocument(**{**good, **fields})
    assert not fields.get("destination") or fields["destination"] not in str(caught.value)


@BOTH
def test_a_sip_caller_may_be_sent_on_by_refer(carrier):
    transfer = TransferDocument(
        "sip:desk@pbx.example.com", action_url="https://h/referred?a=1&b=2", refer=True
    )
    response = ElementTree.fromstring(carrier.transfer_document(transfer).encode())
    assert [verb.tag for verb in response] == ["Refer"]
    assert response[0].attrib == {"action": "https://h/referred?a=1&b=2", "method": "POST"}
    assert [(noun.tag, noun.text) for noun in response[0]] == [("Sip", "sip:desk@pbx.example.com")]


@BOTH
def test_without_webhooks_a_refer_that_fails_falls_through_to_the_bot(carrier):
    transfer = TransferDocument("sip:desk@pbx.example.com", fallback=BACK, refer=True)
    response = ElementTree.fromstring(carrier.transfer_document(transfer).encode())
    alone = ElementTree.fromstring(carrier.stream_document(BACK).encode())
    assert (response[0].tag, response[0].attrib) == ("Refer", {})
    assert [ElementTree.tostring(verb) for verb in response[1:]] == [ElementTree.tostring(v) for v in alone]


@pytest.mark.parametrize(
    ("carrier", "own"),
    [(TwilioCarrier(), {"waitUrl": "", "jitterBufferSize": "small"}), (TelnyxCarrier(), {})],
)
def test_two_calls_meet_in_a_silent_room_that_ends_with_either(carrier, own):
    response = ElementTree.fromstring(carrier.conference_document(Meeting("call_1")).encode())
    # Neither a time limit nor a Pause that would outlive the conversation, or cut it off.
    assert [(verb.tag, verb.attrib) for verb in response] == [("Dial", {})]
    (room,) = response[0]
    assert (room.tag, room.text) == ("Conference", "call_1")
    assert room.attrib == {
        "beep": "false",
        "startConferenceOnEnter": "true",
        "endConferenceOnExit": "true",
        **own,
    }


@BOTH
def test_the_callers_next_document_is_asked_for_when_the_two_have_talked(carrier):
    document = carrier.conference_document(Meeting("call_1", "https://h/dialled?call=1&t=x"))
    dial = ElementTree.fromstring(document.encode())[0]
    assert dial.attrib == {"action": "https://h/dialled?call=1&t=x", "method": "POST"}


@pytest.mark.parametrize("name", ["", "a b", "{{From}}", "+14155550100", "<b>", "x" * 65, "a\n"])
def test_a_meeting_has_a_name_that_nobody_can_take_for_something_else(name):
    with pytest.raises(ValueError, match="name must be"):
        Meeting(name)


def test_nothing_that_telnyx_would_take_for_a_template_gets_into_what_follows_a_transfer():
    carrier = TelnyxCarrier()
    url = "https://h/{{From}}"
    for document in (
        carrier.transfer_document(TransferDocument(NUMBER, action_url=url)),
        carrier.transfer_document(TransferDocument("sip:a@h", action_url=url, refer=True)),
        carrier.conference_document(Meeting("call_1", url)),
    ):
        assert "{{" not in document


@BOTH
def test_keys_are_pressed_then_the_bot_is_back(carrier):
    response = ElementTree.fromstring(carrier.digits_document("ww12#*", BACK).encode())
    alone = ElementTree.fromstring(carrier.stream_document(BACK).encode())
    assert (response[0].tag, response[0].attrib) == ("Play", {"digits": "ww12#*"})
    assert [ElementTree.tostring(verb) for verb in response[1:]] == [ElementTree.tostring(v) for v in alone]


def test_telnyx_gets_a_long_pause_as_two_short_ones():
    response = ElementTree.fromstring(TelnyxCarrier().digits_document("1W2", BACK).encode())
    assert response[0].get("digits") == "1ww2"


@pytest.mark.parametrize("digits", ["", "12 34", "E", "<", "1" * 65])
@BOTH
def test_what_is_no_key_is_refused(carrier, digits):
    with pytest.raises(ValueError, match="digits must be"):
        carrier.digits_document(digits, BACK)


def test_only_twilios_markup_knows_the_keys_from_a_to_d():
    assert 'digits="AD"' in TwilioCarrier().digits_document("AD", BACK)
    with pytest.raises(ValueError, match="digits must be"):
        TelnyxCarrier().digits_document("AD", BACK)


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
