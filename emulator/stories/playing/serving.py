"""The server under test: how it is started for a story, and how a story finds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shlex
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from emulator.bot.served import LAST_LINES, READY_SECS, SERVER_LOG, STOP_SECS, ServedBot, words_of
from emulator.errors import EmulatorError, ServerDied
from emulator.network import BOT_NUMBER
from emulator.stories.story import Story

LOOK_AGAIN_SECS = 0.05

STORY_VARIABLE = "STORY"
"""The variable with the path of the file of the story that is played, for bots with a part in it."""

OWN_NUMBERS = {"CALLER_IDS": BOT_NUMBER}
"""The account's number, which a server may call from unless the story says otherwise."""


@dataclass
class Machine:
    """What a story can do to the server's process; nothing where it is not the story's own.

    Attributes:
        kill: Ends it at once, by SIGKILL.
        start: Starts it again, as its supervisor would, without waiting until it is ready.
    """

    kill: Callable[[], Awaitable[None]] | None = None
    start: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Scene:
    """What a server is started for.

    Attributes:
        story: The story.
        carrier: On which it is played.
        environment: The variables that the server needs, besides those of its address.
        directory: For the server's output; it is there.
        machine: Told by the server what can be done to its process.
    """

    story: Story
    carrier: str
    environment: dict[str, str] = field(repr=False)
    directory: Path
    machine: Machine = field(default_factory=Machine)


Server = Callable[[Scene], AbstractAsyncContextManager[str]]
"""Starts the server for a story and gives its base URL; when the context is left it has stopped."""


def command_server(command: str) -> Server:
    """A server that is started by a command on a free port of this machine.

    It gets the variables PORT and PUBLIC_URL, and is ready when `GET /readyz` answers.
    """

    @asynccontextmanager
    async def serve(scene: Scene) -> AsyncIterator[str]:
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        environment = (
            OWN_NUMBERS | scene.environment | {"PORT": str(port), "PUBLIC_URL": base, "PYTHONUNBUFFERED": "1"}
        )
        served = ServedBot(command, base, environment, scene.directory / SERVER_LOG)
        await served.start()
        try:
            await served.wait_until_ready(lambda _: None)
            scene.machine.kill, scene.machine.start = served.kill, served.start
            yield base
        finally:
            await served.stop()

    return serve


@asynccontextmanager
async def beside(story: Story, directory: Path) -> AsyncIterator[dict[str, str]]:
    """The programs that a story has beside the server, each on a port of its own, which PORT tells it.

    Args:
        story: The story.
        directory: For their output.

    Yields:
        The address of each by the variable that tells it to the server.
    """
    async with AsyncExitStack() as stack:
        addresses = {}
        for name, command in story.beside.items():
            port = free_port()
            addresses[name] = base = f"http://127.0.0.1:{port}"
            if command.startswith("python "):  # the one that the emulator runs with, whatever is on the PATH
                command = shlex.quote(sys.executable) + command.removeprefix("python")
            environment = {**story.settings, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
            program = ServedBot(
                command,
                base,
                environment,
                directory / f"{name.lower()}.log",
                folder=story.agents or story.file.parent,
            )
            await program.start()
            stack.push_async_callback(program.stop)
            await program.wait_until_ready(lambda _: None)
        yield addresses


class ForkingServer:
    """Servers that are copies of one process, which has loaded everything that takes time to load.

    The command is started once. For each story it is given a line of JSON on its standard input, with `environment`
    (variables) and `log` (the file that the output is added to), and answers with a line: the process id of a server
    that is starting. As with `command_server`, it is ready when `GET /readyz` answers.

    Args:
        command: As typed in a shell.
    """

    def __init__(self, command: str) -> None:
        """Start nothing yet."""
        self._command = words_of(command, "--forks")
        self._process: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def serve(self, scene: Scene) -> AsyncIterator[str]:
        """Start a copy for a story.

        Raises:
            EmulatorError: The command does not exist, or does not keep to the rule.
            ServerDied: The copy ended, or was not ready in time.
        """
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        environment = OWN_NUMBERS | scene.environment | {"PORT": str(port), "PUBLIC_URL": base}
        log = scene.directory / SERVER_LOG
        log.unlink(missing_ok=True)
        order: dict[str, object] = {"environment": environment, "log": str(log)}
        pid = await self._start(order)

        async def kill() -> None:
            await _end(pid, (signal.SIGKILL, STOP_SECS))

        async def start() -> None:
            nonlocal pid
            pid = await self._start(order)

        scene.machine.kill, scene.machine.start = kill, start
        try:
            await _until_ready(base, pid, log)
            yield base
        finally:
            await _end(pid, (signal.SIGTERM, STOP_SECS), (signal.SIGKILL, 1.0))

    async def aclose(self) -> None:
        """End the process that copies are made of."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _start(self, order: dict[str, object]) -> int:
        async with self._one_at_a_time:
            if self._process is None:
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                    )
                except OSError as error:
                    raise EmulatorError(
                        f"--forks: {self._command[0]!r} cannot be started: {error.strerror}"
                    ) from None
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                async with asyncio.timeout(READY_SECS):
                    return int(await self._process.stdout.readline())
            except (ValueError, OSError, TimeoutError):
                raise EmulatorError(
                    "--forks: the command does not answer with process ids; is it a server? then use --serve"
                ) from None


async def _until_ready(base: str, pid: int, log: Path) -> None:
    until = time.monotonic() + READY_SECS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        while time.monotonic() < until:
            if not _runs(pid):
                last = await asyncio.to_thread(log.read_text, errors="replace")
                lines = "".join(f"    {line}\n" for line in last.splitlines()[-LAST_LINES:])
                raise ServerDied(f"the server ended before it was ready:\n{lines}    (all of it: {log})")
            try:
                async with session.get(f"{base}/readyz") as response:
                    if response.status in (200, 404):
                        return
            except (TimeoutError, aiohttp.ClientError):
                pass
            await asyncio.sleep(LOOK_AGAIN_SECS)
    raise ServerDied(f"the server was not ready within {READY_SECS:.0f} s: {log}")


async def _end(pid: int, *ways: tuple[signal.Signals, float]) -> None:
    for number, secs in ways:
        until = time.monotonic() + secs
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        while time.monotonic() < until:
            if not _runs(pid):
                return
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def running_server(base: str) -> Server:
    """A server that runs already; a story cannot configure it."""

    @asynccontextmanager
    async def serve(scene: Scene) -> AsyncIterator[str]:
        if scene.story.agent is not None or scene.story.settings or scene.story.beside:
            raise EmulatorError(
                f"{scene.story.file}: `agent`, `settings` and `beside` need a server that is started for the story: "
                'give --serve ".venv/bin/python -m tests.story_bot" instead of --url'
            )
        yield base

    return serve


def free_port() -> int:
    """A port that nobody uses: of those below what systems give out by themselves, so that nobody gets it meanwhile.

    Raises:
        OSError: None was found.
    """
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port from 20000 to 32000 is free")
