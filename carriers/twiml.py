"""Twilio's markup. Always built as a tree, never by joining strings."""

from __future__ import annotations

from twilio.twiml.voice_response import Connect, VoiceResponse

from carriers.carrier import StreamDocument, speakable, usable_parameters


def stream_document(document: StreamDocument) -> str:
    """`<Connect><Stream>`: the call is connected with the bot until one side ends the stream.

    With `action` Twilio asks us what comes next. Nothing follows `</Connect>`: a leftover `<Pause>` would
    keep a caller in silence.

    Source: Twilio docs, voice/twiml/connect and voice/twiml/stream.
    """
    response = VoiceResponse()
    connect = Connect(action=document.ended_url, method="POST" if document.ended_url else None)
    stream = connect.stream(url=document.stream_url)
    for name, value in usable_parameters(document.parameters).items():
        stream.parameter(name=name, value=value)
    response.append(connect)
    return str(response)


def end_document(say: str | None = None) -> str:
    """`<Hangup/>`, after a spoken sentence if there is one."""
    response = VoiceResponse()
    if say:
        response.say(speakable(say))
    response.hangup()
    return str(response)


def cloud_document(host: str, service_host: str) -> str:
    """The text of a TwiML Bin that connects a number with an agent on Pipecat Cloud.

    Args:
        host: The cloud's host name for the agent's region.
        service_host: `AGENT.ORGANISATION`.

    Twilio's stream does not say who calls, so the bin passes it on: a TwiML Bin fills in `{{From}}` and
    `{{To}}`. Source: Twilio docs, TwiML Bin templates; Pipecat docs, guides/telephony/twilio-websocket.
    """
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=f"wss://{host}/ws/twilio")
    stream.parameter(name="_pipecatCloudServiceHost", value=service_host)
    stream.parameter(name="from_number", value="{{From}}")
    stream.parameter(name="to_number", value="{{To}}")
    response.append(connect)
    return str(response)
