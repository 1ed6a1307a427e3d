"""Twilio Media Streams, bidirectional (`<Connect><Stream>`).

Source: Twilio docs, media-streams websocket messages.
"""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import Frame

from serializers.base import MediaStreamSerializer
from serializers.codecs import UnsupportedEncoding, codec_for
from serializers.handshake import StreamStart
from serializers.messages import BadMessage


class TwilioSerializer(MediaStreamSerializer):
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
        media_format = start.media_format
        if media_format.encoding != "PCMU" or media_format.channels != 1:
            raise UnsupportedEncoding(
                f"Twilio streams {media_format.encoding} with {media_format.channels} channel(s), but only "
                "PCMU mono can be used: remove audioFormat and sampleRate from <Stream>."
            )
        codec = codec_for("PCMU")
        super().__init__(start.stream_id, inbound=codec, outbound=codec)

    def _address(self) -> dict[str, str]:
        return {"streamSid": self._stream_id}

    def _read_other(self, message: dict[str, Any]) -> Frame | None:
        raise BadMessage("unknown_event")
