"""`<Connect><Stream>`: the leg's audio goes to a bot's socket until one of them has had enough.

Sources: Twilio docs, voice/twiml/{connect,stream}; Telnyx docs, TeXML connect and stream.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb, stream_parameters
from emulator.legs.addressing import socket_address
from emulator.legs.call import Call
from emulator.legs.plan import GoTo, Start
from emulator.legs.stream import MediaStream, StreamEnded, StreamRefused
from emulator.line.impairments import StreamImpairments

RECONNECT_ATTEMPTS = 3
RECONNECT_PAUSE_SECS = 1.0


async def connect(call: Call, verb: Verb, document: Document) -> Start | None:
    """Carry out the verb."""
    stream = verb.child("Stream")
    if stream is None:
        nouns = ", ".join(f"<{child.name}>" for child in verb.children) or "nothing"
        call.fail(f"<Connect> with {nouns} is not emulated; the call goes on with the next verb")
        return None
    try:
        await _with_reconnects(call, stream, document.url)
    except StreamRefused as error:
        call.fail(str(error))
        call.left_by = "error"
    action = verb.attributes.get("action")
    if action is not None and call.dialect.connect_action:
        return GoTo(urljoin(document.url or "", action), verb.attributes.get("method", "POST"))
    return None


async def _with_reconnects(call: Call, stream: Verb, document_url: str | None) -> None:
    reconnects = call.dialect.reconnects and stream.flag("enableReconnect", True)
    ended = await stream_once(call, stream, document_url)
    attempt = 0
    while reconnects and not ended.clean and attempt < RECONNECT_ATTEMPTS:
        attempt += 1
        call.timeline.note("note", f"enableReconnect: dialling the socket again (attempt {attempt})")
        await asyncio.sleep(RECONNECT_PAUSE_SECS)
        try:
            ended = await stream_once(call, stream, document_url)
            attempt = 0
        except StreamRefused as error:
            call.fail(str(error))


async def stream_once(call: Call, stream: Verb, document_url: str | None) -> StreamEnded:
    """Open the socket and stay on it until the bot closes it.

    Args:
        call: Whose audio.
        stream: The `<Stream>`.
        document_url: Where the document came from, or None.

    Raises:
        StreamRefused: It could not be opened.
    """
    url, warnings = call.dialect.stream_url(stream.attributes.get("url", ""))
    dialect, more = call.dialect.open_stream(call.leg, stream, stream_parameters(stream))
    for warning in (*warnings, *more):
        call.fail(warning)
    media = MediaStream(
        dialect,
        call.line,
        call.timeline,
        call.fail,
        call.lose,
        call.exchange.faults.media(),
        call.hang_up,
        await before_stream(call),
        call.exchange.wire.tap(call.leg.call_id),
    )
    try:
        address = socket_address(url, document_url=document_url, server_url=call.plan.server_url)
        if address.note:
            call.timeline.note("note", address.note)
        headers = call.dialect.socket_headers(address.signed)
        with call.clock.real_time():
            await media.open(address.dial, headers, call.dialect.user_agent())
    except StreamRefused as error:
        _callback(call, stream, dialect.stream_id, "error", str(error))
        raise
    call.timeline.note(
        "stream_open",
        f"media socket open, stream {dialect.stream_id}",
        stream_id=dialect.stream_id,
        port=media.port,
    )
    _callback(call, stream, dialect.stream_id, "started", None)
    call.stream = media
    try:
        ended = await media.run()
    except asyncio.CancelledError:
        call.timeline.note("socket_closed", "the carrier sends `stop` and closes the socket")
        raise
    finally:
        call.stream = None
        call.marks_sent += media.marks_sent
        call.marks_returned += media.marks_returned
        _drop_unplayed(call)
        _callback(call, stream, dialect.stream_id, "stopped", None)
    call.bot_left_ms = call.timeline.now_ms()
    call.left_by = "bot" if ended.clean else "error"
    call.timeline.note("socket_closed", f"the bot closes its socket (code {ended.code})", code=ended.code)
    if not ended.clean:
        call.fail(f"the media socket broke (close code {ended.code})")
    return ended


async def before_stream(call: Call) -> StreamImpairments:
    """Let the time pass that a carrier takes before it dials a socket; what will happen to the stream's messages."""
    impairments = call.exchange.faults.impairments
    cold = call.streams == 0
    call.streams += 1
    with call.clock.real_time():
        await call.clock.sleep(impairments.profile.cold if cold else impairments.profile.verb)
    return impairments.stream(cold=cold, ordered=call.dialect.keeps_order)


def _drop_unplayed(call: Call) -> None:
    # What a stream has queued goes with it; at the call's end this was counted already.
    if not call.over and (audible_ms := call.line.earpiece.audible_ms):
        call.timeline.note("note", f"{audible_ms} ms of speech were not played when the stream ended")
        call.lose(audible_ms, at_a_seam=True)
    call.line.earpiece.clear()


def _callback(call: Call, stream: Verb, stream_id: str, event: str, error: str | None) -> None:
    url = stream.attributes.get("statusCallback")
    if url:
        parameters = call.dialect.stream_event(
            call.leg, stream_id, stream.attributes.get("name"), event, error
        )
        method = stream.attributes.get("statusCallbackMethod", "POST")
        call.in_background(call.webhooks.notify(url, parameters, f"stream-{event} callback", method))
