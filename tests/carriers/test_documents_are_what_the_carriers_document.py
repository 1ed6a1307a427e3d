"""Every TwiML and TeXML document that callers are given, against the tables of the two languages."""

import itertools

import pytest

from carriers.cloud import cloud_documents
from carriers.documents import Meeting, MessageDocument, TransferDocument
from carriers.streams import StreamDocument
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from emulator import HangUp, PhoneNetwork, Wait
from emulator.documents.languages import verbs, warnings
from emulator.documents.parsing import parse_document
from tests.fake_bot import FakeBot

NUMBER, SIP = "+14155550101", "sip:desk@pbx.example.com;transport=tls"
STREAMS = [
    StreamDocument("wss://bot.example.com/ws/x/TOKEN"),
    StreamDocument("wss://bot.example.com/ws/x/TOKEN", {"agent": "desk", "note": "a & <b> {{x}}"}),
    StreamDocument("wss://bot.example.com/ws", {"a": "1"}, "https://bot.example.com/ended?call=c1&key=k"),
]
TRANSFERS = [
    TransferDocument(
        destination,
        caller_id=caller_id,
        ring_timeout_secs=ring_secs,
        action_url="https://bot.example.com/dialled?call=c1" if back is None else None,
        answered_url=answered,
        fallback=back,
    )
    for destination, caller_id, ring_secs, answered, back in itertools.product(
        (NUMBER, SIP),
        (None, "+14155550100"),
        (5, 120),
        (None, "https://bot.example.com/answered"),
        (None, STREAMS[1]),
    )
]
REFERS = [
    TransferDocument(SIP, action_url="https://bot.example.com/referred", refer=True),
    TransferDocument(SIP, fallback=STREAMS[0], refer=True),
]
MEETINGS = [Meeting("room-1"), Meeting("room-1", ended_url="https://bot.example.com/left")]
URLS = ("https://bot.example.com/message?call=1&key=2", "https://bot.example.com/recording?call=1&key=2")
SENTENCES = [None, "Sorry, please call again.", "Tom & <Ann> say {{hello}}"]


def documents():
    for language, builder in (
        ("twiml", TwilioCarrier()),
        ("texml", TelnyxCarrier()),
        ("texml", TelnyxCarrier(codec="PCMA")),
    ):
        for document in STREAMS:
            yield language, builder.stream_document(document)
            yield language, builder.digits_document("0123456789*#wW", document)
        for document in (*TRANSFERS, *REFERS):
            yield language, builder.transfer_document(document)
        for meeting in MEETINGS:
            yield language, builder.conference_document(meeting)
        for sentence in SENTENCES:
            yield language, builder.end_document(sentence)
        for sentence in SENTENCES[1:]:
            yield language, builder.message_document(MessageDocument(sentence, "de", "Bye.", *URLS, 120, 5))
        for spoken in ("es-MX", "pl"):
            yield language, builder.end_document("Adios.", spoken)
    for language, carrier in (("twiml", "twilio"), ("texml", "telnyx")):
        yield language, cloud_documents("desk.my-company")[carrier]


def warned(language, text):
    return warnings(parse_document(text.encode(), verbs(language)), language)


@pytest.mark.parametrize(("language", "text"), documents())
def test_no_document_of_ours_is_warned_of(language, text):
    assert warned(language, text) == []


def test_only_the_codec_that_telnyx_does_not_document_for_texml_is_warned_of():
    """The doctor says so too: it is documented for calls that commands run."""
    found = warned("texml", TelnyxCarrier(codec="L16").stream_document(STREAMS[0]))
    assert {warning.split("> ")[0] for warning in found} == {
        "TeXML <Stream codec",
        "TeXML <Stream bidirectionalCodec",
    }


@pytest.mark.parametrize(
    ("language", "inner", "warning"),
    [
        ("twiml", '<Dial timeot="5">+14155550101</Dial>', "12200 <Dial> has no attribute timeot"),
        ("twiml", '<Dial callerid="+1">+14155550101</Dial>', "12200 <Dial> has no attribute callerid"),
        ("twiml", "<Dial><Numbr>1</Numbr></Dial>", "12200 <Numbr> cannot be inside of <Dial>"),
        ("twiml", "<Connect><Say>x</Say></Connect>", "12200 <Say> cannot be inside of <Connect>"),
        (
            "twiml",
            '<Dial timeout="4">+14155550101</Dial>',
            "12200 <Dial timeout> must be at least 5 and at most 600",
        ),
        ("twiml", '<Redirect method="PUT">/x</Redirect>', "12200 <Redirect method> must be one of GET, POST"),
        (
            "twiml",
            '<Connect><Stream url="ws://bot.example.com/ws"/></Connect>',
            "12200 <Stream url> must be an absolute wss URL",
        ),
        (
            "twiml",
            '<Connect><Stream url="wss://h/ws" bidirectionalMode="rtp"/></Connect>',
            "12200 <Stream> has no attribute bidirectionalMode",
        ),
        (
            "twiml",
            '<Connect><Stream url="wss://h/ws"><Parameter nam="a" value="b"/></Stream></Connect>',
            "12200 <Parameter> has no attribute nam",
        ),
        (
            "twiml",
            "<Dial><Number>4155550101</Number></Dial>",
            "12200 the text in <Number> is not of the documented form",
        ),
        (
            "twiml",
            "<Dial><Sip>desk@example.com</Sip></Dial>",
            "12200 the text in <Sip> is not of the documented form",
        ),
        (
            "twiml",
            '<Dial><Number statusCallback="https://h/" statusCallbackEvent="answerd">+14155550101</Number></Dial>',
            "12200 <Number statusCallbackEvent> has answerd; there are initiated, ringing, answered, completed",
        ),
        ("texml", '<Connect action="https://h/n"/>', "TeXML <Connect> has no attribute action"),
        (
            "texml",
            '<Connect><Stream url="wss://h/ws" bidirectionalmode="rtp"/></Connect>',
            "TeXML <Stream> has no attribute bidirectionalmode",
        ),
        (
            "texml",
            '<Dial><Conference jitterBufferSize="small">room</Conference></Dial>',
            "TeXML <Conference> has no attribute jitterBufferSize",
        ),
        ("texml", '<Play digits="1W"/>', "TeXML <Play digits> is not of the documented form"),
        ("texml", '<Pause length="200"/>', "TeXML <Pause length> must be at least 1 and at most 180"),
        (
            "texml",
            f'<Redirect method="POST">https://h/{"x" * 2000}</Redirect>',
            "TeXML the text in <Redirect> has 2010 characters, at most 2000 are allowed",
        ),
        (
            "texml",
            '<Redirect method="POST">http://bot.example.com/n</Redirect>',
            "TeXML the text in <Redirect> must be an absolute https URL",
        ),
    ],
)
def test_what_a_language_does_not_have_is_warned_of(language, inner, warning):
    assert warning in warned(language, f"<Response>{inner}</Response>")


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_warning_is_an_error_of_the_call_and_the_document_is_carried_out(carrier):
    documents = {f"/{carrier}/voice": '<Pause lenght="9"/><Say>hello</Say><Hangup/>'}
    async with FakeBot(None, documents) as bot, PhoneNetwork(carrier) as network:
        result = await network.call(bot.url, [Wait(9), HangUp()])
    (told,) = result.timeline.of("warning")
    assert told.text.endswith("<Pause> has no attribute lenght")
    assert result.timeline.of("say")
    assert told.text in result.report.errors
    assert not result.report.passed
