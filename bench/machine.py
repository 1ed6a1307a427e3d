"""What processes and the machine have used, as Linux tells it in /proc.

Source: proc(5): /proc/stat, /proc/[pid]/stat and its `task` folder, /proc/[pid]/statm.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
OTHER = "native, without a name"
"""Threads that Python has not started: those of native libraries."""

GROUPS = (
    ("MainThread", "main thread"),
    ("asyncio_", "executor of the event loop"),
    ("ThreadPoolExecutor", "executors of single calls"),
    ("bench-probe", "the bench's own"),
)
"""How the names of threads begin, and what their group is called. Others are called as they are, less a number."""


@dataclass(frozen=True)
class Usage:
    """What was used until a moment, in seconds of processor time.

    Parameters:
        busy: By everything on the machine, what its host took for others included.
        stolen: Of that, what its host took.
        processes: By the processes that were asked for.
        threads: Of that, by thread; a thread that is over is in none.
    """

    busy: float
    stolen: float
    processes: float
    threads: Mapping[int, float]


def can_measure() -> bool:
    """Whether this system tells."""
    return (PROC / "stat").exists() and hasattr(os, "sysconf")


def usage(pids: Iterable[int]) -> Usage:
    """What has been used until now, by the machine and by some processes."""
    pids = list(pids)
    threads = {thread: secs for pid in pids for thread, secs in _threads(pid).items()}
    total = sum(_secs_of((PROC / str(pid) / "stat").read_text()) for pid in pids)
    user, nice, system, _idle, _iowait, irq, softirq, stolen, *_ = _ticks()
    tick = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + irq + softirq + stolen
    return Usage(busy / tick, stolen / tick, total, threads)


def _ticks() -> list[int]:
    return [int(number) for number in (PROC / "stat").read_text().splitlines()[0].split()[1:]]


def _secs_of(stat: str) -> float:
    # The command's name, in brackets, may have blanks in it. utime and stime are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _threads(pid: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            found[int(task.name)] = _secs_of((task / "stat").read_text())
        except OSError:
            pass  # It has ended meanwhile.
    return found


def memory_mb(pids: Iterable[int]) -> float:
    """Resident memory of some processes in MB (10^6 bytes)."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int((PROC / str(pid) / "statm").read_text().split()[1]) * page / 1e6 for pid in pids)


def thread_count(pids: Iterable[int]) -> int:
    """How many threads some processes have."""
    return sum(len(list((PROC / str(pid) / "task").iterdir())) for pid in pids)


def by_group(used: Mapping[int, float], names: Mapping[int, str]) -> dict[str, float]:
    """Processor time by groups of threads, the largest first.

    Args:
        used: By thread.
        names: Of those that Python knows.
    """
    groups: dict[str, float] = {}
    for thread, secs in used.items():
        group = group_of(names.get(thread))
        groups[group] = groups.get(group, 0.0) + secs
    return dict(sorted(groups.items(), key=lambda one: -one[1]))


def group_of(name: str | None) -> str:
    """The group of a thread with a name."""
    if name is None:
        return OTHER
    known = (group for beginning, group in GROUPS if name.startswith(beginning))
    return next(known, name.rstrip("0123456789").rstrip("-_ "))


def described() -> str:
    """The machine, for people who compare results."""
    model = platform.processor() or platform.machine()
    cpuinfo = PROC / "cpuinfo"
    if cpuinfo.exists():
        lines = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        model = lines[0] if lines else model
    blas = "".join(
        f", {name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("OPENBLAS_CORE")
    )
    return (
        f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release()}, "
        f"Python {sys.version.split()[0]}{blas}"
    )
