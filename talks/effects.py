"""What surroundings and telephones do to a caller's voice, and what callers do besides speaking.

    on_line(samples, line)   what is done to the speech itself: pace, loudness, clipping, lost packets, a codec
    background(line)         what is heard all the time, also between the lines: `NOISES`
    sound(name)              what is not a word: `SOUNDS`

Samples are int16 at 8 kHz. All is drawn from generators with fixed seeds: the same line has the same faults each time.
The µ-law of the telephone network is the emulator's.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from talks.effects_noises import NOISES, noise
from talks.effects_sounds import SOUNDS, sound
from talks.format import Line
from talks.voices.sound import LEVEL_DB, RATE

__all__ = ["CODECS", "NOISES", "SOUNDS", "background", "concealed", "lost_frames", "on_line", "sound"]

FRAME = RATE // 50
"""Samples in a packet of 20 ms."""

BURST_MEAN = 1.6
"""Packets are lost in bursts of one to four; as many are lost in a row on average."""

CODECS = {"gsm": "GSM610"}
"""Codecs with a low rate, and libsndfile's names of them: GSM 06.10 full rate has 13 kbit/s."""

# Speech that is stretched or shortened in time (WSOLA) is taken in windows of 30 ms, moved by up to 10 ms to fit
_WINDOW = 240
_SEARCH = 80


def on_line(samples: NDArray[np.int16], line: Line) -> NDArray[np.int16]:
    """Speech as it reaches the network from this line: without noise and echo, which are there between words, too."""
    said = _float(samples)
    if line.speed != 1:
        said = _paced(said, line.speed)
    if line.clip:
        said = _clipped(said, line.clip)
    said = said * 10 ** (line.gain_db / 20)
    if line.codec:
        said = _coded(said, line.codec)
    if line.loss:
        said = concealed(said, lost_frames(len(said), line.loss, _seed(samples)))
    return _int16(said)


def background(line: Line) -> NDArray[np.int16]:
    """What is heard behind the caller all the time, at least 20 s, whose end goes over into its beginning.

    It is softer than the caller by `snr_db`, whose own loudness `gain_db` tells.

    Raises:
        KeyError: There is no such noise.
        NotMade: It is made of speech (babble, television) that was not made.
    """
    if line.noise is None:
        return np.zeros(20 * RATE, np.int16)
    heard = noise(line.noise)
    level = 10 ** ((LEVEL_DB + line.gain_db - line.snr_db) / 20)
    return _int16(heard * level / np.sqrt(np.mean(heard**2)))


def lost_frames(count: int, share: float, seed: int) -> list[int]:
    """Which packets of 20 ms get lost of so many samples: in bursts, this share of them to within half a packet.

    The first packet is never lost: a phone would have nothing to conceal it with.
    """
    random = np.random.default_rng(seed)
    frames = -(-count // FRAME)
    # What is over decides by chance, so that short words lose the same share as long ones in the mean
    goal = min(int(share * frames + random.random()), frames - 1)
    lost: set[int] = set()
    while len(lost) < goal:
        begin = int(random.integers(1, frames))
        burst = min(int(random.geometric(1 / BURST_MEAN)), 4, goal - len(lost))
        lost.update(range(begin, min(begin + burst, frames)))
    return sorted(lost)


def concealed(samples: NDArray[np.float64], lost: list[int]) -> NDArray[np.float64]:
    """Speech with lost packets as phones conceal them: the last pitch period again, fading, as ITU-T G.711 Appendix I.

    The first 10 ms are as loud as before, then a fifth less each 10 ms, and nothing is left after 60 ms.
    """
    out = samples.copy()
    run = 0
    for frame in range(-(-len(out) // FRAME)):
        if frame not in lost:
            run = 0
            continue
        begin, end = frame * FRAME, min((frame + 1) * FRAME, len(out))
        before = out[: begin - run * FRAME][-3 * FRAME :]
        period = before[-_pitch(before) :]
        at = np.arange(run * FRAME, run * FRAME + end - begin)
        gain = np.clip(1 - 0.2 * np.maximum(at - FRAME / 2, 0) / (FRAME / 2), 0, 1)
        out[begin:end] = period[at % len(period)] * gain if len(period) else 0
        run += 1
    return out


def _pitch(samples: NDArray[np.float64]) -> int:
    """The lag, 5 to 15 ms, at which the end of these samples is most like what was before."""
    lags = range(RATE // 200, RATE * 15 // 1000 + 1)
    last = samples[-FRAME:]
    if len(samples) < FRAME + lags[-1]:
        return min(len(samples), FRAME)
    likeness = []
    for lag in lags:
        earlier = samples[len(samples) - FRAME - lag : len(samples) - lag]
        likeness.append(float(last @ earlier) / (float(np.sqrt(earlier @ earlier)) + 1e-9))
    return lags[int(np.argmax(likeness))]


def _clipped(samples: NDArray[np.float64], drive_db: float) -> NDArray[np.float64]:
    """Speech driven into a microphone's end by so much; as loud as it was, with the peaks gone."""
    end = float(np.abs(samples).max()) * 10 ** (-drive_db / 20)
    flat = np.clip(samples, -end, end)
    loudness = np.sqrt(np.mean(samples**2) / max(float(np.mean(flat**2)), 1e-12))
    return np.asarray(flat * loudness, np.float64)


def _paced(samples: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """Speech in another pace with the same pitch: WSOLA (Verhelst and Roelands, ICASSP 1993)."""
    hop = _WINDOW // 2
    window = np.hanning(_WINDOW + 1)[:-1]
    count = int(len(samples) / speed)
    padded = np.concatenate([np.zeros(_SEARCH), samples, np.zeros(_WINDOW * 3 + _SEARCH)])
    out = np.zeros(count + 2 * _WINDOW)
    weight = np.zeros_like(out)
    natural: NDArray[np.float64] | None = None
    for at in range(0, count, hop):
        middle = int(at * speed) + _SEARCH
        begin = middle
        if natural is not None:
            around = padded[middle - _SEARCH : middle + _SEARCH + _WINDOW]
            fit = np.correlate(around, natural, "valid")
            begin = middle - _SEARCH + int(np.argmax(fit))
        out[at : at + _WINDOW] += padded[begin : begin + _WINDOW] * window
        weight[at : at + _WINDOW] += window
        natural = padded[begin + hop : begin + hop + _WINDOW]
    return np.asarray(out[:count] / np.maximum(weight[:count], 1e-3), np.float64)


def _coded(samples: NDArray[np.float64], codec: str) -> NDArray[np.float64]:
    """Speech after a codec of this name."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE, subtype=CODECS[codec], format="WAV")
    file.seek(0)
    out, _ = soundfile.read(file, dtype="float64")
    return np.asarray(np.pad(out, (0, max(0, len(samples) - len(out))))[: len(samples)], np.float64)


def _seed(samples: NDArray[np.int16]) -> int:
    """The same for the same words, another for others."""
    return int.from_bytes(hashlib.sha256(samples.tobytes()).digest()[:8], "big")


def _float(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    return samples.astype(np.float64) / 32768


def _int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.asarray(np.round(np.clip(samples, -1, 1) * 32767), np.int16)
