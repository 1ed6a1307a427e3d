"""Between a browser's samples and a phone line's: 16-bit little-endian mono, at the browser's rate and at 8 kHz."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.line.codecs import SAMPLE_RATE, Pcm

TO_LINE, FROM_LINE = "LQ", "QQ"
"""Qualities of the conversion. Better filters take longer: in pieces of 20 ms, `LQ` is some 50 ms late on the way to
8 kHz, `HQ` three times that. On the way back `QQ` is never late, and there is nothing that could be folded."""


class Sound:
    """One call's sound, both ways.

    Args:
        rate: Of the browser's samples, in Hz. A browser that can be asked for 8 kHz needs no conversion.
    """

    def __init__(self, rate: int) -> None:
        """Remember nothing of earlier sound."""
        self._in: Any = None
        self._out: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self._in = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16", quality=TO_LINE)
            self._out = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="int16", quality=FROM_LINE)

    def spoken(self, raw: bytes) -> Pcm:
        """What the browser sends, as a line takes it. A byte too many is left out."""
        samples = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16)
        return samples if self._in is None else np.asarray(self._in.resample_chunk(samples), dtype=np.int16)

    def heard(self, frame: Pcm) -> bytes:
        """What the line brings, as the browser plays it."""
        samples = frame if self._out is None else np.asarray(self._out.resample_chunk(frame))
        return samples.astype("<i2").tobytes()
