"""The telephone codecs PCMU, PCMA and L16 to and from 16-bit PCM.

"PCM" here is what Pipecat's frames carry: mono, signed 16-bit, little-endian. "Wire" is what a media message
carries after base64: an RTP payload without its header.

G.711 (PCMU is its µ-law, PCMA its A-law) is computed once into tables, so that 20 ms of audio are one table
look-up.
Source: ITU-T G.711; RFC 3551 section 4.5.14 for the names and the fixed rate of 8000 Hz; RFC 3551 section
4.5.11 for L16.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

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
    """

    encoding: str
    sample_rate: int
    sample_bytes: int
    silence: bytes

    def decode(self, wire: bytes) -> bytes:
        """Turn whole wire samples into 16-bit PCM at `sample_rate`."""
        ...

    def encode(self, pcm: bytes) -> bytes:
        """Turn 16-bit PCM at `sample_rate` into wire samples."""
        ...


class _G711:
    """A codec of one byte per sample, held as two tables.

    The encoding table is indexed by the bit pattern of the sample taken as unsigned, which saves a conversion
    per frame.
    """

    sample_rate = G711_SAMPLE_RATE
    sample_bytes = 1

    def __init__(self, encoding: str, encode: npt.NDArray[np.uint8], decode: npt.NDArray[np.int16]):
        self.encoding = encoding
        self._encode = encode
        self._decode = decode.astype("<i2")
        self.silence = encode[:1].tobytes()

    def decode(self, wire: bytes) -> bytes:
        return self._decode[np.frombuffer(wire, dtype=np.uint8)].tobytes()

    def encode(self, pcm: bytes) -> bytes:
        return self._encode[np.frombuffer(pcm, dtype="<u2")].tobytes()


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
        self._swap = byte_order == "big"

    def decode(self, wire: bytes) -> bytes:
        return np.frombuffer(wire, dtype="<i2").byteswap().tobytes() if self._swap else wire

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
    if encoding in _G711_CODECS:
        return _G711_CODECS[encoding]
    if encoding == "L16":
        return _L16(l16_sample_rate, l16_byte_order)
    raise UnsupportedEncoding(f"{encoding} is not an encoding that can be used here: use PCMU, PCMA or L16.")


def _segments(magnitude: npt.NDArray[np.int32], first_end: int) -> npt.NDArray[np.int32]:
    """The G.711 segment (0 to 7) of each magnitude; each segment ends at twice the end of the one before."""
    ends = np.array([((first_end + 1) << n) - 1 for n in range(8)], dtype=np.int32)
    return np.minimum(np.searchsorted(ends, magnitude), 7).astype(np.int32)


def _mulaw() -> _G711:
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2  # µ-law has 14 bits
    magnitude = np.minimum(np.abs(samples), 8158) + 33  # 8191 is the end of the last segment
    segment = _segments(magnitude, 0x3F)
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    encode = (code ^ np.where(samples < 0, 0x7F, 0xFF)).astype(np.uint8)

    inverted = np.arange(256, dtype=np.int32) ^ 0xFF
    value = ((((inverted & 0x0F) << 3) + 132) << ((inverted & 0x70) >> 4)) - 132
    decode = np.where(inverted & 0x80, -value, value).astype(np.int16)
    return _G711("PCMU", encode, decode)


def _alaw() -> _G711:
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3  # A-law has 13 bits
    magnitude = np.where(samples < 0, -samples - 1, samples)
    segment = _segments(magnitude, 0x1F)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    encode = (code ^ np.where(samples < 0, 0x55, 0xD5)).astype(np.uint8)

    plain = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (plain & 0x70) >> 4
    value = (((plain & 0x0F) << 4) + 8 + np.where(segment > 0, 0x100, 0)) << np.maximum(segment - 1, 0)
    decode = np.where(plain & 0x80, value, -value).astype(np.int16)
    return _G711("PCMA", encode, decode)


_G711_CODECS = {"PCMU": _mulaw(), "PCMA": _alaw()}
