"""What callers and the machine notice of people who look at live calls and listen in.

Calls go on without a break while those people come and go, some seconds at a time: what is compared lies side by side
in one run of one server. A response counts for the time in which the caller stopped speaking.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import bots
from bench.arithmetic import Spread, percentile, ratio, spread
from bench.caller import HESITANT
from bench.figures import Figure
from bench.runs import LATE_MS, RAMP_SECS
from bench.serving import API_KEY
from emulator.errors import EmulatorError

VIEWERS, LISTENERS = 10, 4

SETTLE_SECS = 2.0
"""What happens in the first seconds after they have come or gone counts for neither."""

WARM_UP_SECS = 10.0
"""How long all calls are up before the first of them come."""

MOST = 1.05
"""How many times as long a response may take with them, beyond what two halves of the time without them differ."""

TIMES = {"p50": "median", "p95": "95th percentile"}
"""What is compared of the responses, of a `Spread`."""

MONITORED = '[monitoring]\nlisten = true\nannouncement = ""\n'


@dataclass
class Watch:
    """Some time in which people looked on, or in which nobody did.

    Parameters:
        watched: Whether they did.
        begin_ms: When it began, on the load's clock.
        end_ms: When it was over.
        cpu_secs: What the server has used.
        responses: How long callers waited, in ms.
    """

    watched: bool
    begin_ms: float
    end_ms: float = 0.0
    cpu_secs: float = 0.0
    responses: list[float] = field(default_factory=list)


async def measure_viewers(
    calls: int, carrier: str, secs: float, rounds: int, port: int, directory: Path
) -> tuple[list[Figure], list[str]]:
    """Start the server, call it, and have people look on and go, again and again.

    Args:
        calls: How many at a time.
        carrier: `twilio` or `telnyx`.
        secs: How long they look on, and then do not, each time.
        rounds: How often.
        port: A free port.
        directory: For the server's data and output.

    Returns:
        The figures, and what went wrong, one sentence each.

    Raises:
        EmulatorError: The server, the load or those who look on cannot be started, or have ended.
    """
    agent = bots.AGENT + MONITORED
    async with bots.running(bots.OURS, carrier, port, directory / "viewers", agent=agent) as up:
        out = directory / "viewers.json"
        total = WARM_UP_SECS + rounds * 2 * (secs + 2 * SETTLE_SECS)
        load = await _program(
            *("bench.load", "--carrier", carrier, "--calls", str(calls), "--secs", str(total)),
            *("--ramp-secs", str(RAMP_SECS), "--out", str(out), "--url", up.urls[0]),
        )
        people = await _program(
            *("bench.viewers", "--url", f"http://127.0.0.1:{port}", "--key", API_KEY),
            *("--viewers", str(VIEWERS), "--listeners", str(LISTENERS)),
        )
        try:
            await _hear(load, "up", calls * RAMP_SECS + 30)
            await asyncio.sleep(WARM_UP_SECS)
            watches: list[Watch] = []
            for number in range(2 * rounds):
                watched = number % 4 in (1, 2)  # without, with, with, without: a drift counts for both alike
                if number and watched is not watches[-1].watched:
                    await _tell(people, "on" if watched else "off")
                watches.append(await _look(up, watched, secs))
            if watches[-1].watched:
                await _tell(people, "off")
            people.stdin.close()  # type: ignore[union-attr]
            got = json.loads(await _hear(people, None, 10))
            await _hear(load, "done", total)
            load.stdin.close()  # type: ignore[union-attr]
            await asyncio.wait_for(load.wait(), 60)
        except TimeoutError:
            raise EmulatorError(
                "the load or those who look on have hung: is this machine very busy?"
            ) from None
        finally:
            for one in (load, people):
                if one.returncode is None:
                    one.kill()
                    await one.wait()
    heard = json.loads(await asyncio.to_thread(out.read_text, encoding="utf-8"))
    _sort_in(heard["calls"], watches)
    return _figures(calls, secs, watches), _problems(heard, watches, got)


async def _look(up: bots.Running, watched: bool, secs: float) -> Watch:
    await asyncio.sleep(SETTLE_SECS)
    watch, used = Watch(watched, time.monotonic() * 1000), up.cpu_secs()
    await asyncio.sleep(secs)
    watch.end_ms, watch.cpu_secs = time.monotonic() * 1000, up.cpu_secs() - used
    return watch


def _sort_in(calls: Sequence[Mapping[str, Any]], watches: Sequence[Watch]) -> None:
    """Count each response where its caller stopped speaking; not those of callers who hesitate, and are waited for."""
    for turn in (turn for call in calls for turn in call["turns"]):
        if turn["kind"] == HESITANT or turn["response_ms"] is None:
            continue
        for watch in watches:
            if watch.begin_ms <= turn["end_ms"] < watch.end_ms:
                watch.responses.append(turn["response_ms"])


def _spread(watches: Sequence[Watch], watched: bool) -> Spread | None:
    return spread([one for watch in watches if watch.watched is watched for one in watch.responses])


def _figures(calls: int, secs: float, watches: Sequence[Watch]) -> list[Figure]:
    figures = []
    found = {watched: _spread(watches, watched) for watched in (False, True)}
    many = f"{calls} calls"
    for watched, whom in ((False, "nobody looks on"), (True, f"{VIEWERS} look, {LISTENERS} listen")):
        times = found[watched]
        figures += [
            Figure(
                f"{many}, {whom}: caller stops to answer, median", times.p50 if times else None, "ms", count=0
            ),
            Figure(
                f"{many}, {whom}: 95th percentile of {times.count if times else 0}",
                times.p95 if times else None,
                "ms",
            ),
        ]
        cpu = [100 * one.cpu_secs / secs / calls for one in watches if one.watched is watched]
        figures.append(Figure(f"{many}, {whom}: of a core, for each call", percentile(cpu, 50), "%"))
    for name, title in TIMES.items():
        figures += [
            Figure(f"{many}: {title} with them, times that without", _with_over_without(watches, name), ""),
            Figure(f"{many}: {title} of one half without, times the other", _halves(watches, name), ""),
        ]
    return figures


def _with_over_without(watches: Sequence[Watch], name: str) -> float | None:
    with_them, without = _spread(watches, True), _spread(watches, False)
    return ratio(getattr(with_them, name, None), getattr(without, name, None))


def _halves(watches: Sequence[Watch], name: str) -> float | None:
    """By how much two halves of the time without differ, of which neither is other than the other: at least 1."""
    without = [watch for watch in watches if not watch.watched]
    halves = [getattr(_spread(without[place::2], False), name, None) for place in (0, 1)]
    found = ratio(*halves)
    return max(found, 1 / found) if found else found


def _problems(heard: Mapping[str, Any], watches: Sequence[Watch], got: Mapping[str, int]) -> list[str]:
    problems = sorted({problem for call in heard["calls"] for problem in call["problems"]})
    late = percentile(heard["late_ms"], 99) if heard["late_ms"] else 0.0
    if late > LATE_MS:
        problems.append(f"the load was {late:.0f} ms late with a frame of a hundred (limit {LATE_MS:.0f})")
    secs = sum(one.end_ms - one.begin_ms for one in watches if one.watched) / 1000
    heard_secs = got.get("sound_bytes", 0) / 8000 / LISTENERS
    if heard_secs < secs:
        problems.append(
            f"those who listened heard {heard_secs:.0f} s of callers and bot, and listened for {secs:.0f} s"
        )
    if got.get("events", 0) < VIEWERS * secs / 10:
        problems.append(f"those who looked on were told of {got.get('events', 0)} changes only")
    for name, title in TIMES.items():
        found, halves = _with_over_without(watches, name), _halves(watches, name)
        if found is None or found > MOST * (halves or 1):
            problems.append(
                f"the {title} with those who look on is {found} times that without (at most {MOST}, and two halves "
                f"without differ by {halves})"
            )
    return problems


async def _program(module: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe
    )


async def _tell(program: asyncio.subprocess.Process, word: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{word}\n".encode())
    await _hear(program, word, 20)


async def _hear(program: asyncio.subprocess.Process, word: str | None, secs: float) -> str:
    assert program.stdout is not None
    async with asyncio.timeout(secs):
        line = (await program.stdout.readline()).decode().strip()
    if not line or (word is not None and line != word):
        raise EmulatorError("the load, or who looks on, has ended; what it said is above")
    return line
