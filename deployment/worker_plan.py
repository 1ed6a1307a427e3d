"""How many processes share the port, whether they can, and the step from what is started to their parent."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from carriers.checks import Finding, Verdict
from deployment import workers
from desk.load import cores as cores_of_this_process
from settings import AUTO, Settings


def cores() -> int:
    """The processor cores that this process may use, a part of one counted as one."""
    return math.ceil(cores_of_this_process())


def count(settings: Settings) -> int:
    """How many processes answer calls."""
    return (
        settings.workers if isinstance(settings.workers, int) else cores() if settings.workers == AUTO else 1
    )


def worker_findings(settings: Settings) -> list[Finding]:
    """Whether so many processes can share the port and the calls."""
    if settings.workers is None:
        return []
    wanted = count(settings)
    if sys.platform == "win32":
        return [Finding(Verdict.FAULT, "WORKERS", "is for Linux and macOS: leave it empty")]
    if wanted > 1 and _in_memory(settings):
        text = (
            f"is {settings.workers}, and DATABASE_URL keeps calls in memory: a carrier's request may reach a process "
            "that does not know the call. Leave DATABASE_URL empty or name a database, or set WORKERS=1"
        )
        return [Finding(Verdict.FAULT, "WORKERS", text)]
    if wanted > cores():
        text = f"is {wanted} on {cores()} cores: more than one a core take memory and answer no more calls"
        return [Finding(Verdict.NOTE, "WORKERS", text)]
    return []


def line(settings: Settings) -> str:
    """What the start says of them."""
    wanted = count(settings)
    shared = (
        f"{wanted} processes share the port" if wanted > 1 else "One process answers, and a parent watches it"
    )
    return f"{shared}; `kill -HUP {os.getpid()}` replaces them without a gap"


def become_parent(
    settings: Settings, listener: socket.socket, chosen: dict[str, Any], *, program: Path, metrics: str = ""
) -> NoReturn:
    """Replace this process by the parent of the workers. Nothing after this is run.

    Args:
        settings: What counts.
        listener: The open port.
        chosen: Settings of the command line, and what was found out at the start: they hold for all workers, and for
            those that SIGHUP brings, which read the environment and `.env` anew.
        program: What a worker runs, with its `Post` after `--worker`.
        metrics: The folder in which the workers keep the values of their metrics; empty for none.
    """
    plan = workers.Plan(
        command=[sys.executable, str(program), "--worker"],
        listener=listener.fileno(),
        workers=count(settings),
        watchdog_secs=settings.watchdog_secs,
        settings={**chosen, "host": settings.host, "port": settings.port},
        log_level="DEBUG" if settings.log_level == "TRACE" else settings.log_level,
        metrics=metrics,
    )
    listener.set_inheritable(True)
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: nothing beside the program is to be imported in place of a module of Python
    command = [sys.executable, "-P", str(workers.__file__), json.dumps(asdict(plan))]
    os.execv(sys.executable, command)


def _in_memory(settings: Settings) -> bool:
    address = settings.calls_database
    return address is None or bool(re.fullmatch(r"sqlite[^:]*://(/|/:memory:)?", address))
