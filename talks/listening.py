"""Listening to what was recorded: after the calls, for it takes the time of the machine that calls need."""

from __future__ import annotations

from collections.abc import Callable

from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.stories.ears import spoken_parts
from talks.evidence import Span

Transcribe = Callable[[Pcm], str]
MARGIN_MS = 60
"""What belongs to a word before it is loud, and after."""


def words_at_the_ear(heard: Pcm, transcribe: Transcribe, bot: list[Span]) -> list[tuple[int, int, str]]:
    """Write down what the bot was heard to say, with the beginning and the end of each piece in ms; slow.

    Args:
        heard: What was heard on the line.
        transcribe: The recogniser.
        bot: When it was the bot that was heard.
    """
    found = []
    for start, end in spoken_parts(heard):
        if not any(one < end and start < two for one, two in bot):
            continue
        first = max(0, start - MARGIN_MS) * SAMPLE_RATE // 1000
        text = transcribe(heard[first : (end + MARGIN_MS) * SAMPLE_RATE // 1000]).strip()
        if text:
            found.append((start, end, text))
    return found
