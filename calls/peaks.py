"""How loud a recording is, from beginning to end, to draw it: made of a WAV file as it arrives, in little memory.

A file of hours has as many points as one of a minute, and its length is what was read of it, whatever its header says.
Source of the format: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", RIFF and WAVE;
RFC 2361 for the codes of A-law and µ-law.
"""

from __future__ import annotations

import audioop
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 6000
"""Of each side: some for each pixel of a wide screen."""

POINTS_PER_SEC = 50

MOST_HEADER_BYTES = 1 << 16

PCM, ALAW, MULAW, EXTENSIBLE = 1, 6, 7, 0xFFFE

FULL = 100
"""How loud the loudest is."""


class NoWave(ValueError):
    """This is no WAV file, or none of the kinds that carriers make."""


@dataclass(frozen=True)
class Peaks:
    """How loud a recording is.

    Parameters:
        duration_secs: Its length.
        per_sec: How many points a second has.
        sides: The points of each channel, 0 to `FULL`, in equal steps of time.
    """

    duration_secs: float
    per_sec: float
    sides: list[list[int]]


@dataclass(frozen=True)
class _Format:
    code: int
    channels: int
    rate: int
    bytes_a_frame: int

    @property
    def window(self) -> int:
        """How many frames have one point, while the file is short."""
        return max(1, self.rate // POINTS_PER_SEC)

    def loudness(self, block: bytes) -> NDArray[np.int32]:
        """Absolute samples of 16 bits, a column for each channel."""
        if self.code == PCM:
            samples = np.abs(np.frombuffer(block, dtype="<i2").astype(np.int32))
        else:
            samples = _table(self.code)[np.frombuffer(block, dtype=np.uint8)]
        return samples.reshape(-1, self.channels)


class PeaksOfWave:
    """Makes peaks of a file that is fed to it in pieces. It computes: call it in a thread.

    Parameters:
        most_points: Of each side.
    """

    def __init__(self, most_points: int = MOST_POINTS):
        self._most = most_points
        self._rest = b""
        self._format: _Format | None = None
        self._frames = 0
        self._points: list[NDArray[np.uint8]] = []
        self._left = 0
        """How much of the sound is still to come, as the header says; what follows it is none."""

    def feed(self, block: bytes) -> None:
        """Take in the next piece.

        Raises:
            NoWave: It is no such file.
        """
        self._rest += block
        if self._format is None:
            self._read_header()
        if self._format is not None:
            self._take(self._format, at_end=False)

    def result(self) -> Peaks:
        """What came of it, once all was fed.

        Raises:
            NoWave: It is no such file.
        """
        form = self._format
        if form is None:
            raise NoWave("the file ends before its sound begins")
        self._take(form, at_end=True)
        points = np.concatenate(self._points) if self._points else np.zeros((0, form.channels), np.uint8)
        together = max(1, -(-len(points) // self._most))
        if len(points):
            points = np.maximum.reduceat(points, np.arange(0, len(points), together), axis=0)
        return Peaks(
            round(self._frames / form.rate, 3), form.rate / (form.window * together), points.T.tolist()
        )

    def _read_header(self) -> None:
        data = self._rest
        if len(data) < 12:
            return
        if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
            raise NoWave("the file does not begin as a WAV file does")
        place, form = 12, None
        while place + 8 <= len(data):
            name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
            place += 8
            if name == b"data":
                if form is None:
                    raise NoWave("the file does not say what its sound is")
                self._format, self._rest = form, data[place:]
                # A file that was written as it came has no size, or the largest one.
                self._left = size if 0 < size < 0xFFFFFF00 else 1 << 62
                return
            if name == b"fmt " and place + size <= len(data):
                form = _format(data[place : place + size])
            place += size + size % 2
        if len(data) > MOST_HEADER_BYTES:
            raise NoWave("the file's sound does not begin where it should")

    def _take(self, form: _Format, *, at_end: bool) -> None:
        usable, step = min(len(self._rest), self._left), form.window * form.bytes_a_frame
        if not at_end and usable < self._left:
            usable = usable // step * step
        usable -= usable % form.bytes_a_frame
        sound, self._rest = self._rest[:usable], self._rest[usable:]
        self._left -= usable
        if self._left < form.bytes_a_frame:  # what follows is no sound
            self._left, self._rest = 0, b""
        if sound:
            loud = form.loudness(sound)
            self._frames += len(loud)
            loudest = np.maximum.reduceat(loud, np.arange(0, len(loud), form.window), axis=0)
            self._points.append(np.minimum(-(-loudest * FULL // 32768), FULL).astype(np.uint8))


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise NoWave("the file does not say what its sound is")
    code, channels, rate, _, bytes_a_frame, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack_from("<H", chunk, 24)[0]
    known = (code == PCM and bits == 16) or (code in (ALAW, MULAW) and bits == 8)
    if not known or channels not in (1, 2) or not 4000 <= rate <= 192_000:
        raise NoWave("the file's sound is of a kind that carriers do not make")
    if bytes_a_frame != channels * bits // 8:
        raise NoWave("the file contradicts itself")
    return _Format(code, channels, rate, bytes_a_frame)


@cache
def _table(code: int) -> NDArray[np.int32]:
    """Absolute samples of 16 bits for each byte of a compressed one."""
    to_linear: Callable[[bytes, int], bytes] = audioop.alaw2lin if code == ALAW else audioop.ulaw2lin
    return np.abs(np.frombuffer(to_linear(bytes(range(256)), 2), dtype="<i2").astype(np.int32))


AUDIBLE = 4
"""From here on somebody speaks; below are the noise of a line, and what compression makes of silence."""

QUIET_SECS = 0.25
"""How long it is quiet before somebody begins to speak."""

APART_SECS = 1.0
"""How far what a carrier says of a recording's beginning may be off."""

ALIKE_SECS = 0.06

ENOUGH = 2
"""One moment alone may be another sound."""

FINE = 20
"""With fewer points a second nothing is told from them."""


def put_right(side: Sequence[int], per_sec: float, begins: Sequence[float]) -> float:
    """How much later than thought somebody is heard to begin to speak, in seconds; 0 where it cannot be told.

    A recording begins at some time between our request and the carrier's answer to it, and some carriers tell whole
    seconds. When the bot began to speak is known from the sound on the line, so most of these moments are found in the
    recording with one and the same shift.

    Args:
        side: The points of the channel with the bot.
        per_sec: How many points a second has.
        begins: When the bot began to speak, in seconds after what is thought to be the recording's beginning.
    """
    if per_sec < FINE:
        return 0.0
    quiet = round(QUIET_SECS * per_sec)
    heard = [
        place / per_sec
        for place, loud in enumerate(side)
        if loud >= AUDIBLE and place >= quiet and max(side[place - quiet : place]) < AUDIBLE
    ]
    shifts = sorted(found - begin for begin in begins for found in heard if abs(found - begin) <= APART_SECS)
    alike = max(
        ([one for one in shifts if 0 <= one - first <= 2 * ALIKE_SECS] for first in shifts),
        key=lambda some: (len(some), -abs(some[0])),
        default=[],
    )
    inside = sum(0 <= begin <= len(side) / per_sec for begin in begins)
    if len(alike) < ENOUGH or 2 * len(alike) < inside:
        return 0.0
    return alike[len(alike) // 2]
