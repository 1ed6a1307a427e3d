"""The telephone codecs PCMU, PCMA and L16 to and from 16-bit PCM.

"PCM" here is what Pipecat's frames carry: mono, signed 16-bit, little-endian. "Wire" is what a media message
carries after base64: an RTP payload without its header.

G.711 (PCMU is its µ-law, PCMA its A-law) is done by Python's `audioop`, as in Pipecat. It is part of the standard
library up to Python 3.12; afterwards the package audioop-lts brings it.
Source: ITU-T G.711; RFC 3551 section 4.5.14 for the names and the fixed rate of 8000 Hz; RFC 3551 section
4.5.11 for L16.
"""

from __future__ import annotations

import audioop
from typing import Literal, Protocol

ByteOrder = Literal["little", "big"]

G711_SAMPLE_RATE = 8000

_ALIASES = {
    "PCMU": "PCMU",
    "MULAW": "PCMU",
    "ULAW": "PCMU",
    "G711U": "PCMU",
    "PCMA": "PCMA",
    "ALAW": "PCMA",
    "G711A": "PCMA",
    "L16": "L16",
}


class UnsupportedEncoding(ValueError):
    """A stream uses an encoding that cannot be decoded or encoded here; the message says how to change it."""


class Codec(Protocol):
    """One direction-less audio encoding of a media stream.

    Parameters:
        encoding: Its name in upper case, e.g. `PCMU`.
        sample_rate: Samples per second on the wire, in Hz.
        sample_bytes: Bytes per sample on the wire.
        silence: One sample of silence on the wire.
        byte_order: Of samples of several bytes.
    """

    encoding: str
    sample_rate: int
    sample_bytes: int
    silence: bytes
    byte_order: ByteOrder

    def decode(self, wire: bytes) -> bytes:
        """Turn whole wire samples into 16-bit PCM at `sample_rate`."""
        ...

    def encode(self, pcm: bytes) -> bytes:
        """Turn 16-bit PCM at `sample_rate` into wire samples."""
        ...


class _Mulaw:
    """PCMU."""

    encoding = "PCMU"
    sample_rate = G711_SAMPLE_RATE
    sample_bytes = 1
    silence = b"\xff"
    byte_order: ByteOrder = "little"

    def decode(self, wire: bytes) -> bytes:
        return audioop.ulaw2lin(wire, 2)

    def encode(self, pcm: bytes) -> bytes:
        return audioop.lin2ulaw(pcm, 2)


class _Alaw:
    """PCMA."""

    encoding = "PCMA"
    sample_rate = G711_SAMPLE_RATE
    sample_bytes = 1
    silence = b"\xd5"
    byte_order: ByteOrder = "little"

    def decode(self, wire: bytes) -> bytes:
        return audioop.alaw2lin(wire, 2)

    def encode(self, pcm: bytes) -> bytes:
        return audioop.lin2alaw(pcm, 2)


class _L16:
    """Uncompressed 16-bit samples.

    RFC 3551 says network byte order (big-endian); some carriers are reported to send little-endian, so it is
    a choice.
    """

    encoding = "L16"
    sample_bytes = 2
    silence = b"\x00\x00"

    def __init__(self, sample_rate: int, byte_order: ByteOrder):
        self.sample_rate = sample_rate
        self.byte_order = byte_order

    def decode(self, wire: bytes) -> bytes:
        return audioop.byteswap(wire, 2) if self.byte_order == "big" else wire

    # Swapping two bytes is its own inverse.
    encode = decode


def normalise_encoding(name: str) -> str:
    """The upper-case RTP name of an encoding, whatever style it was written in.

    `audio/x-mulaw`, `ulaw` and `pcmu` are all `PCMU`. An unknown name comes back in upper case, without a
    leading `audio/` and `x-`.
    """
    bare = name.strip().upper().removeprefix("AUDIO/").removeprefix("X-")
    return _ALIASES.get(bare.replace("-", ""), bare)


def codec_for(encoding: str, *, l16_sample_rate: int = 16000, l16_byte_order: ByteOrder = "little") -> Codec:
    """The codec of a normalised encoding name.

    Args:
        encoding: `PCMU`, `PCMA` or `L16`.
        l16_sample_rate: Rate of L16 in Hz; G.711 is always 8000 Hz.
        l16_byte_order: Byte order of L16 on the wire.

    Raises:
        UnsupportedEncoding: There is no such codec here.
    """
    if encoding == "PCMU":
        return _Mulaw()
    if encoding == "PCMA":
        return _Alaw()
    if encoding == "L16":
        return _L16(l16_sample_rate, l16_byte_order)
    raise UnsupportedEncoding(f"{encoding} is not an encoding that can be used here: use PCMU, PCMA or L16.")
