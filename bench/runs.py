"""One run: a bot is started, warmed up, called by the load, and looked at while it talks."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.arithmetic import Spread, percentile, spread
from bench.bots import Running, running
from bench.caller import BARGE_IN, HESITANT, Caller
from bench.load import Load
from bench.machine import by_group, memory_mb, thread_count, usage
from bench.recordings import Recordings
from emulator.errors import EmulatorError

LATE_MS = 10.0
"""A load generator that is later than this with one of a hundred frames measures itself."""

OTHERS_CORES = 0.2
"""More than this of a core for anything but the bot, the load and the bench, and the machine was not ours."""

RAMP_SECS = 0.25
"""From one call's beginning to the next: quick enough to wait for, slow enough that no bot is overrun."""

LAST_LINES = 12
WARM_UPS = 5
WARM_UP_SECS = 2.0
SETTLE_SECS = 1.0
START_WINDOW_SECS = 0.5
"""The greeting is longer than two of these, and the first of it comes sooner, once a bot is warm."""

BETWEEN_STARTS_SECS = 1.0
"""What a call leaves to be done at its end is done by then."""

ENDS_SECS = 60.0
"""How long the load may take beyond its own time."""


@dataclass(frozen=True)
class Run:
    """What was measured of a bot with so many calls.

    Parameters:
        bot: `ours` or `stock`.
        carrier: Of the calls.
        calls: How many at a time, of all processes together.
        processes: How many processes shared them.
        first_audio: From `start` to the first sound, ms.
        responses: From the caller's last sound to the answer's first, ms.
        barge_ins: From the caller's first sound to the bot's `clear`, ms.
        unanswered: How often a caller who had finished got no answer in 6 s, or an interruption no `clear`.
        hesitations: By sentence with pauses: how often it was said, and how often the bot answered before its end.
        answers: How many the callers heard.
        underruns: Holes in them.
        gaps: How long underruns were, in ms for each second of answers.
        cpu_percent: Of one core, for each call.
        groups: The same by groups of threads.
        memory_mb: For each call.
        idle_mb: Of the bot before the calls.
        threads: Of all its processes.
        start_cpu_secs: Processor time to start a call, for each that was tried alone.
        late: How late the load generator was, ms.
        late_p99: What one of a hundred of its frames exceeded, ms.
        load_cores: What the load generator used.
        others_cores: What everything else on the machine used.
        problems: What went wrong with calls, one sentence each.
    """

    bot: str
    carrier: str
    calls: int
    processes: int
    first_audio: list[float]
    responses: list[float]
    barge_ins: list[float]
    unanswered: int
    hesitations: Mapping[int, tuple[int, int]]
    answers: int
    underruns: int
    gaps: float
    cpu_percent: float
    groups: Mapping[str, float]
    memory_mb: float
    idle_mb: float
    threads: int
    start_cpu_secs: list[float]
    late: Spread | None
    late_p99: float
    load_cores: float
    others_cores: float
    problems: list[str] = field(default_factory=list)

    @property
    def disturbances(self) -> list[str]:
        """Why this run says nothing about the bot; empty when it does."""
        return disturbances(self.late_p99, self.others_cores)


def disturbances(late_p99_ms: float, others_cores: float) -> list[str]:
    """Why a run says nothing about the bot: the load was late, or others had the machine.

    Args:
        late_p99_ms: What one of a hundred of the load's frames exceeded, in ms.
        others_cores: What everything but the bot, the load and the bench used, in cores.
    """
    found = []
    if late_p99_ms > LATE_MS:
        found.append(
            f"the load generator was {late_p99_ms:.0f} ms late with a frame of a hundred (limit {LATE_MS:.0f})"
        )
    if others_cores > OTHERS_CORES:
        found.append(f"others used {others_cores:.2f} cores of this machine (limit {OTHERS_CORES})")
    return found


async def run(
    bot: str,
    carrier: str,
    calls: int,
    secs: float,
    port: int,
    *,
    processes: int = 1,
    starts: int = 0,
    checkout: Path | None = None,
) -> Run:
    """Start a bot, call it, and stop it.

    Args:
        bot: `ours` or `stock`.
        carrier: Whose calls.
        calls: How many at a time.
        secs: For how long, once all are up.
        port: A free one, and as many behind it as there are processes.
        processes: How many of them share the calls.
        starts: How many calls are placed alone before, to see what a start takes.
        checkout: Where our bot's program is; here when not given.

    Raises:
        EmulatorError: The bot or the load cannot be started, or has ended.
    """
    with TemporaryDirectory(prefix="bench-") as directory:
        folder = Path(directory)
        async with running(bot, carrier, port, folder / "bot", processes=processes, checkout=checkout) as up:
            await _warm_up(up, carrier, folder)
            started = await _starts(up, carrier, starts)
            idle_mb = memory_mb(up.pids)
            return await _measure(up, bot, carrier, calls, secs, folder / "load.json", idle_mb, started)


async def _warm_up(up: Running, carrier: str, folder: Path) -> None:
    """Call each process until it has greeted: what it needs once comes with its first call."""
    for _ in range(WARM_UPS):
        heard, _seen = await _load(up, carrier, len(up.pids), WARM_UP_SECS, folder / "warm.json", "--listen")
        await asyncio.sleep(SETTLE_SECS)
        if all(call["first_audio_ms"] is not None for call in heard["calls"]):
            return
    log = await asyncio.to_thread((folder / "bot" / "0" / "server.log").read_text, errors="replace")
    last = "\n".join(log.splitlines()[-LAST_LINES:])
    raise EmulatorError(f"the bot takes calls and says nothing; its last lines:\n{last}")


async def _measure(
    up: Running,
    bot: str,
    carrier: str,
    calls: int,
    secs: float,
    out: Path,
    idle_mb: float,
    started: list[float],
) -> Run:
    load, seen = await _load(up, carrier, calls, secs, out, look=True)
    before, after, names, memory, threads, bench_cpu = seen
    used = after.processes - before.processes
    others = (after.busy - before.busy) - used - load["cpu_secs"] - bench_cpu
    moved = {thread: spent - before.threads.get(thread, 0.0) for thread, spent in after.threads.items()}
    share = 100 / secs / calls
    heard = figures_of(load["calls"])
    return Run(
        bot=bot,
        carrier=carrier,
        calls=calls,
        processes=len(up.pids),
        cpu_percent=used * share,
        groups={group: spent * share for group, spent in by_group(moved, names).items()},
        memory_mb=(memory - idle_mb) / calls,
        idle_mb=idle_mb,
        threads=threads,
        start_cpu_secs=started,
        late=spread(load["late_ms"]),
        late_p99=percentile(load["late_ms"], 99),
        load_cores=load["cpu_secs"] / secs,
        others_cores=max(0.0, others / secs),
        **heard,
    )


def figures_of(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What callers waited for and heard, of the figures of all calls (`bench.caller.CallFigures`)."""
    turns = [turn for call in calls for turn in call["turns"]]
    plain = [turn for turn in turns if turn["kind"] != HESITANT]
    interrupting = [turn for turn in turns if turn["kind"] == BARGE_IN]
    hesitant = [turn for turn in turns if turn["kind"] == HESITANT]
    answers = [answer for call in calls for answer in call["answers"]]
    holes = sum(sum(answer["holes_ms"]) for answer in answers)
    spoken = sum(answer["received_ms"] for answer in answers)
    silent = sum(turn["response_ms"] is None and not turn["cut_in"] for turn in plain)
    return {
        "first_audio": [call["first_audio_ms"] for call in calls if call["first_audio_ms"] is not None],
        "responses": [turn["response_ms"] for turn in plain if turn["response_ms"] is not None],
        "barge_ins": [turn["clear_ms"] for turn in interrupting if turn["clear_ms"] is not None],
        "unanswered": silent + sum(turn["clear_ms"] is None for turn in interrupting),
        "hesitations": {piece: (len(cut), sum(cut)) for piece, cut in sorted(_by_piece(hesitant).items())},
        "answers": len(answers),
        "underruns": sum(len(answer["holes_ms"]) for answer in answers),
        "gaps": 1000 * holes / spoken if spoken else 0.0,
        "problems": sorted({problem for call in calls for problem in call["problems"]}),
    }


def _by_piece(turns: Sequence[Mapping[str, Any]]) -> dict[int, list[bool]]:
    found: dict[int, list[bool]] = {}
    for turn in turns:
        found.setdefault(turn["piece"], []).append(turn["cut_in"])
    return found


async def _load(
    up: Running, carrier: str, calls: int, secs: float, out: Path, *options: str, look: bool = False
) -> tuple[dict[str, Any], tuple[Any, ...]]:
    command = [sys.executable, "-m", "bench.load", "--carrier", carrier, "--calls", str(calls)]
    command += ["--secs", str(secs), "--ramp-secs", str(RAMP_SECS), "--out", str(out), *options]
    command += [word for url in up.urls for word in ("--url", url)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    seen: tuple[Any, ...] = ()
    try:
        async with asyncio.timeout(secs + calls * RAMP_SECS + ENDS_SECS):
            await _wait_for(b"up\n", process.stdout)
            before, own = usage(up.pids), time.process_time()
            await _wait_for(b"done\n", process.stdout)
            if look:
                after = usage(up.pids)
                own = time.process_time() - own
                names = {number: name for pid in up.pids for number, name in up.thread_names(pid).items()}
                seen = (before, after, names, memory_mb(up.pids), thread_count(up.pids), own)
            process.stdin.write(b"\n")
            process.stdin.close()
            await process.wait()
    except TimeoutError:
        raise EmulatorError(
            "the load generator did not come to its end: is this machine very busy?"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await asyncio.to_thread(_read, out), seen


def _read(out: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return figures


async def _wait_for(word: bytes, output: asyncio.StreamReader) -> None:
    if await output.readline() != word:
        raise EmulatorError("the load generator has ended; what it said is above")


async def _starts(up: Running, carrier: str, times: int) -> list[float]:
    """The processor time to start a call, so many times: what the first half second takes more than the second."""
    if not times:
        return []
    recordings = Recordings()
    costs = []
    for number in range(times):
        load = Load()
        clock = asyncio.create_task(load.keep_time())
        moments = [up.cpu_secs()]
        load.place(Caller(number, carrier, up.urls[0], recordings, ()))
        for _ in range(2):
            await asyncio.sleep(START_WINDOW_SECS)
            moments.append(up.cpu_secs())
        clock.cancel()
        await load.hang_up()
        costs.append((moments[1] - moments[0]) - (moments[2] - moments[1]))
        await asyncio.sleep(BETWEEN_STARTS_SECS)
    return costs


def median_of(runs: Sequence[Run], value: str) -> float | None:
    """The median of one of the figures of several runs; None of no runs."""
    found = [float(getattr(one, value)) for one in runs]
    return statistics.median(found) if found else None


def pooled(runs: Sequence[Run], values: str) -> list[float]:
    """All measurements of one thing in several runs."""
    return [value for one in runs for value in getattr(one, values)]
