"""The parent, which does without packages, takes out of the metrics' folder what prometheus-client itself would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from prometheus_client.multiprocess import mark_process_dead

from deployment.workers import Plan, Workers
from settings import ROOT

VALUES = """
import os
from prometheus_client import Counter, Gauge, Histogram
for mode in ("livesum", "livemax", "livemin", "liveall", "livemostrecent", "sum", "max", "all"):
    Gauge(f"g_{mode}", "a gauge", multiprocess_mode=mode).set(1)
Counter("c", "a counter").inc()
Histogram("h", "a histogram").observe(1)
print(os.getpid())
"""


def a_process(folder: Path) -> int:
    """Have a process leave values of each kind; returns its id."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", VALUES],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)


def names(folder: Path, pid: int) -> list[str]:
    return sorted(file.name.replace(str(pid), "PID") for file in folder.iterdir())


def test_the_same_files_go_as_by_the_library(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    pid, other = a_process(ours), a_process(theirs)
    before = names(ours, pid)
    mark_process_dead(other, str(theirs))
    parent = Workers(Plan([], 0, 1, 0, metrics=str(ours)))
    parent._forget_metrics(SimpleNamespace(process=SimpleNamespace(pid=pid)))
    assert names(ours, pid) == names(theirs, other)
    assert len(before) - len(names(ours, pid)) == 5
    assert {"counter_PID.db", "histogram_PID.db"} <= set(names(ours, pid))
