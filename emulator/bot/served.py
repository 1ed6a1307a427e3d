"""A server started for one call and stopped after it (`--serve`)."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import aiohttp

from emulator.errors import EmulatorError, ServerDied
from emulator.facts.values import LOOPBACK

READY_SECS = 120.0
STOP_SECS = 10.0
LOOK_AGAIN_SECS = 0.2
LAST_LINES = 12

SERVER_LOG = "server.log"
"""The file that a server's output goes to by default."""


def words_of(command: str, option: str) -> list[str]:
    """A command's name and arguments, as a shell would part them.

    Raises:
        EmulatorError: It has a quotation mark at one end only.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise EmulatorError(f"{option} {command!r} is not usable: {str(error).lower()}") from None


def variables(base: str, api_key: str) -> dict[str, str]:
    """What a server is told besides its carriers: where it is to listen, and the key of its API.

    Args:
        base: Its base URL.
        api_key: The key.
    """
    return {
        "PUBLIC_URL": base,
        "PORT": str(urlsplit(base).port or 80),
        "API_KEY": api_key,
        "PYTHONUNBUFFERED": "1",
    }


class ServedBot:
    """A child process that is waited for until it can take a call.

    Args:
        command: As typed in a shell, for example `python server.py`. No shell runs it.
        base: The server's base URL; it must be on this machine.
        environment: Variables in addition to those of this process.
        log: Where its output goes.
        folder: Where it is started; this process's own when None.

    Raises:
        EmulatorError: The command has a quotation mark at one end only.
    """

    def __init__(
        self,
        command: str,
        base: str,
        environment: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
    ) -> None:
        """Remember what to start."""
        self._command = words_of(command, "--serve")
        self._base = base
        self._environment = {**os.environ, **environment}
        self.log = log
        self._folder = folder
        self._started = False
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the command, the first time or after `kill`; its output then goes on in the same file.

        Raises:
            EmulatorError: The URL is not on this machine, its port is in use, the command does not exist, or its output
                cannot be kept.
        """
        parts = urlsplit(self._base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.hostname not in LOOPBACK:
            raise EmulatorError(
                f"--serve starts a server on this machine: give a --url like http://127.0.0.1:{port}"
            )
        if await asyncio.to_thread(_in_use, parts.hostname, port):
            raise EmulatorError(
                f"port {port} is in use already: stop what runs there, or take another port in --url"
            )
        if not self._command:
            raise EmulatorError(
                '--serve has no command: give for example --serve ".venv/bin/python server.py"'
            )
        with self._open_log() as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    env=self._environment,
                    cwd=self._folder,
                )
            except OSError as error:
                raise EmulatorError(
                    f"--serve: {self._command[0]!r} cannot be started: {error.strerror}"
                ) from None
        self._started = True

    def _open_log(self) -> BinaryIO:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            return self.log.open("ab" if self._started else "wb")
        except OSError as error:
            raise EmulatorError(
                f"the server's output {self.log} cannot be written ({error.strerror}): name a file with --server-log"
            ) from None

    @property
    def pid(self) -> int:
        """The process id; only of a server that was started."""
        assert self._process is not None
        return self._process.pid

    async def wait_until_ready(self, tell: Callable[[float], None]) -> float:
        """Wait for `GET /readyz` to answer 200 (or 404: no such route); returns the seconds that it took.

        Args:
            tell: Called now and then with the seconds waited so far.

        Raises:
            ServerDied: The process ended, or was not ready in time; with its last lines.
        """
        assert self._process is not None
        begin = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while (waited := time.monotonic() - begin) < READY_SECS:
                if self._process.returncode is not None:
                    raise ServerDied(
                        f"the server ended with status {self._process.returncode}:\n{self._last_lines()}"
                    )
                try:
                    async with session.get(f"{self._base}/readyz") as response:
                        # A server without that route, such as Pipecat's runner, is ready as soon as it answers.
                        if response.status in (200, 404):
                            return waited
                except (TimeoutError, aiohttp.ClientError):
                    pass
                tell(waited)
                await asyncio.sleep(LOOK_AGAIN_SECS)
        raise ServerDied(
            f"the server was not ready within {READY_SECS:.0f} s (GET {self._base}/readyz must answer 200):\n"
            + self._last_lines()
        )

    def voice_address(self, carrier: str) -> str | None:
        """The voice address that the server has printed for a carrier; None when it has printed none."""
        return printed_address(self.log, self._base, carrier)

    async def kill(self) -> None:
        """End the process at once, by SIGKILL: it cannot do anything about it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL after 10 s."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _last_lines(self) -> str:
        with self.log.open(errors="replace") as output:
            return (
                "".join(f"    {line}" for line in deque(output, LAST_LINES)).rstrip()
                + f"\n    (all of it: {self.log})"
            )


def printed_address(log: Path, base: str, carrier: str, purpose: str = "voice") -> str | None:
    """The first address in a server's output that is its own, is for a carrier and begins like a voice address.

    A server may want its calls at an address with a secret part that only it knows, and prints it at its start.

    Args:
        log: The server's output.
        base: The server's base URL.
        carrier: Its name, as in the path.
        purpose: Another word than `voice` for another address.
    """
    found = re.search(rf"{re.escape(base)}/{carrier}/{purpose}\S*", log.read_text(errors="replace"))
    return found[0] if found else None


def printed_document(log: Path, address: str) -> str | None:
    """The first document in a server's output, on a line of its own, that leads to an address which begins like this.

    Args:
        log: The server's output.
        address: The beginning of the address.
    """
    for line in log.read_text(errors="replace").splitlines():
        text = line.strip()
        if text.endswith("</Response>") and address in text:
            return text
    return None


def _in_use(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
