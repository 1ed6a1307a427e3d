"""When somebody fell silent, and when a voice began, found in the sound itself.

The first is asked once after each pause of the caller's, the second of a piece of the bot's audio only while nothing
was heard of it yet: no frame of a call is looked at for it otherwise.
"""

from __future__ import annotations

import audioop
import statistics

FRAME_SECS = 0.02
"""Sound is judged in stretches of this length, in seconds."""

AUDIBLE_RMS = 160
"""The least root mean square that counts as sound: -46 dB of full scale. A silent line of 8 bits has less."""

ABOVE_NOISE = 2.0
"""How much louder than the noise of the line a sound must be: 6 dB."""

NOISE_SECS = 0.16
"""The noise of a line is that of the last so many seconds, in which its speaker is known to be silent."""


def silent_for(audio: bytes, rate: int) -> float | None:
    """For how many seconds there has been no more than noise at the end of a sound.

    Args:
        audio: 16-bit mono PCM, whose speaker has been silent for `NOISE_SECS`.
        rate: In Hz.

    Returns:
        None when all of it is silent.
    """
    levels = _levels(audio, rate, from_end=True)
    noise = statistics.median(levels[: round(NOISE_SECS / FRAME_SECS)] or [0])
    threshold = max(AUDIBLE_RMS, ABOVE_NOISE * noise)
    count = next((number for number, level in enumerate(levels) if level >= threshold), None)
    return None if count is None else count * FRAME_SECS


def begins_after(audio: bytes, rate: int) -> float | None:
    """How many seconds after its beginning a sound can be heard; None when it is silent.

    Args:
        audio: 16-bit mono PCM.
        rate: In Hz.
    """
    levels = _levels(audio, rate)
    count = next((number for number, level in enumerate(levels) if level >= AUDIBLE_RMS), None)
    return None if count is None else count * FRAME_SECS


def _levels(audio: bytes, rate: int, *, from_end: bool = False) -> list[int]:
    size = 2 * max(1, round(rate * FRAME_SECS))
    if from_end:
        ends = range(len(audio), 0, -size)
        return [audioop.rms(audio[max(0, end - size) : end], 2) for end in ends]
    return [audioop.rms(audio[at : at + size], 2) for at in range(0, len(audio), size)]
