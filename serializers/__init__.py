"""The wire formats of the carriers' media sockets, and nothing else.

`read_stream_start` reads the first messages of a socket; `serializer_for` makes the Pipecat serializer that
speaks the rest. Nothing in here talks to a carrier's REST API or holds a credential.
"""

from __future__ import annotations

from serializers.base import MediaStreamSerializer, SerializerOptions
from serializers.codecs import UnsupportedEncoding
from serializers.handshake import NotACarrierStream, read_stream_start
from serializers.start import HandshakeError, MediaFormat, StreamStart
from serializers.wire import WireFormat, register_wire_format, wire_formats

__all__ = [
    "HandshakeError",
    "MediaFormat",
    "MediaStreamSerializer",
    "NotACarrierStream",
    "SerializerOptions",
    "StreamStart",
    "UnsupportedEncoding",
    "WireFormat",
    "read_stream_start",
    "register_wire_format",
    "serializer_for",
    "wire_formats",
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
    formats = {one.name: one for one in wire_formats()}
    if start.carrier not in formats:
        raise ValueError(
            f"There is no serializer for the carrier {start.carrier!r}: use {' or '.join(formats)}."
        )
    return formats[start.carrier].serializer(start, options or SerializerOptions())
