"""The wire formats of the carriers' media sockets, and nothing else.

`read_stream_start` reads the first messages of a socket; `serializer_for` makes the Pipecat serializer that
speaks the rest. Nothing in here talks to a carrier's REST API or holds a credential.
"""

from __future__ import annotations

from serializers.base import MediaStreamSerializer, SerializerOptions
from serializers.codecs import UnsupportedEncoding
from serializers.handshake import (
    HandshakeError,
    MediaFormat,
    NotACarrierStream,
    StreamStart,
    read_stream_start,
)
from serializers.telnyx import TelnyxSerializer
from serializers.twilio import TwilioSerializer

__all__ = [
    "HandshakeError",
    "MediaFormat",
    "MediaStreamSerializer",
    "NotACarrierStream",
    "SerializerOptions",
    "StreamStart",
    "TelnyxSerializer",
    "TwilioSerializer",
    "UnsupportedEncoding",
    "read_stream_start",
    "serializer_for",
]


def serializer_for(start: StreamStart, *, options: SerializerOptions | None = None) -> MediaStreamSerializer:
    """The serializer of a stream.

    Args:
        start: What the handshake returned.
        options: Choices of encoding; only a carrier that leaves one looks at them.

    Raises:
        UnsupportedEncoding: The stream's encoding cannot be used; say so to the operator and end the stream.
        ValueError: The carrier is unknown.
    """
    if start.carrier == "twilio":
        return TwilioSerializer(start)
    if start.carrier == "telnyx":
        return TelnyxSerializer(start, options)
    raise ValueError(f"There is no serializer for the carrier {start.carrier!r}: use twilio or telnyx.")
