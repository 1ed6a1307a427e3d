"""What many talks have come to: shares and times, by kind, and what was wrong where."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.machine import described
from talks.format import Line
from talks.scoring import LineScore, TalkScore

TARGETS: Mapping[str, float] = {
    "relevant": 0.93,
    "ended_well": 0.97,
    "messages_right": 0.95,
    "one_word_heard": 0.98,
    "false_interruptions": 0.05,
    "over_caller": 0.02,
    "response_p50_ms": 650,
    "response_p90_ms": 1200,
    "wrong_facts": 0.02,
    "wrong_facts_off_topic": 0.05,
}
"""What all talks together should reach; see `AT_MOST` for those that should be no more."""

AT_MOST = (
    "false_interruptions",
    "over_caller",
    "response_p50_ms",
    "response_p90_ms",
    "wrong_facts",
    "wrong_facts_off_topic",
)
TIMES = ("response_p50_ms", "response_p90_ms", "barge_in_p50_ms", "barge_in_p90_ms")
"""Figures that a machine with other work makes worse."""

BUSY_MS = 300
"""From how much lag of a line's clock on a machine counts as busy."""

LAST_LINE = (
    *("talks", "lines", "relevant", "ended_well", "messages_right", "one_word_heard", "false_interruptions"),
    *("over_caller", "response_p50_ms", "response_p90_ms", "wrong_facts"),
)
"""What is in the JSON object at the end, in this order."""


def share_of(values: Iterable[bool | None]) -> float | None:
    """Which share of what was judged is so; None when nothing was."""
    judged = [value for value in values if value is not None]
    return sum(judged) / len(judged) if judged else None


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value that so many percent do not exceed; None without any."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def figures(scores: Sequence[TalkScore]) -> dict[str, float | int | None]:
    """All figures of these talks, by name."""
    lines = [line for score in scores for line in score.lines]
    said = [line for line in lines if line.turn.say is not None]
    responses = [line.response_ms for line in lines if line.response_ms is not None]
    silenced = [line.silenced_ms for line in lines if line.silenced_ms is not None]
    words = sum(line.words for line in lines)
    found: dict[str, float | int | None] = {
        "talks": len(scores),
        "lines": len(said),
        "words_understood": sum(line.words_understood for line in lines) / words if words else None,
        "relevant": share_of(line.relevant for line in lines),
        "ended_well": share_of(score.ended_well for score in scores),
        "messages_right": share_of(score.messages_right for score in scores),
        "one_word_heard": share_of(line.one_word_heard for line in lines),
        "false_interruptions": share_of(line.interrupted for line in lines),
        "over_caller": share_of(line.over for line in said),
        "response_p50_ms": percentile(responses, 50),
        "response_p90_ms": percentile(responses, 90),
        "barge_in_p50_ms": percentile(silenced, 50),
        "barge_in_p90_ms": percentile(silenced, 90),
        "dead_air": share_of(line.dead_air for line in lines),
        "clipped_lines": share_of(line.clipped for line in lines),
        "lost_ms_per_talk": sum(score.evidence.lost_ms for score in scores) / len(scores) if scores else None,
        "wrong_facts": share_of(line.wrong_fact for line in lines if line.fact_asked and not line.off_topic),
        "wrong_facts_off_topic": share_of(
            line.wrong_fact for line in lines if line.fact_asked and line.off_topic
        ),
    }
    return {name: _rounded(value) for name, value in found.items()}


def last_line(all_figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that programs read."""
    return {name: all_figures[name] for name in LAST_LINE}


def is_busy(scores: Sequence[TalkScore]) -> bool:
    """Whether the machine had other work, so that times say little: more than a tenth of the lines were late."""
    late = sum(score.evidence.lag_ms > BUSY_MS for score in scores)
    return late > len(scores) / 10


def below(
    all_figures: Mapping[str, Any], floor: Mapping[str, float], *, without_times: bool = False
) -> list[str]:
    """Which figures are worse than a floor allows, one sentence each.

    Args:
        all_figures: What was measured.
        floor: The worst that may be, by name.
        without_times: Do not look at times.
    """
    worse = []
    for name, limit in floor.items():
        if without_times and name in TIMES:
            continue
        value = all_figures[name]
        if value is None:
            worse.append(f"{name} was not measured: no talk has it")
        elif name in AT_MOST and value > limit:
            worse.append(f"{name} is {value:g}, and may be {limit:g} at most")
        elif name not in AT_MOST and value < limit:
            worse.append(f"{name} is {value:g}, and must be {limit:g} at least")
    return worse


def written(scores: Sequence[TalkScore], command: str = "make talks") -> str:
    """All of it as Markdown: printed, and kept in `talks/results.md`.

    Args:
        scores: Of each talk that was played.
        command: What has played them.
    """
    whole = figures(scores)
    parts = [
        "# What callers felt",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {described()}. docs/conversation.md "
        f"says what is measured, and how. Shares are from 0 to 1. {_lateness(scores)}",
        _table(whole),
        "## By carrier and brain",
        _by(scores, lambda score: f"{score.evidence.play.carrier}, {score.evidence.play.brain}"),
        "## By voice",
        _by(scores, lambda score: score.evidence.play.talk.voice.partition("/")[0]),
        "## By surroundings and telephone",
        _by(scores, lambda score: _surroundings(score.evidence.play.talk.line)),
        "## By kind of line",
        _by_kind([line for score in scores for line in score.lines]),
        "## What was wrong",
        _wrong(scores),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(whole: Mapping[str, Any]) -> str:
    rows = ["| | | target |", "| --- | --- | --- |"]
    for name, value in whole.items():
        target = TARGETS.get(name)
        wanted = "" if target is None else f"{'at most' if name in AT_MOST else 'at least'} {target:g}"
        rows.append(f"| {name} | {_shown(value)} | {wanted} |")
    return "\n".join(rows)


def _lateness(scores: Sequence[TalkScore]) -> str:
    worst = sorted(score.evidence.lag_ms for score in scores)
    if not worst:
        return ""
    busy = " The machine had other work: the times say little." if is_busy(scores) else ""
    return (
        f"The lines' own clocks were late by {worst[len(worst) // 2]} ms in half of the talks at worst.{busy}"
    )


def _surroundings(line: Line) -> str:
    """What a line has of its own, in a few words."""
    own = [
        *([line.noise] if line.noise else []),
        *(["soft"] if line.gain_db < -3 else ["loud"] if line.gain_db > 3 else []),
        *(["clipped"] if line.clip else []),
        *(["packets lost"] if line.loss else []),
        *([line.codec] if line.codec else []),
        *(["speakerphone"] if line.echo else []),
        *(["fast"] if line.speed > 1 else ["slow"] if line.speed < 1 else []),
    ]
    return ", ".join(own) or "as usual"


BY = (
    "talks",
    "words_understood",
    "relevant",
    "ended_well",
    "messages_right",
    "over_caller",
    "response_p50_ms",
)


def _by(scores: Sequence[TalkScore], name_of: Callable[[TalkScore], str]) -> str:
    groups: dict[str, list[TalkScore]] = defaultdict(list)
    for score in scores:
        groups[name_of(score)].append(score)
    columns = (*BY, "response_p90_ms", "wrong_facts")
    rows = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for name, group in sorted(groups.items()):
        found = figures(group)
        rows.append(f"| {name} | " + " | ".join(_shown(found[column]) for column in columns) + " |")
    return "\n".join(rows)


def _by_kind(lines: Sequence[LineScore]) -> str:
    groups: dict[str, list[LineScore]] = defaultdict(list)
    for line in lines:
        groups[line.kind].append(line)
    rows = [
        "| kind | lines | words understood | relevant | interrupted wrongly | talked over | p50 ms | p90 ms "
        "| wrong facts |",
        "| --- |" + " --- |" * 8,
    ]
    for kind, group in sorted(groups.items()):
        words = sum(line.words for line in group)
        responses = [line.response_ms for line in group if line.response_ms is not None]
        cells = [
            len(group),
            sum(line.words_understood for line in group) / words if words else None,
            share_of(line.relevant for line in group),
            share_of(line.interrupted for line in group),
            share_of(line.over for line in group),
            percentile(responses, 50),
            percentile(responses, 90),
            share_of(line.wrong_fact for line in group if line.fact_asked),
        ]
        rows.append(f"| {kind} | " + " | ".join(_shown(_rounded(cell)) for cell in cells) + " |")
    return "\n".join(rows)


def _wrong(scores: Sequence[TalkScore]) -> str:
    found = []
    for score in scores:
        why = [*score.why]
        for line in score.lines:
            why += [f"{line.kind}, {_done(line)}: {reason}" for reason in line.why]
        if why:
            found.append(f"- {score.evidence.play.label}\n" + "\n".join(f"  - {reason}" for reason in why))
    return "\n".join(found)


def told(score: TalkScore) -> str:
    """What came of one talk, turn by turn, for whoever listens to its recording."""
    rows = []
    for line in score.lines:
        rows.append(f"{line.kind}: {_done(line)}")
        rows += [
            *([f"    understood {line.understood!r}"] if line.understood else []),
            *([f"    answered   {line.answer!r}"] if line.answer else []),
            *([f"    after      {line.response_ms} ms"] if line.response_ms is not None else []),
            *(f"    wrong      {reason}" for reason in line.why),
        ]
    rows += [f"wrong: {reason}" for reason in score.why]
    return "\n".join(rows) + "\n"


def _done(line: LineScore) -> str:
    turn = line.turn
    return repr(turn.say or turn.sound or turn.press or ("(hangs up)" if turn.hang_up else "(silence)"))


def _rounded(value: float | int | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    return round(value, 3) if abs(value) <= 1 else round(value)


def _shown(value: float | int | None) -> str:
    return "-" if value is None else f"{value:g}"
