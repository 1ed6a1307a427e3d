"""The server under test: a parent with several processes, or one process and a supervisor that starts it anew."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

from chaos.processes import of_session
from emulator import EmulatorError

READY_SECS = 120.0
STOP_SECS = 15.0
KILLED_SECS = 5.0
LOOK_AGAIN_SECS = 0.1
PAUSE_SECS = 0.5
"""Before a start after one that did not live for a second: a server that cannot start is not to be started all day."""

LAST_LINES = 15


class Server:
    """Processes that are started, are started anew when they die, and have all ended when the context is left.

    Each start has a session of its own (setsid(2)), by which the kernel knows all that comes of it: also what a killed
    parent leaves behind.

    Args:
        command: Starts the server.
        environment: Its variables, besides this process's own.
        port: Where it listens, on 127.0.0.1.
        log: Where its output goes.
        has_parent: Whether it is a parent that keeps processes running. If not, it is started anew here, at once.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        log: Path,
        *,
        has_parent: bool,
    ) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self.port = port
        self._log = log
        self._has_parent = has_parent
        self._process: asyncio.subprocess.Process | None = None
        self._sessions: list[int] = []
        self._stopping = False
        self._watching: asyncio.Task[None] | None = None
        self.starts = 0

    async def __aenter__(self) -> Self:
        """Start, and wait until it is ready for calls.

        Raises:
            EmulatorError: It ends, or is not ready in time.
        """
        try:
            await self._start()
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._start_again())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without anything between."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def parent(self) -> int | None:
        """The process that was started; None when it has died and is not started again yet."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def workers(self) -> list[int]:
        """The processes that answer calls."""
        found = [pid for session in self._sessions for pid in of_session(session)]
        return [pid for pid in found if pid != self.parent] if self._has_parent else found

    async def _start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._sessions.append(self._process.pid)
        self.starts += 1

    async def _start_again(self) -> None:
        while not self._stopping:
            assert self._process is not None
            began = time.monotonic()
            await self._process.wait()
            if self._stopping:
                return
            if time.monotonic() - began < 1.0:
                await asyncio.sleep(PAUSE_SECS)
            await self._start()

    async def _until_ready(self) -> None:
        until = time.monotonic() + READY_SECS
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
            while time.monotonic() < until:
                if self.parent is None:
                    raise EmulatorError(f"the server has ended:\n{self.last_lines()}")
                with suppress(httpx.HTTPError):
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(LOOK_AGAIN_SECS)
        raise EmulatorError(f"the server was not ready within {READY_SECS:.0f} s:\n{self.last_lines()}")

    def last_lines(self) -> str:
        """The end of its output."""
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])

    async def stop(self) -> None:
        """End all processes: by SIGTERM, and after 15 s by SIGKILL. What hangs is woken up first."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        try:
            for pid in self._all():
                _send(pid, signal.SIGCONT)
            if self.parent is not None:
                _send(self.parent, signal.SIGTERM)
            elif self._has_parent:
                for pid in self._all():
                    _send(pid, signal.SIGTERM)
            await self._gone_within(STOP_SECS)
        finally:
            for pid in self._all():
                _send(pid, signal.SIGKILL)
            await self._gone_within(KILLED_SECS)

    async def _gone_within(self, secs: float) -> None:
        until = time.monotonic() + secs
        while self._all() and time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN_SECS)

    def _all(self) -> list[int]:
        return [pid for session in self._sessions for pid in of_session(session)]


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def command_of(workers: int) -> list[str]:
    """What starts the server in so many processes; one is by itself, without a parent."""
    program = [sys.executable, str(Path(__file__).with_name("bot.py"))]
    return program if workers == 1 else [*program, "--workers", str(workers)]
