"""How a call felt, in figures that are made of its events alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from calls.events.event import CallEvent
from calls.events.lifecycle import Answered
from calls.events.talk import (
    BotSaid,
    DeadAirNoticed,
    Detached,
    Interrupted,
    InterruptionUndone,
    NotUnderstood,
    Responded,
    TurnMeasured,
)

STAGES = ("end_of_turn", "recogniser", "model", "tool", "voice", "line", "other")
"""What the wait for a turn is made of, as `calls.events.talk.Responded` explains it."""

UNHEARD = "recogniser_silent"
"""The cause of dead air in which the caller has spoken and no words came of it."""


@dataclass(frozen=True)
class Figures:
    """How a call felt. All times are in milliseconds.

    Parameters:
        first_sound_ms: From the beginning of the media stream to the first sound; null when the caller spoke first.
        first_words_ms: From the answer to the bot's first sound; null when there was none.
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
    first_words_ms: int | None
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


@dataclass(frozen=True)
class ResponseTime:
    """How long one turn of the bot was waited for.

    Parameters:
        at: When it was known.
        to: `caller`, or `call` for the first words on a media stream.
        ms: How long, in milliseconds.
        stages: What of it was spent on what, by name.
        interrupted: Whether the caller has cut the bot off in it.
    """

    at: datetime
    to: str
    ms: int
    stages: Mapping[str, int]
    interrupted: bool = False


def response_times(events: Sequence[CallEvent]) -> list[ResponseTime]:
    """How long each turn of the bot was waited for, in order.

    Each turn has a `responded` when the bot begins, and, before the next one, a `turn`, which was measured at the line.
    What has no `turn` yet, or was recorded before there were any, counts as it was measured first.
    """
    found: list[ResponseTime] = []
    is_open = False
    for event in events:
        if isinstance(event, Responded):
            found.append(ResponseTime(event.at, event.to, event.ms, event.stages))
            is_open = True
        elif isinstance(event, TurnMeasured):
            if is_open:
                found.pop()
            is_open = False
            found.append(
                ResponseTime(event.at, event.to, event.response_ms, _stages(event), event.interrupted)
            )
    return found


def _stages(event: TurnMeasured) -> dict[str, int]:
    stages: dict[str, int] = {}
    for part in event.parts:
        if isinstance(part, Mapping) and isinstance(part.get("ms"), int):
            name = str(part.get("stage", "other"))
            stages[name] = stages.get(name, 0) + part["ms"]
    return stages


def _first_words_ms(events: Sequence[CallEvent]) -> int | None:
    """As the line had it, or else when the voice was given the first words."""
    answered = next((event.at for event in events if isinstance(event, Answered)), None)
    for event in events:
        if isinstance(event, TurnMeasured):
            return event.after_answer_ms
    first = next((event.at for event in events if isinstance(event, BotSaid)), None)
    if answered is None or first is None:
        return None
    return max(0, round((first - answered).total_seconds() * 1000))


def figures(events: Sequence[CallEvent]) -> Figures:
    """Make a call's figures of its events."""
    measured = response_times(events)
    waits = sorted(one.ms for one in measured if one.to == "caller")
    stages = [one.stages for one in measured if one.to == "caller"]
    names = dict.fromkeys(name for one in stages for name in one)
    silences = [event for event in events if isinstance(event, DeadAirNoticed)]
    # What the end of the stream has cut off was cut off by nobody
    ends = [isinstance(event, Detached) for event in events[1:]] + [False]
    cut_off = sum(isinstance(event, Interrupted) and not end for event, end in zip(events, ends, strict=True))
    unheard = sum(
        one.cause == UNHEARD and one.stage != "fallback" for one in silences
    )  # the fallback comes after the others of the same silence
    return Figures(
        first_sound_ms=next((one.ms for one in measured if one.to == "call"), None),
        first_words_ms=_first_words_ms(events),
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
