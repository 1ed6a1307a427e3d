"""Twilio Media Streams, bidirectional (`<Connect><Stream>`).

Source: Twilio docs, media-streams websocket messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipecat.frames.frames import Frame

from serializers.base import MediaStreamSerializer, SerializerOptions
from serializers.codecs import UnsupportedEncoding, codec_for
from serializers.json_stream import JsonStreamFormat, JsonStreamSerializer
from serializers.messages import BadMessage
from serializers.parameters import SERVICE_HOST_PARAMETER, SERVICE_HOST_QUERY, report_dropped
from serializers.start import (
    StreamStart,
    checked_id,
    checked_service_host,
    media_format,
    number_in,
    optional_id,
)


class TwilioSerializer(JsonStreamSerializer):
    """Frames to and from Twilio's messages.

    Both directions are µ-law at 8000 Hz. Outgoing messages carry exactly the documented keys: a missing or an
    extra one is Twilio's warning 31951. A `media` message may have any length, so nothing is held back.
    Messages arrive in order.
    """

    _stream_id_key = "streamSid"

    def __init__(self, start: StreamStart):
        """Create the serializer of one stream.

        Args:
            start: What the handshake returned.

        Raises:
            UnsupportedEncoding: The stream is not µ-law mono, which a plain `<Stream>` always is.
        """
        audio = start.media_format
        if audio.encoding != "PCMU" or audio.channels != 1:
            raise UnsupportedEncoding(
                f"Twilio streams {audio.encoding} with {audio.channels} channel(s), but only "
                "PCMU mono can be used: remove audioFormat and sampleRate from <Stream>."
            )
        codec = codec_for("PCMU")
        super().__init__(start.stream_id, inbound=codec, outbound=codec)

    def _address(self) -> dict[str, str]:
        return {"streamSid": self._stream_id}

    def _read_other(self, message: dict[str, Any]) -> Frame | None:
        raise BadMessage("unknown_event")


class TwilioStreams(JsonStreamFormat):
    """Media Streams: `callSid` is the call's id, `streamSid` the stream's, `accountSid` the account's."""

    name = "twilio"
    title = "Twilio"
    rank = 1
    call_key = "callSid"

    def claims(self, message: Mapping[str, Any]) -> bool:
        """Whether one of the ids is there."""
        start = message.get("start")
        return isinstance(start, dict) and ("callSid" in start or "streamSid" in start)

    def parse_start(
        self, message: Mapping[str, Any], *, query: Mapping[str, str], passed: Mapping[str, Any]
    ) -> StreamStart:
        """Understand `start`. Numbers come as parameters, as the message has none."""
        start = message["start"]
        known = {**passed, **_parameters(start.get("customParameters"))}
        service_host = known.pop(SERVICE_HOST_PARAMETER, None) or query.get(SERVICE_HOST_QUERY)
        return StreamStart(
            carrier=self.name,
            stream_id=checked_id("streamSid", start.get("streamSid", message.get("streamSid"))),
            call_id=checked_id("callSid", start.get("callSid")),
            media_format=media_format(start.get("mediaFormat"), "sampleRate"),
            from_number=number_in(known, "from_number", "from"),
            to_number=number_in(known, "to_number", "to"),
            account_id=optional_id(start.get("accountSid")),
            parameters=known,
            service_host=checked_service_host(service_host),
        )

    def serializer(self, start: StreamStart, options: SerializerOptions) -> MediaStreamSerializer:
        """There is nothing to choose."""
        return TwilioSerializer(start)


def _parameters(custom: Any) -> dict[str, Any]:
    """`customParameters`: one flat object, names and values are text."""
    entries = custom.items() if isinstance(custom, dict) else ()
    kept = {name: value for name, value in entries if isinstance(value, str)}
    report_dropped("customParameters", len(entries) - len(kept))
    return kept


WIRE_FORMAT = TwilioStreams()
