"""What the comparison has found, as Markdown: printed, and kept in `bench/results.md`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.arithmetic import Spread, begins_at, ratio, spread
from bench.bots import OURS, STOCK
from bench.comparison import Comparison, cut_in_percent, label, refusals
from bench.figures import Figure
from bench.machine import described
from bench.runs import Run, median_of

TARGETS: Mapping[str, float] = {
    "cpu_per_call_ratio": 0.43,
    "memory_per_call_ratio": 0.1,
    "call_start_cpu_ratio": 0.45,
    "first_audio_ratio": 0.2,
    "response_ratio": 0.87,
    "response_p95_ratio": 0.85,
    "barge_in_ratio": 0.85,
    "serializer_ratio": 0.55,
}
"""What each ratio should be at most."""

CALLS_TARGET = 3.0
"""How many times the calls of a stock process ours should carry without an underrun."""


def written(result: Comparison, verdict: Mapping[str, Any], figures: Sequence[Figure] = ()) -> str:
    """All of it, for a file.

    Args:
        result: What was measured.
        verdict: Its ratios.
        figures: What was measured besides, of a bot with its own services.
    """
    parts = [
        "# Ours beside a stock Pipecat bot",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {described()}. docs/performance.md says "
        "what is measured, and how. Times are in ms: median / 95th percentile / worst.",
        *_refused(verdict),
        _ratios(verdict),
        _turns(result),
        *([_ladder(result), _picture(result)] if result.ladder else []),
        *([_workers(result)] if result.workers else []),
        _serializers(result),
        _conditions(result),
    ]
    if figures:
        lines = "\n".join(figure.line() for figure in figures)
        parts.append(f"## Ours with its own services\n\n```text\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


def _refused(verdict: Mapping[str, Any]) -> list[str]:
    reasons = verdict.get("refused", [])
    if not reasons:
        return []
    listed = "\n".join(f"- {reason}" for reason in reasons)
    return [f"**Not compared** where it says -, because these figures are not of the bots alone:\n\n{listed}"]


def _ratios(verdict: Mapping[str, Any]) -> str:
    rows = [
        (name.removesuffix("_ratio").replace("_", " "), _number(verdict[name], 2), f"at most {target:g}")
        for name, target in TARGETS.items()
    ]
    if "calls_per_process_ratio" in verdict:
        many = _number(verdict["calls_per_process_ratio"], 2)
        rows.insert(0, ("calls per process without underruns", many, f"at least {CALLS_TARGET:g}"))
    cut_ins = verdict["cut_ins"]
    before, now = (_number(cut_ins[when], 1) for when in ("before", "now"))
    rows += [
        ("cut-ins of ours on hesitant callers, %", f"{now} (before: {before})", "not more than before"),
        ("underruns of ours", _number(verdict["underruns"], 0), "0"),
    ]
    return "## Ours over stock\n\n" + _table(("", "measured", "wanted"), rows)


def _turns(result: Comparison) -> str:
    plan = result.plan
    rows: list[tuple[str, ...]] = [
        _spread_row(result, "first sound after `start`", "first_audio"),
        _spread_row(result, "caller stops -> first sound", "responses"),
        _spread_row(result, "barge-in -> `clear`", "barge_ins"),
        _row(
            result, "underruns / answers", lambda runs: f"{_sum(runs, 'underruns')} / {_sum(runs, 'answers')}"
        ),
        _row(
            result,
            "silence in underruns, ms in a second of answers",
            lambda runs: _number(median_of(runs, "gaps"), 1),
        ),
        _row(result, "cut-ins on hesitant callers", _cut_ins),
        _row(result, "turns that got nothing in 6 s", lambda runs: str(_sum(runs, "unanswered"))),
        _median_row(result, "CPU per call, % of a core", "cpu_percent", 2),
        *_groups(result),
        _median_row(result, "memory per call, MB", "memory_mb", 1),
        _median_row(result, "memory before the calls, MB", "idle_mb", 0),
        _median_row(result, "threads", "threads", 0),
        _starts(result),
    ]
    carriers = " and ".join(plan.carriers)
    runs = f"{plan.rounds * len(plan.carriers)} runs of {plan.secs:g} s each by turns, over {carriers}"
    title = f"## {plan.calls} calls at a time\n\n{runs}; medians of runs, times of all runs together.\n\n"
    return title + _table(("", "ours", "stock", "ratio"), rows)


def _row(result: Comparison, name: str, show: Callable[[list[Run]], str]) -> tuple[str, ...]:
    return (name, show(result.of(OURS)), show(result.of(STOCK)), "")


def _median_row(result: Comparison, name: str, value: str, digits: int) -> tuple[str, ...]:
    ours, stock = (median_of(result.of(bot), value) for bot in (OURS, STOCK))
    return (name, _number(ours, digits), _number(stock, digits), _number(ratio(ours, stock), 2))


def _spread_row(result: Comparison, name: str, values: str) -> tuple[str, ...]:
    ours, stock = (result.spread_of(bot, values) for bot in (OURS, STOCK))
    if ours is None or stock is None:
        return (name, _spread(ours), _spread(stock), "-")
    pairs = ((ours.p50, stock.p50), (ours.p95, stock.p95), (ours.worst, stock.worst))
    return (name, str(ours), str(stock), " / ".join(_number(ratio(*pair), 2) for pair in pairs))


def _starts(result: Comparison) -> tuple[str, ...]:
    name, found = "CPU to start a call, s", [result.spread_of(bot, "start_cpu_secs") for bot in (OURS, STOCK)]
    shown = (
        "-" if one is None else f"{one.p50:.3f} (worst of {one.count}: {one.worst:.3f})" for one in found
    )
    return (name, *shown, _number(ratio(*(None if one is None else one.p50 for one in found)), 2))


def _groups(result: Comparison) -> list[tuple[str, ...]]:
    names = dict.fromkeys(name for one in result.turns for name in one.groups)
    rows = []
    for name in names:
        shares = [
            statistics.median(one.groups.get(name, 0.0) for one in result.of(bot)) if result.of(bot) else 0.0
            for bot in (OURS, STOCK)
        ]
        if max(shares) >= 0.005:
            rows.append((f"of which: {name}", *(f"{share:.2f}" for share in shares), ""))
    return rows


def _cut_ins(runs: list[Run]) -> str:
    said = sum(times for one in runs for times, _ in one.hesitations.values())
    return f"{_number(cut_in_percent(runs), 1)} % of {said}"


def _ladder(result: Comparison) -> str:
    parts = ["## By the number of calls", f"One process, {result.plan.carriers[0]}."]
    for bot in (OURS, STOCK):
        begin, double = begins_at(result.underruns_of(bot)), result.calls_of_double_p95(bot)
        underruns = "no underruns" if begin is None else f"underruns begin at {begin} calls"
        doubled = "has not doubled" if double is None else f"has doubled at {double}"
        parts.append(f"**{bot.capitalize()}**: {underruns}; the 95th percentile of the response {doubled}.")
        parts.append(_runs_table(result.steps_of(bot)))
    return "\n\n".join(parts)


def _workers(result: Comparison) -> str:
    alone = [one for one in result.steps_of(OURS) if one.calls in {run.calls for run in result.workers}]
    runs = sorted((*alone, *result.workers), key=lambda one: (one.calls, one.processes))
    return "## Ours in several processes\n\n" + _runs_table(runs)


def _runs_table(runs: Sequence[Run]) -> str:
    head = (
        "calls",
        "processes",
        "CPU per call, %",
        "first sound",
        "response",
        "barge-in",
        "underruns / answers",
    )
    rows = [
        (
            *(str(one.calls), str(one.processes), f"{one.cpu_percent:.2f}", _spread(spread(one.first_audio))),
            *(_spread(spread(one.responses)), _spread(spread(one.barge_ins))),
            *(f"{one.underruns} / {one.answers}", f"{one.memory_mb:.1f}", str(one.threads)),
        )
        for one in runs
    ]
    return _table((*head, "MB per call", "threads"), rows)


def _picture(result: Comparison) -> str:
    by_calls: dict[int, list[float]] = {}
    for one in result.steps_of(OURS):
        by_calls.setdefault(one.calls, []).append(one.cpu_percent)
    calls = ", ".join(str(count) for count in by_calls)
    costs = ", ".join(f"{statistics.median(values):.2f}" for values in by_calls.values())
    top = math.ceil(max(one.cpu_percent for one in result.steps_of(OURS)))
    lines = (
        *("```mermaid", "xychart-beta", '  title "Ours: CPU per call by the number of calls in one process"'),
        *(f'  x-axis "calls" [{calls}]', f'  y-axis "% of a core" 0 --> {top}', f"  line [{costs}]", "```"),
    )
    return "\n".join(lines)


def _serializers(result: Comparison) -> str:
    rows = []
    for carrier, measured in result.serializers.items():
        ours, stock = measured[OURS], measured[STOCK]
        pairs = (
            ("decode", ours[0], stock[0]),
            ("encode", ours[1], stock[1]),
            ("both", sum(ours), sum(stock)),
        )
        rows += [
            (f"{carrier}: {what}", f"{a:.2f}", f"{b:.2f}", _number(ratio(a, b), 2)) for what, a, b in pairs
        ]
    title = "## Serializers\n\nProcessor time of a frame of 20 ms at 8 kHz in µs, the quickest of several rounds.\n\n"
    return title + _table(("", "ours", "stock", "ratio"), rows)


def _conditions(result: Comparison) -> str:
    rows = [
        (label(one), f"{one.late_p99:.1f}", f"{one.load_cores:.2f}", f"{one.others_cores:.2f}", _sound(one))
        for one in result.runs
    ]
    head = ("run", "load late, 99th percentile, ms", "load, cores", "others, cores", "")
    return "## What the runs were made under\n\n" + _table(head, rows)


def _sound(one: Run) -> str:
    return "disturbed" if refusals([one]) else "sound"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _spread(values: Spread | None) -> str:
    return "-" if values is None else str(values)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _sum(runs: Sequence[Run], value: str) -> int:
    return sum(getattr(one, value) for one in runs)
