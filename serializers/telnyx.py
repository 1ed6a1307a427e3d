"""Telnyx Media Streaming over WebSockets, bidirectional in `rtp` mode.

Source: Telnyx docs, media streaming over websockets, and the AsyncAPI page of the media socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipecat.frames.frames import Frame

from serializers.base import MediaStreamSerializer, SerializerOptions
from serializers.codecs import Codec, UnsupportedEncoding, codec_for
from serializers.frames import StreamErrorFrame
from serializers.json_stream import JsonStreamFormat, JsonStreamSerializer
from serializers.messages import MAX_TEXT_CHARS, BadMessage, decode_base64, number_of, parse_json, short_text
from serializers.parameters import SERVICE_HOST_PARAMETER, SERVICE_HOST_QUERY, report_dropped
from serializers.reorder import ReorderWindow
from serializers.start import (
    StreamStart,
    checked_id,
    checked_service_host,
    media_format,
    number_in,
    optional_id,
)

_LEAST_MESSAGE_MS = 20


class TelnyxSerializer(JsonStreamSerializer):
    """Frames to and from Telnyx's messages.

    Audio from Telnyx is decoded by the encoding that `start` names (it can be PCMA on a leg that we answer in
    PCMU), audio to Telnyx is encoded by `SerializerOptions.outbound_encoding`.

    Telnyx does not promise the order of messages. Audio is put back into order by `chunk` (see
    `ReorderWindow`). Keypresses can arrive out of order as well, and only `occurred_at` tells: to wait for a
    possibly earlier one needs a clock, which a serializer does not have, so they keep the order of their
    arrival.

    In `rtp` mode a message holds 20 ms to 30 s of audio. Shorter audio is held and joined with what follows;
    `flush()` gives out the rest, padded with silence, and is meant to be sent before a mark. Without it a
    mark overtakes less than 20 ms of audio; none is lost. Longer audio is not split, because a frame becomes
    one message: keep frames below 30 s (Pipecat's output transport makes them 40 ms long).
    """

    _stream_id_key = "stream_id"

    def __init__(self, start: StreamStart, options: SerializerOptions | None = None):
        """Create the serializer of one stream.

        Args:
            start: What the handshake returned.
            options: What we send, and whether and how L16 may be used.

        Raises:
            UnsupportedEncoding: The caller's audio cannot be decoded, or the configured encoding cannot be
                produced.
        """
        options = options or SerializerOptions()
        super().__init__(start.stream_id, inbound=_inbound(start, options), outbound=_outbound(options))
        self._window = ReorderWindow(self._ignore)
        self._pending = b""
        self._least_bytes = (
            self._outbound.sample_rate * self._outbound.sample_bytes * _LEAST_MESSAGE_MS // 1000
        )

    def flush(self) -> str | None:
        """The audio held back for being shorter than 20 ms, padded with silence to 20 ms; or `None`."""
        if not self._pending:
            return None
        missing = (self._least_bytes - len(self._pending)) // self._outbound.sample_bytes
        payload = self._pending + self._outbound.silence * missing
        self._discard()
        return self._media_message(payload)

    def _address(self) -> dict[str, str]:
        return {}  # a Telnyx socket carries one stream; messages to it have no id

    def _in_order(self, media: dict[str, Any], wire: bytes) -> bytes:
        return self._window.push(number_of(media.get("chunk")), wire)

    def _pack(self, wire: bytes) -> bytes:
        self._pending += wire
        if len(self._pending) < self._least_bytes:
            return b""
        payload = self._pending
        self._discard()
        return payload

    def _discard(self) -> None:
        self._pending = b""

    def _read_other(self, message: dict[str, Any]) -> Frame | None:
        if message.get("event") != "error":
            raise BadMessage("unknown_event")
        # Documented in two shapes: `payload` with a number as code, and an older `error` with the code as
        # text.
        for error in (message.get("payload"), message.get("error")):
            if isinstance(error, dict):
                return StreamErrorFrame(
                    title=_line(error.get("title")) or "unknown_error",
                    detail=_line(error.get("detail")),
                    code=_line(error.get("code")) or None,
                )
        raise BadMessage("bad_error")


def _inbound(start: StreamStart, options: SerializerOptions) -> Codec:
    audio = start.media_format
    if audio.channels != 1:
        raise UnsupportedEncoding(
            f"Telnyx streams {audio.channels} channels, but only mono can be used: "
            "set the stream's track to inbound_track."
        )
    if audio.encoding == "L16" and options.l16_enabled:
        return codec_for("L16", l16_sample_rate=audio.sample_rate, l16_byte_order=options.l16_byte_order)
    if audio.encoding in ("PCMU", "PCMA"):
        return codec_for(audio.encoding)
    hint = " or set TELNYX_CODEC=L16 to allow it" if audio.encoding == "L16" else ""
    raise UnsupportedEncoding(
        f"Telnyx sends the caller's audio as {audio.encoding}, which cannot be decoded here: "
        f"set the stream's codec to PCMU or PCMA (`codec` in TeXML, `stream_codec` in Call Control){hint}."
    )


def _outbound(options: SerializerOptions) -> Codec:
    if options.outbound_encoding == "L16" and not options.l16_enabled:
        raise UnsupportedEncoding(
            "L16 is to be sent but is not enabled: set TELNYX_CODEC=L16, or send PCMU or PCMA."
        )
    return codec_for(
        options.outbound_encoding,
        l16_sample_rate=options.l16_sample_rate,
        l16_byte_order=options.l16_byte_order,
    )


def _line(value: Any) -> str:
    """A text or whole number as one short printable line; empty for anything else."""
    if type(value) is int and number_of(value) is not None:
        return str(value)
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[:MAX_TEXT_CHARS]).strip()


class TelnyxStreams(JsonStreamFormat):
    """Media streaming: `call_control_id` is the call's id, `stream_id` the stream's, `user_id` the account's.

    `call_session_id` is common to the legs of one call.
    """

    name = "telnyx"
    title = "Telnyx"
    rank = 2
    call_key = "call_control_id"

    def parse_start(
        self, message: Mapping[str, Any], *, query: Mapping[str, str], passed: Mapping[str, Any]
    ) -> StreamStart:
        """Understand `start`; custom parameters win over `client_state`."""
        start = message["start"]
        known = {
            **passed,
            **_client_state(start.get("client_state")),
            **_parameters(start.get("custom_parameters")),
        }
        parameter = known.pop(SERVICE_HOST_PARAMETER, None)
        return StreamStart(
            carrier=self.name,
            stream_id=checked_id("stream_id", message.get("stream_id")),
            call_id=checked_id("call_control_id", start.get("call_control_id")),
            media_format=media_format(start.get("media_format"), "sample_rate"),
            from_number=short_text(start.get("from")) or number_in(known, "from_number", "from"),
            to_number=short_text(start.get("to")) or number_in(known, "to_number", "to"),
            account_id=optional_id(start.get("user_id")),
            session_id=optional_id(start.get("call_session_id")),
            parameters=known,
            service_host=checked_service_host(query.get(SERVICE_HOST_QUERY) or parameter),
        )

    def serializer(self, start: StreamStart, options: SerializerOptions) -> MediaStreamSerializer:
        """What we send is chosen by the options."""
        return TelnyxSerializer(start, options)


def _parameters(custom: Any) -> dict[str, Any]:
    """`custom_parameters`: an object, or a list of `{"name", "value"}` as its REST API takes it.

    Text, numbers and booleans are kept.
    """
    entries: list[tuple[Any, Any]] = []
    if isinstance(custom, dict):
        entries = list(custom.items())
    elif isinstance(custom, list):
        entries = [
            (item.get("name"), item.get("value")) if isinstance(item, dict) else (None, None)
            for item in custom
        ]
    kept = {
        name: value
        for name, value in entries
        if isinstance(name, str) and isinstance(value, (str, int, float))
    }
    report_dropped(
        "custom_parameters", sum(1 for name, _ in entries if not isinstance(name, str) or name not in kept)
    )
    return kept


def _client_state(state: Any) -> dict[str, Any]:
    """`client_state`: the entries of a JSON object, or any other text under its own name.

    It comes in base64. What is not base64 of UTF-8 text is dropped, and never logged, as it may be anything.
    """
    if not isinstance(state, str) or not state:
        return {}
    try:
        text = decode_base64(state).decode("utf-8")
    except ValueError:
        report_dropped("client_state", 1)
        return {}
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"client_state": text}


WIRE_FORMAT = TelnyxStreams()
