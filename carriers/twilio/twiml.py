"""Twilio's markup. Always built as a tree, never by joining strings."""

from __future__ import annotations

from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, Dial, Refer, VoiceResponse

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


class TwimlDocuments:
    """The part of a `Carrier` that writes documents."""

    def stream_document(self, document: StreamDocument) -> str:
        """`<Connect><Stream>`: the call is connected with the bot until one side ends the stream.

        With `action` Twilio asks us what comes next. Nothing follows `</Connect>`: a leftover `<Pause>` would
        keep a caller in silence.

        Source: Twilio docs, voice/twiml/connect and voice/twiml/stream.
        """
        response = VoiceResponse()
        response.append(_connection(document))
        return str(response)

    def transfer_document(self, document: TransferDocument) -> str:
        """`<Dial>` connects the caller with the destination; with `refer`, `<Refer>` has the caller's side call it.

        With `action` Twilio asks us what comes next, and whatever followed would never run. Without, `<Connect>`
        follows, which runs when the destination was not reached or has hung up, but not when the caller has. No
        `timeLimit` and no `<Pause>`: the document must not cut the caller off from a human.

        Source: Twilio docs, voice/twiml/dial, voice/twiml/number, voice/twiml/sip and voice/twiml/refer.
        """
        response = VoiceResponse()
        if document.say:
            response.say(speakable(document.say), **voice_of(document.language))
        after = {"action": document.action_url, "method": "POST" if document.action_url else None}
        if document.refer:
            refer = Refer(**after)
            refer.sip(document.destination)
            response.append(refer)
        else:
            dial = Dial(**after, timeout=document.ring_timeout_secs, caller_id=document.caller_id)
            told = {}
            if document.answered_url:
                told = {"status_callback": document.answered_url, "status_callback_event": "answered"}
            if is_sip(document.destination):
                dial.sip(document.destination, **told)
            else:
                dial.number(document.destination, **told)
            response.append(dial)
        if document.fallback:
            response.append(_connection(document.fallback))
        return str(response)

    def conference_document(self, meeting: Meeting) -> str:
        """`<Dial><Conference>`: two calls talk in a room of their own, without a sound that says so.

        An empty `waitUrl` is silence in the place of music, for the moment that one waits for the other. The default
        jitter buffer would add up to a second of delay. No `timeLimit` and nothing behind `<Dial>`: with the room the
        call ends.

        Source: Twilio docs, voice/twiml/conference.
        """
        response = VoiceResponse()
        dial = Dial(action=meeting.ended_url, method="POST" if meeting.ended_url else None)
        dial.conference(
            meeting.name,
            beep="false",
            start_conference_on_enter=True,
            end_conference_on_exit=True,
            wait_url="",
            jitter_buffer_size="small",
        )
        response.append(dial)
        return str(response)

    def digits_document(self, digits: str, then: StreamDocument) -> str:
        """`<Play digits>`, then `<Connect><Stream>`: the way to press keys, since no request does it.

        Source: Twilio docs, voice/twiml/play.

        Raises:
            ValueError: These are no digits.
        """
        response = VoiceResponse()
        response.play(digits=checked_digits(digits))
        response.append(_connection(then))
        return str(response)

    def end_document(self, say: str | None = None, language: str | None = None) -> str:
        """`<Hangup/>`, after a spoken sentence if there is one.

        The second before it is for the ear: what was played last is still on its way, and the end would cut it off.
        """
        response = VoiceResponse()
        if say:
            response.say(speakable(say), **voice_of(language))
            response.pause(length=1)
        response.hangup()
        return str(response)

    def message_document(self, message: MessageDocument) -> str:
        """`<Say>`, `<Record>`: a sentence and a tone, and what the caller says is recorded.

        With `action` Twilio asks us what comes next, also when the caller has hung up. Of a caller who says nothing the
        page tells both: that `action` is asked, and that the verb behind `<Record>` is next.

        Source: Twilio docs, voice/twiml/record (`recordingStatusCallbackEvent`: several are separated by a space).
        """
        response = VoiceResponse()
        response.say(speakable(message.say), **voice_of(message.language))
        response.record(
            action=message.action_url,
            method="POST",
            timeout=message.silence_secs,
            max_length=message.longest_secs,
            finish_on_key=MESSAGE_ENDS_ON,
            play_beep=True,
            trim="trim-silence",
            recording_status_callback=message.status_url,
            recording_status_callback_method="POST",
            recording_status_callback_event="completed absent",
        )
        response.say(speakable(message.nothing_said), **voice_of(message.language))
        response.pause(length=1)
        response.hangup()
        return str(response)

    def reject_document(self) -> str:
        """`<Reject reason="busy">`, as the first verb, so that the call is not answered.

        Source: Twilio docs, voice/twiml/reject.
        """
        response = VoiceResponse()
        response.reject(reason="busy")
        return str(response)

    def redirect_document(self, url: str) -> str:
        """`<Redirect>`. Source: Twilio docs, voice/twiml/redirect."""
        response = VoiceResponse()
        response.redirect(url, method="POST")
        return str(response)


def waiting_document(url: str, meanwhile: Meanwhile) -> str:
    """`<Say>`, `<Pause>`, `<Redirect>`: the caller waits, and we are asked again.

    As a TwiML Bin at a number's fallback address it asks the voice address: while that cannot be reached, Twilio asks
    the fallback address again, as after every fatal error, so the caller waits in this document until we are back.

    Args:
        url: Whom to ask.
        meanwhile: What the caller hears before.

    Source: Twilio docs, usage/security/availability-reliability (a fallback address may be a TwiML Bin); TwiML Bins;
    voice/twiml/pause and voice/twiml/redirect.
    """
    response = VoiceResponse()
    response.say(speakable(meanwhile.say), **voice_of(meanwhile.language))
    response.pause(length=1)
    response.redirect(url, method="POST")
    return str(response)


def cloud_document(stream_url: str, parameters: Mapping[str, str]) -> str:
    """The text of a TwiML Bin that connects a number with an agent on Pipecat Cloud.

    Args:
        stream_url: The address of Twilio's media sockets there.
        parameters: What finds the agent.

    Twilio's stream does not say who calls, so the bin passes it on: a TwiML Bin fills in `{{From}}` and
    `{{To}}`. Source: Twilio docs, TwiML Bin templates; Pipecat docs, guides/telephony/twilio-websocket.
    """
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=stream_url)
    for name, value in {**parameters, "from_number": "{{From}}", "to_number": "{{To}}"}.items():
        stream.parameter(name=name, value=value)
    response.append(connect)
    return str(response)


def _connection(document: StreamDocument) -> Connect:
    connect = Connect(action=document.ended_url, method="POST" if document.ended_url else None)
    stream = connect.stream(url=document.stream_url)
    for name, value in usable_parameters(document.parameters).items():
        stream.parameter(name=name, value=value)
    return connect
