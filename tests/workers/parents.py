"""A parent of workers as a process, what its workers answer, and which processes there are."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from deployment.workers import Plan
from server import listen
from settings import ROOT

PATIENCE_SECS = 150
"""A busy machine is no fault of the code."""


def until(happened: Callable[[], Any], what: str, secs: float = PATIENCE_SECS) -> Any:
    """Look again and again, and give what came of it."""
    deadline = time.monotonic() + secs
    while not (found := happened()):
        assert time.monotonic() < deadline, f"not so after {secs:g} s: {what}"
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


@dataclass
class Parent:
    process: subprocess.Popen[bytes]
    url: str
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @property
    def started(self) -> list[int]:
        """The processes of all workers that have served, in their order."""
        return [int(pid) for pid in re.findall(r"Worker \d+ \(process (\d+)\) serves", self.log)]

    @property
    def running(self) -> list[int]:
        return [pid for pid in self.started if is_alive(pid)]

    def ask(self, path: str = "/", timeout: float = 30) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=timeout, trust_env=False).json()

    def serve(self, count: int) -> list[int]:
        """Wait until so many workers have served since the beginning."""
        until(lambda: len(self.started) >= count, f"{count} workers have served\n{self.log}")
        return self.started

    def workers(self, *pids: int, secs: float = PATIENCE_SECS) -> dict[int, Any]:
        """What each of these workers says of itself."""
        found: dict[int, Any] = {}

        def all_have_answered() -> bool:
            said = self.ask()
            found[said["pid"]] = said
            return set(pids) <= set(found)

        until(all_have_answered, f"{pids} answer, not only {set(found)}", secs)
        return found

    def send(self, number: int) -> None:
        self.process.send_signal(number)


@contextmanager
def parent(
    folder: Path,
    workers: int = 2,
    *,
    watchdog_secs: float = 30,
    settings: dict[str, Any] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[Parent]:
    """`deployment/workers.py` with workers of `worker_program`. Nothing of it is left at the end."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "tests.workers.worker_program", str(folder)]
        plan = Plan(command, listener.fileno(), workers, watchdog_secs, settings or {})
        process = _started(
            [sys.executable, "-P", "deployment/workers.py", json.dumps(asdict(plan))],
            folder / "log",
            pass_fds=(listener.fileno(),),
            stdin=stdin,
        )
    with _ended(Parent(process, f"http://127.0.0.1:{port}", folder / "log")) as one:
        yield one


@contextmanager
def service(folder: Path, port: int, *arguments: str, **variables: str) -> Iterator[Parent]:
    """`server.py` with workers."""
    process = _started(
        [sys.executable, "server.py", "--port", str(port), *arguments],
        folder / "log",
        env={**os.environ, **variables},
    )
    with _ended(Parent(process, f"http://127.0.0.1:{port}", folder / "log")) as one:
        yield one


def _started(command: list[str], file: Path, **options: Any) -> subprocess.Popen[bytes]:
    with open(file, "wb") as log:
        options = {"stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, **options)


@contextmanager
def _ended(one: Parent) -> Iterator[Parent]:
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        # Those, too, that outlived their parent though they should not have
        marks = (f'"port": {one.url.rpartition(":")[2]},', f"worker_program {one.file.parent} ")
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
        )
        for line in listed.stdout.splitlines():
            if any(mark in line for mark in marks):
                with suppress(ProcessLookupError):
                    os.kill(int(line.split()[0]), signal.SIGKILL)
