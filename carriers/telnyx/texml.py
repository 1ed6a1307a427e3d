"""Telnyx's markup. Always built as a tree, never by joining strings.

TeXML resembles TwiML, but its attributes differ, so Twilio's builder would be the wrong tool: it has no
`bidirectionalMode`, and has an `action` that TeXML does not document. A finished document passes through a
Mustache template at Telnyx, hence the care about `{{`. Source: Telnyx TeXML docs, TeXML interpreter.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from carriers.dialling import is_sip
from carriers.documents import (
    MESSAGE_ENDS_ON,
    Meeting,
    MessageDocument,
    TransferDocument,
    checked_digits,
    speakable,
)
from carriers.saying import voice_of
from carriers.streams import Meanwhile, StreamDocument, usable_parameters
from carriers.telnyx.addresses import telnyx_address

TEMPLATE_BRACES = "{{"

FIRST_WAIT_SECS = 1
"""How long a document waits without a word before its second attempt to open the media socket."""

KEPT_WAIT_SECS = 4
"""How long the document waits that Telnyx keeps, before it asks us the only time."""

WAIT_SECS = (2,) * 8
"""How long it waits before each further one, besides what it says: half a minute in all."""


class TexmlDocuments:
    """The part of a `Carrier` that writes documents.

    Parameters:
        _codec: What we send: PCMU, PCMA or L16. What we get is the codec of the call itself, except with L16.
    """

    _codec: str

    def stream_document(self, document: StreamDocument) -> str:
        """`<Connect><Stream>`: the call is connected with the bot until one side ends the stream.

        `bidirectionalMode` must be `rtp`, since raw audio is not heard in the default `mp3` mode. What comes after the
        stream is a `<Redirect>`, as no `action` of `<Connect>` is documented.

        When that address cannot be reached, the call is over: only the first address of a call has another one behind
        it. So with `meanwhile` the carrier dials a dropped socket again (`enableReconnect`), and the document itself
        waits and tries again, for `WAIT_SECS` and some more. Without, the carrier must not: a bot that had nothing
        but its socket to end the call with would be called back.

        Source: Telnyx docs, TeXML verbs Stream, Connect, Pause and Redirect; TeXML instruction fetching. How often and
        when a dropped socket is dialled again is not documented, nor that the next verb follows a stream that could not
        begin; it does after one that was closed.

        Raises:
            CarrierRejected: An address that Telnyx would not take.
        """
        response = Element("Response")
        _connect(response, document, self._codec)
        return _text(response)

    def transfer_document(self, document: TransferDocument) -> str:
        """`<Dial>`, or with `refer` `<Refer>`: what comes after is as with TwiML.

        Source: Telnyx docs, TeXML verbs Dial, Number, Sip and Refer.

        Raises:
            CarrierRejected: An address that Telnyx would not take.
        """
        response = Element("Response")
        if document.say:
            SubElement(response, "Say", voice_of(document.language)).text = _spaced(speakable(document.say))
        after = {}
        if document.action_url:
            after = {"action": _address(document.action_url), "method": "POST"}
        if document.refer:
            SubElement(SubElement(response, "Refer", after), "Sip").text = document.destination
        else:
            dial = SubElement(response, "Dial", {**after, "timeout": str(document.ring_timeout_secs)})
            if document.caller_id:
                dial.set("callerId", document.caller_id)
            noun = SubElement(dial, "Sip" if is_sip(document.destination) else "Number")
            noun.text = document.destination
            if document.answered_url:
                noun.set("statusCallback", _address(document.answered_url))
                noun.set("statusCallbackEvent", "answered")
        if document.fallback:
            _connect(response, document.fallback, self._codec)
        return _text(response)

    def conference_document(self, meeting: Meeting) -> str:
        """`<Dial><Conference>`: without a `waitUrl` nothing is played, and a jitter buffer cannot be chosen.

        Source: Telnyx docs, TeXML verb Conference.
        """
        response = Element("Response")
        after = {}
        if meeting.ended_url:
            after = {"action": _address(meeting.ended_url), "method": "POST"}
        attributes = {"beep": "false", "startConferenceOnEnter": "true", "endConferenceOnExit": "true"}
        SubElement(SubElement(response, "Dial", after), "Conference", attributes).text = meeting.name
        return _text(response)

    def digits_document(self, digits: str, then: StreamDocument) -> str:
        """`<Play digits>`, then `<Connect><Stream>`.

        TeXML knows the digits 0-9, * and # and the pause `w`; so `W` becomes `ww`. Source: Telnyx docs, TeXML verb
        Play.

        Raises:
            ValueError: These are no digits, or TeXML does not know them.
        """
        response = Element("Response")
        SubElement(response, "Play", {"digits": checked_digits(digits, "0-9*#wW").replace("W", "ww")})
        _connect(response, then, self._codec)
        return _text(response)

    def end_document(self, say: str | None = None, language: str | None = None) -> str:
        """`<Hangup/>`, after a spoken sentence and a second for it to be heard, if there is one."""
        response = Element("Response")
        if say:
            SubElement(response, "Say", voice_of(language)).text = _spaced(speakable(say))
            SubElement(response, "Pause", {"length": "1"})
        SubElement(response, "Hangup")
        return _text(response)

    def message_document(self, message: MessageDocument) -> str:
        """`<Say>`, `<Record>`: a sentence and a tone, and what the caller says is recorded.

        The time-out for silence counts only after the caller has spoken, and costs what a transcription costs. That the
        file is there is told once the call has ended. Whether a caller who says nothing leads to `action`, or to the
        verb behind `<Record>`, is not documented.

        Source: Telnyx docs, TeXML verb Record.
        """
        response = Element("Response")
        SubElement(response, "Say", voice_of(message.language)).text = _spaced(speakable(message.say))
        attributes = {
            "action": _address(message.action_url),
            "method": "POST",
            "timeout": str(message.silence_secs),
            "maxLength": str(message.longest_secs),
            "finishOnKey": MESSAGE_ENDS_ON,
            "playBeep": "true",
            "trim": "trim-silence",
            "channels": "single",
            "recordingStatusCallback": _address(message.status_url),
            "recordingStatusCallbackMethod": "POST",
        }
        SubElement(response, "Record", attributes)
        SubElement(response, "Say", voice_of(message.language)).text = _spaced(
            speakable(message.nothing_said)
        )
        SubElement(response, "Pause", {"length": "1"})
        SubElement(response, "Hangup")
        return _text(response)

    def reject_document(self) -> str:
        """`<Reject reason="busy">`. Source: Telnyx docs, TeXML verb Reject."""
        response = Element("Response")
        SubElement(response, "Reject", {"reason": "busy"})
        return _text(response)

    def redirect_document(self, url: str) -> str:
        """`<Redirect>`. Source: Telnyx docs, TeXML verb Redirect."""
        response = Element("Response")
        SubElement(response, "Redirect", {"method": "POST"}).text = _address(url)
        return _text(response)


def waiting_document(url: str, meanwhile: Meanwhile, secs: int) -> str:
    """`<Say>`, `<Pause>`, `<Redirect>`: the caller waits, and we are asked again.

    As a TeXML Bin it is for the address that Telnyx asks when the voice address fails.

    Args:
        url: Whom to ask.
        meanwhile: What the caller hears before.
        secs: How long the caller waits, besides.

    Source: Telnyx docs, TeXML Bins; verbs Say, Pause and Redirect.
    """
    response = Element("Response")
    SubElement(response, "Say", voice_of(meanwhile.language)).text = _spaced(speakable(meanwhile.say))
    SubElement(response, "Pause", {"length": str(secs)})
    SubElement(response, "Redirect", {"method": "POST"}).text = _address(url)
    return _text(response)


def cloud_document(stream_url: str) -> str:
    """The text of a TeXML Bin that connects a number with an agent on Pipecat Cloud.

    Args:
        stream_url: The address of Telnyx's media sockets there, which names the agent.

    Source: Pipecat docs, guides/telephony/telnyx-websocket.
    """
    response = Element("Response")
    attributes = {"url": stream_url, "bidirectionalMode": "rtp", "enableReconnect": "false"}
    SubElement(SubElement(response, "Connect"), "Stream", attributes)
    return _text(response)


def _connect(response: Element, document: StreamDocument, codec: str) -> None:
    meanwhile = document.meanwhile
    attributes = {
        "url": _address(document.stream_url),
        "bidirectionalMode": "rtp",
        "bidirectionalCodec": codec,
        "enableReconnect": "true" if meanwhile else "false",
    }
    if codec == "L16":
        attributes |= {"bidirectionalSamplingRate": "16000", "codec": "L16"}
    parameters = usable_parameters(document.parameters, forbidden=(TEMPLATE_BRACES,))

    def connect() -> None:
        stream = SubElement(SubElement(response, "Connect"), "Stream", attributes)
        for name, value in parameters.items():
            SubElement(stream, "Parameter", {"name": name, "value": value})

    connect()
    if meanwhile:
        SubElement(response, "Pause", {"length": str(FIRST_WAIT_SECS)})
        connect()
        for secs in WAIT_SECS:
            SubElement(response, "Say", voice_of(meanwhile.language)).text = _spaced(speakable(meanwhile.say))
            SubElement(response, "Pause", {"length": str(secs)})
            connect()
    if document.ended_url:
        SubElement(response, "Redirect", {"method": "POST"}).text = _address(document.ended_url)


def _spaced(text: str) -> str:
    while TEMPLATE_BRACES in text:
        text = text.replace(TEMPLATE_BRACES, "{ {")
    return text


def _address(url: str) -> str:
    return telnyx_address(url.replace("{", "%7B"))


def _text(response: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(response, encoding="unicode")
