"""Ours beside a stock Pipecat bot in one run, by turns (A B A B), and the ratios that come out of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.arithmetic import Spread, calls_without, doubled_at, ratio, spread
from bench.bots import OURS, STOCK
from bench.measure_serializers import measure_serializers, serializer_ratio
from bench.runs import Run, median_of, pooled, run

REPEATS_OF_ONE = 2

HICCUP = 0.02
"""Up to so many underruns an answer, a step is made once more: one hole may be the machine's, two rows of them not."""

CUT_INS_BEFORE_PERCENT = 59.6
"""How often ours cut hesitant callers off before its calls shared a detector: commit 16b37de, 136 sentences."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is run.

    Parameters:
        carriers: Over which.
        calls: How many at a time in the runs by turns.
        secs: How long each run is.
        rounds: How often each bot has its turn with each carrier.
        starts: How many calls are placed alone, to see what a start takes.
        steps: At how many calls each bot is looked at besides; empty for the runs by turns only.
        workers: Our bot by processes and calls besides.
        repeats: How many runs that were disturbed are made again, of all; each twice at most.
        port: A free port, and some behind it.
        checkout: Where our program is, to measure another version; here when not given.
    """

    carriers: Sequence[str] = ("twilio", "telnyx")
    calls: int = 20
    secs: float = 40.0
    rounds: int = 2
    starts: int = 6
    steps: Sequence[int] = (4, 8, 14, 20, 26, 32, 40, 50, 60)
    workers: Sequence[tuple[int, int]] = ((2, 40), (2, 60))
    repeats: int = 10
    port: int = 7862
    checkout: Path | None = None


QUICK = Plan(("twilio",), secs=22.0, starts=4, steps=(), workers=(), repeats=1)
"""Under four minutes."""


@dataclass
class Comparison:
    """What was measured.

    Parameters:
        plan: What was run.
        turns: The runs by turns, in their order.
        ladder: The runs at other numbers of calls.
        workers: Ours in several processes.
        serializers: Processor time of decoding and encoding a frame in µs, by carrier and bot.
    """

    plan: Plan
    turns: list[Run] = field(default_factory=list)
    ladder: list[Run] = field(default_factory=list)
    workers: list[Run] = field(default_factory=list)
    serializers: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        """All runs, in their order."""
        return [*self.turns, *self.ladder, *self.workers]

    @property
    def problems(self) -> list[str]:
        """What went wrong with calls, of all runs."""
        found = (f"{label(one)}: {what}" for one in self.runs for what in one.problems)
        return list(dict.fromkeys(found))

    def of(self, bot: str) -> list[Run]:
        """The runs by turns of one bot."""
        return [one for one in self.turns if one.bot == bot]

    def spread_of(self, bot: str, values: str) -> Spread | None:
        """All measurements of one thing in a bot's runs by turns."""
        return spread(pooled(self.of(bot), values))

    def steps_of(self, bot: str) -> list[Run]:
        """A bot's runs over the first carrier with one process, by numbers of calls."""
        runs = [one for one in (*self.ladder, *self.turns) if one.bot == bot]
        first = [one for one in runs if one.carrier == self.plan.carriers[0] and one.processes == 1]
        return sorted(first, key=lambda one: one.calls)

    def underruns_of(self, bot: str) -> dict[int, int]:
        """By numbers of calls, the underruns in the better of a bot's runs."""
        return {calls: min(one.underruns for one in runs) for calls, runs in self._steps(bot).items()}

    def calls_of_double_p95(self, bot: str) -> int | None:
        """The fewest calls at which the 95th percentile of the response is twice that at the fewest of all."""
        spreads = {calls: spread(pooled(runs, "responses")) for calls, runs in self._steps(bot).items()}
        return doubled_at({calls: found.p95 for calls, found in spreads.items() if found is not None})

    def _steps(self, bot: str) -> dict[int, list[Run]]:
        steps: dict[int, list[Run]] = {}
        for one in self.steps_of(bot):
            steps.setdefault(one.calls, []).append(one)
        return steps


async def compare(plan: Plan, tell: Tell) -> Comparison:
    """Carry out a plan.

    Args:
        plan: What is run.
        tell: Takes a line of progress.

    Raises:
        EmulatorError: A bot or the load cannot be started.
    """
    result = Comparison(plan, serializers=await measure_serializers())
    steadily = _Steadily(plan, tell)
    for number in range(plan.rounds):
        for carrier in plan.carriers:
            for bot in (OURS, STOCK):
                starts = plan.starts if number == 0 else 0
                result.turns.append(await steadily.run(bot, carrier, plan.calls, starts=starts))
    carrier = plan.carriers[0]
    for bot in (OURS, STOCK):
        for calls in sorted(set(plan.steps) - {plan.calls}):
            if bot == STOCK and _is_over(result):
                break  # What stock does beyond says nothing more.
            made = await steadily.run(bot, carrier, calls)
            result.ladder.append(made)
            if 0 < made.underruns <= HICCUP * made.answers:
                result.ladder.append(await steadily.run(bot, carrier, calls))
    for processes, calls in plan.workers:
        result.workers.append(await steadily.run(OURS, carrier, calls, processes=processes))
    return result


def _is_over(result: Comparison) -> bool:
    runs = [one for one in result.ladder if one.bot == STOCK]
    if not runs or runs[-1].calls < result.plan.calls:
        return False
    return bool(runs[-1].underruns) and result.calls_of_double_p95(STOCK) is not None


class _Steadily:
    """Makes runs, and those that were disturbed again."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self._plan = plan
        self._tell = tell
        self._repeats = plan.repeats

    async def run(self, bot: str, carrier: str, calls: int, *, processes: int = 1, starts: int = 0) -> Run:
        plan = self._plan
        for repeat in range(REPEATS_OF_ONE + 1):
            made = await run(
                bot,
                carrier,
                calls,
                plan.secs,
                plan.port,
                processes=processes,
                starts=starts,
                checkout=plan.checkout,
            )
            self._tell(_told(made))
            if not made.disturbances or not self._repeats or repeat == REPEATS_OF_ONE:
                break
            self._repeats -= 1
            self._tell(f"  once more: {'; '.join(made.disturbances)}")
        return made


def label(one: Run) -> str:
    """What a run is called."""
    several = f" in {one.processes} processes" if one.processes > 1 else ""
    return f"{one.bot}, {one.carrier}, {one.calls} calls{several}"


def _told(one: Run) -> str:
    return (
        f"  {label(one)}: {one.cpu_percent:.2f} % of a core a call, response {spread(one.responses)} ms, "
        f"{one.underruns} underruns in {one.answers} answers"
    )


def refusals(runs: Sequence[Run]) -> list[str]:
    """Why runs are not compared; empty when they are."""
    return [f"{label(one)}: {what}" for one in runs for what in one.disturbances]


def verdict(result: Comparison) -> dict[str, Any]:
    """The ratios, ours over stock; null for what could not be compared, and then `refused` says why."""
    refused = refusals(result.turns)
    found: dict[str, Any] = {}
    if result.plan.steps:
        besides = refusals(result.ladder)
        most = [calls_without(result.underruns_of(bot)) for bot in (OURS, STOCK)]
        found["calls_per_process_ratio"] = None if refused or besides else ratio(*most)
        refused_all = [*refused, *besides]
    else:
        refused_all = refused
    measured = {
        "cpu_per_call_ratio": _of_medians(result, "cpu_percent"),
        "memory_per_call_ratio": _of_medians(result, "memory_mb"),
        "call_start_cpu_ratio": _of_spreads(result, "start_cpu_secs", "p50"),
        "first_audio_ratio": _of_spreads(result, "first_audio", "p50"),
        "response_ratio": _of_spreads(result, "responses", "p50"),
        "response_p95_ratio": _of_spreads(result, "responses", "p95"),
        "barge_in_ratio": _of_spreads(result, "barge_ins", "p50"),
    }
    found |= dict.fromkeys(measured) if refused else measured
    found["serializer_ratio"] = serializer_ratio(result.serializers)
    now = cut_in_percent(result.of(OURS))
    found["cut_ins"] = {"before": CUT_INS_BEFORE_PERCENT, "now": None if refused else now}
    found["underruns"] = None if refused else sum(one.underruns for one in result.of(OURS))
    if refused_all:
        found["refused"] = refused_all
    return found


def cut_in_percent(runs: Sequence[Run]) -> float | None:
    """How often hesitant callers were cut off: the mean of all sentences, as some were said more often than others."""
    said: dict[int, list[tuple[int, int]]] = {}
    for one in runs:
        for piece, counts in one.hesitations.items():
            said.setdefault(piece, []).append(counts)
    rates = [sum(cut for _, cut in counts) / sum(times for times, _ in counts) for counts in said.values()]
    return round(100 * statistics.mean(rates), 1) if rates else None


def _of_medians(result: Comparison, value: str) -> float | None:
    return ratio(median_of(result.of(OURS), value), median_of(result.of(STOCK), value))


def _of_spreads(result: Comparison, values: str, which: str) -> float | None:
    ours, stock = (result.spread_of(bot, values) for bot in (OURS, STOCK))
    return None if ours is None or stock is None else ratio(getattr(ours, which), getattr(stock, which))
