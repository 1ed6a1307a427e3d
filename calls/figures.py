"""How a call felt, in figures that are made of its events alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from calls.events.event import CallEvent
from calls.events.talk import (
    DeadAirNoticed,
    Detached,
    Interrupted,
    InterruptionUndone,
    NotUnderstood,
    Responded,
)

UNHEARD = "recogniser_silent"
"""The cause of dead air in which the caller has spoken and no words came of it."""


@dataclass(frozen=True)
class Figures:
    """How a call felt. All times are in milliseconds.

    Parameters:
        first_sound_ms: From the beginning of the media stream to the first sound; null when the caller spoke first.
        responses: How many times the bot has responded to the caller.
        response_p50_ms: From the end of the caller's speech to the first sound of the response, the median.
        response_p90_ms: What nine of ten of these do not exceed.
        response_longest_ms: The longest of them.
        stages_p50_ms: The median of each stage of a response, by name; a stage that took no time counts as 0.
        interruptions: How many times the caller has cut the bot off.
        interruptions_undone: How many times the bot fell silent for a sound that was no interruption, and went on.
        dead_air: How many times the bot had to fill a silence of its own.
        dead_air_longest_ms: The longest such silence.
        not_understood: How many of the caller's lines were not understood: no words came of them, or the local brain
            said so.
    """

    first_sound_ms: int | None
    responses: int
    response_p50_ms: int | None
    response_p90_ms: int | None
    response_longest_ms: int | None
    stages_p50_ms: Mapping[str, int]
    interruptions: int
    interruptions_undone: int
    dead_air: int
    dead_air_longest_ms: int | None
    not_understood: int


def figures(events: Sequence[CallEvent]) -> Figures:
    """Make a call's figures of its events."""
    responded = [event for event in events if isinstance(event, Responded)]
    waits = sorted(event.ms for event in responded if event.to == "caller")
    stages = [event.stages for event in responded if event.to == "caller"]
    names = dict.fromkeys(name for one in stages for name in one)
    silences = [event for event in events if isinstance(event, DeadAirNoticed)]
    # What the end of the stream has cut off was cut off by nobody
    ends = [isinstance(event, Detached) for event in events[1:]] + [False]
    cut_off = sum(isinstance(event, Interrupted) and not end for event, end in zip(events, ends, strict=True))
    unheard = sum(
        one.cause == UNHEARD and one.stage != "fallback" for one in silences
    )  # the fallback comes after the others of the same silence
    return Figures(
        first_sound_ms=next((event.ms for event in responded if event.to == "call"), None),
        responses=len(waits),
        response_p50_ms=round(statistics.median(waits)) if waits else None,
        response_p90_ms=waits[-(-9 * len(waits) // 10) - 1] if waits else None,
        response_longest_ms=waits[-1] if waits else None,
        stages_p50_ms={name: round(statistics.median(one.get(name, 0) for one in stages)) for name in names},
        interruptions=cut_off,
        interruptions_undone=sum(isinstance(event, InterruptionUndone) for event in events),
        dead_air=_silences(silences),
        dead_air_longest_ms=max((round(one.silent_secs * 1000) for one in silences), default=None),
        not_understood=sum(isinstance(event, NotUnderstood) for event in events) + unheard,
    )


def _silences(noticed: Sequence[DeadAirNoticed]) -> int:
    """A silence that goes on is noticed up to three times, at later stages and with more seconds."""
    if not noticed:
        return 0
    return 1 + sum(later.silent_secs <= before.silent_secs for before, later in pairwise(noticed))
