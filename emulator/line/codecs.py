"""G.711: µ-law (PCMU) and A-law (PCMA) to and from 16-bit PCM, by table; how loud samples are, and their mix.

Source: ITU-T G.711; the tables follow the reference arithmetic of ITU-T G.191.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Mono 16-bit samples at 8 kHz, the only rate of a phone line here."""

SAMPLE_RATE = 8000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000

SILENCE_BYTE = {"PCMU": 0xFF, "PCMA": 0xD5}
"""What an idle line sends in each encoding."""


def _mu_law_decode_table() -> Pcm:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _mu_law_encode_table() -> NDArray[np.uint8]:
    sample = np.arange(-32768, 32768, dtype=np.int32)
    magnitude = np.minimum(np.abs(sample), 32635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    code: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code


def _a_law_decode_table() -> Pcm:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (np.where(exponent > 0, mantissa + 16, mantissa) << 4) + 8
    magnitude = magnitude << np.maximum(exponent - 1, 0)
    samples: Pcm = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return samples


def _a_law_encode_table() -> NDArray[np.uint8]:
    sample = np.arange(-32768, 32768, dtype=np.int32)
    magnitude = np.where(sample >= 0, sample, ~sample) >> 4
    segment = np.where(magnitude > 15, np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    mantissa = np.where(segment > 0, (magnitude >> np.maximum(segment - 1, 0)) - 16, magnitude)
    code = mantissa + (segment << 4)
    inverted: NDArray[np.uint8] = ((code | np.where(sample >= 0, 0x80, 0)) ^ 0x55).astype(np.uint8)
    return inverted


_DECODE = {"PCMU": _mu_law_decode_table(), "PCMA": _a_law_decode_table()}
_ENCODE = {"PCMU": _mu_law_encode_table(), "PCMA": _a_law_encode_table()}


def decode(encoding: str, payload: bytes) -> Pcm:
    """Turn G.711 bytes into samples. `encoding` is `PCMU` or `PCMA`; KeyError for anything else."""
    return _DECODE[encoding][np.frombuffer(payload, dtype=np.uint8)]


def encode(encoding: str, samples: Pcm) -> bytes:
    """Turn samples into G.711 bytes, one byte a sample. `encoding` is `PCMU` or `PCMA`; KeyError for anything else."""
    return _ENCODE[encoding][samples.astype(np.int32) + 32768].tobytes()


def loudness(samples: Pcm) -> float:
    """Root mean square of the samples, on the 16-bit scale (0 to 32767)."""
    if len(samples) == 0:
        return 0.0
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def mixed(*frames: Pcm) -> Pcm:
    """Several sounds at the same time; what is too loud together is clipped."""
    total = sum(frame.astype(np.int32) for frame in frames)
    return np.clip(total, -32768, 32767).astype(np.int16)
