"""Place calls for an hour, and see that they leave nothing behind in the server. Loopback only; Linux.

Calls come in rounds. After each, when nobody calls, it is looked at what the server's processes hold: memory, threads,
sockets and files by /proc, tasks by asking them. What the first calls add is a warm-up. The last line of the output is
one JSON object: how many calls there were, how many `ended` as they are to, the slope of the memory after the warm-up,
and what is left of the rest in the end beyond what was there after the warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import httpx

from chaos import talk
from chaos.bot import TASKS
from chaos.database import Postgres, chosen
from chaos.judging import Verdict, judge
from chaos.part import Stage, staged, told_of
from chaos.processes import Held, can_look, held
from chaos.schedule import PlannedCall, draw
from emulator import EmulatorError

MINUTES, QUICK_MINUTES = 60.0, 5.0
AT_ONCE, QUICK_AT_ONCE = 16, 24
QUICK_LINES = (talk.LINES[0], talk.BYE)
"""A short talk, so that five minutes have enough of them."""

SPREAD_SECS = 4.0
"""Within which all calls of a round begin."""

WARM_UP = 100
"""Calls of each process that do not count: what is loaded and kept ready with the first ones stays, and is meant to."""

FEWEST_ROUNDS = 3
"""After the warm-up, for a slope to mean anything."""

SETTLES_SECS = 4.0
"""After a round, until it is looked at what is held."""

LEAVES_SECS = 30.0
"""How long what is left in the end may take to go: connections that are kept for the next request, for example."""

MOST_MB = 1.0
"""Per 100 calls."""

ASKS = 60
"""How often the port is asked until each process behind it has said how many tasks it has."""


@dataclass(frozen=True)
class Sample:
    """What the processes held when nobody called.

    Parameters:
        calls: How many calls were over by then.
        held: What the kernel says of it.
        tasks: How many tasks all processes had.
        processes: How many there were.
    """

    calls: int
    held: Held
    tasks: int
    processes: int


def slope(samples: Sequence[Sample]) -> float:
    """How much memory 100 calls add, in MB: the slope of the straight line that fits best (least squares)."""
    count = len(samples)
    calls = sum(one.calls for one in samples) / count
    memory = sum(one.held.memory_mb for one in samples) / count
    spread = sum((one.calls - calls) ** 2 for one in samples)
    if not spread:
        return 0.0
    together = sum((one.calls - calls) * (one.held.memory_mb - memory) for one in samples)
    return round(100 * together / spread, 2)


def warm(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Those after the warm-up, its end included."""
    return [one for one in samples if one.calls >= WARM_UP * one.processes]


def left(first: Sample, last: Sample) -> dict[str, int]:
    """What there is more of in the end than after the warm-up; less is nothing left."""
    return {
        "tasks_left": max(0, last.tasks - first.tasks),
        "sockets_left": max(0, last.held.sockets - first.held.sockets),
        "threads_left": max(0, last.held.threads - first.held.threads),
        "files_left": max(0, last.held.files - first.held.files),
    }


async def look(stage: Stage, calls: int) -> Sample:
    """What the server's processes hold now."""
    pids = set(stage.server.workers())
    tasks: dict[int, int] = {}
    async with httpx.AsyncClient(base_url=stage.server.url, trust_env=False, timeout=5.0) as http:
        for _ in range(ASKS):
            with suppress(httpx.HTTPError, ValueError):
                # A connection that is kept would bring each question to the same process
                told = (await http.get(TASKS, headers={"Connection": "close"})).json()
                tasks[told["process"]] = told["tasks"]
            if pids <= tasks.keys():
                break
    return Sample(calls, held(pids), sum(tasks.get(pid, 0) for pid in pids), len(pids))


async def soak(options: argparse.Namespace, directory: Path) -> tuple[list[Sample], list[Verdict], list[str]]:
    """Place rounds of calls until the time is over.

    Returns:
        What was held after each round, and in the very end; what came of the calls; and what else was wrong.

    Raises:
        EmulatorError: The server or the database cannot be started.
    """
    folder = chosen(options.database)
    samples: list[Sample] = []
    verdicts: list[Verdict] = []
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Postgres(folder)) if folder is not None else None
        url = database.url if database is not None else None
        stage = await stack.enter_async_context(
            staged(directory, "call_control", options.workers, url, options.at_once)
        )
        print(
            f"{options.minutes:g} minutes, {options.at_once} calls at a time, {options.workers} process(es), "
            f"calls kept in {'PostgreSQL' if database else 'SQLite'}, seed {options.seed}\n{_HEAD}",
            flush=True,
        )
        if options.quick:
            stage.placing.lines = QUICK_LINES
        until = time.monotonic() + options.minutes * 60
        pids = stage.server.workers()
        while time.monotonic() < until or len(warm(samples)) < FEWEST_ROUNDS:
            # The second part's calls are for a server that places calls at Telnyx by commands
            planned = draw(options.seed + len(samples), 2 * options.at_once, options.at_once, [])[1].calls
            verdicts += await _round(stage, planned, len(samples))
            await asyncio.sleep(SETTLES_SECS)
            samples.append(await look(stage, len(verdicts)))
            print(_row(len(samples), samples[-1]), flush=True)
        patience = time.monotonic() + LEAVES_SECS
        while any(left(warm(samples)[0], samples[-1]).values()) and time.monotonic() < patience:
            await asyncio.sleep(SETTLES_SECS)
            samples[-1] = await look(stage, len(verdicts))
        print(_row(len(samples), samples[-1]), flush=True)
        same = stage.server.workers() == pids
    return samples, verdicts, [] if same else ["a process has died: what the others hold says nothing"]


async def _round(stage: Stage, planned: Sequence[PlannedCall], number: int) -> list[Verdict]:
    """One round: all calls begin within a few seconds, and the round is over with the last one."""

    async def one_call(place: int, call: PlannedCall) -> Verdict:
        await asyncio.sleep(place * SPREAD_SECS / len(planned))
        numbered = PlannedCall(
            number * len(planned) + place, call.carrier, call.mode, call.direction, call.begins_secs
        )
        seen = await stage.placing.place(numbered)
        told = await told_of([seen.call_id] if seen.call_id else [], stage.placing)
        return judge(seen, [], told.get(seen.call_id))

    return list(await asyncio.gather(*(one_call(place, call) for place, call in enumerate(planned))))


_HEAD = f"{'round':>5}{'calls':>8}{'memory':>12}{'tasks':>8}{'threads':>9}{'sockets':>9}{'files':>7}"


def _row(number: int, sample: Sample) -> str:
    held = sample.held
    return (
        f"{number:>5}{sample.calls:>8}{held.memory_mb:>9.1f} MB{sample.tasks:>8}{held.threads:>9}{held.sockets:>9}"
        f"{held.files:>7}"
    )


def report(samples: Sequence[Sample], verdicts: Sequence[Verdict], others: Sequence[str]) -> int:
    """Print what came of it; returns the exit status."""
    counted = warm(samples)
    figures = {
        "calls": len(verdicts),
        "ended": sum(one.ended for one in verdicts),
        "mb_per_100_calls": slope(counted),
        **left(counted[0], counted[-1]),
    }
    missed = list(others)
    for one in verdicts:
        if one.problems:
            missed.append(f"call {one.name} [{one.call_id}]: {'; '.join(one.problems)}")
    if figures["mb_per_100_calls"] >= MOST_MB:
        missed.append(f"100 calls add {figures['mb_per_100_calls']} MB; less than {MOST_MB:g} MB is to be")
    missed += [
        f"{count} {name.removesuffix('_left')} are left"
        for name, count in left(counted[0], counted[-1]).items()
        if count
    ]
    for sentence in missed:
        print(f"missed: {sentence}")
    print(json.dumps(figures))
    return 1 if missed else 0


async def _stoppable(
    options: argparse.Namespace, directory: Path
) -> tuple[list[Sample], list[Verdict], list[str]]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await soak(options, directory)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run.

    Returns:
        0 when nothing is left and every call ended as it is to, 1 when not, 2 when it could not run.
    """
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help=f"how long (default {MINUTES:g})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_MINUTES:g} minutes")
    parser.add_argument("--seed", type=int, default=1, help="decides the order of the calls (default 1)")
    parser.add_argument(
        "--at-once", type=int, help=f"calls in a round (default {AT_ONCE}, or {QUICK_AT_ONCE})"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that answer (default 2)")
    parser.add_argument(
        "--database", choices=("auto", "sqlite", "postgres"), default="auto", help="where calls are kept"
    )
    parser.add_argument("--keep", type=Path, help="a new folder for the server's output and data")
    options = parser.parse_args(arguments)
    if options.minutes is None:
        options.minutes = QUICK_MINUTES if options.quick else MINUTES
    if options.at_once is None:
        options.at_once = QUICK_AT_ONCE if options.quick else AT_ONCE
    if min(options.at_once, options.workers) < 1 or options.minutes <= 0:
        parser.error("--minutes, --at-once and --workers must be above 0")
    if options.keep is not None and options.keep.exists():
        parser.error(f"{options.keep} is there already: name a new folder with --keep")
    if not can_look():
        print("this needs Linux: it looks in /proc what the server's processes hold", file=sys.stderr)
        return 2
    try:
        with TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as scratch:
            samples, verdicts, others = asyncio.run(
                _stoppable(options, options.keep or Path(scratch) / "run")
            )
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped", file=sys.stderr)
        return 2
    return report(samples, verdicts, others)


if __name__ == "__main__":
    sys.exit(main())
