"""A PostgreSQL of its own, from this machine's programs, that can be restarted while calls go on."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from emulator import EmulatorError
from emulator.stories.playing.serving import free_port

DEBIAN = Path("/usr/lib/postgresql")
STARTS_SECS = 60.0
STOPS_SECS = 20.0
LOOK_AGAIN_SECS = 0.05


def programs() -> Path | None:
    """The folder of the newest `initdb` and `postgres` that are installed; None without them or without a driver."""
    if importlib.util.find_spec("asyncpg") is None:
        return None
    found = shutil.which("initdb")
    if found and (folder := Path(found).resolve().parent).joinpath("postgres").exists():
        return folder
    return max(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), default=None)


def chosen(database: str) -> Path | None:
    """The folder of the programs for `auto`, `sqlite` or `postgres`; None to keep calls in SQLite's files.

    Raises:
        EmulatorError: PostgreSQL is asked for, and cannot be started.
    """
    folder = None if database == "sqlite" else programs()
    if database == "postgres" and folder is None:
        raise EmulatorError(
            "no PostgreSQL can be started: install it and asyncpg (apt-get install postgresql, make setup), "
            "or choose --database sqlite"
        )
    return folder


class Postgres:
    """Use as an async context manager.

    Args:
        folder: Of its programs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # PostgreSQL does not run as root
        self._account: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        self._made = tempfile.TemporaryDirectory(prefix="chaos-postgres-", ignore_cleanup_errors=True)
        self._process: asyncio.subprocess.Process | None = None
        self._port = free_port()

    @property
    def url(self) -> str:
        """For `DATABASE_URL`."""
        return f"postgresql://chaos@127.0.0.1:{self._port}/postgres"

    async def __aenter__(self) -> Self:
        """Make it, and start it.

        Raises:
            EmulatorError: It does not start.
        """
        if self._account:
            shutil.chown(self._made.name, **self._account)
        made = [
            self._folder / "initdb",
            "-D",
            self._data,
            "-U",
            "chaos",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        try:
            if await self._run(*made) != 0:
                raise EmulatorError(
                    f"PostgreSQL's initdb fails: {self._log.read_text('utf-8', 'replace')[-500:]}"
                )
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._made.cleanup()

    @property
    def _data(self) -> str:
        return f"{self._made.name}/data"

    @property
    def _log(self) -> Path:
        return Path(self._made.name) / "log"

    async def start(self) -> None:
        """Start, and wait until it lets clients in."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        written = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = await self._begin(
            self._folder / "postgres", "-D", self._data, "-p", str(self._port), *written
        )
        until = time.monotonic() + STARTS_SECS
        asked = [self._folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while await self._run(*asked) != 0:
            if self._process.returncode is not None or time.monotonic() > until:
                raise EmulatorError(
                    f"PostgreSQL does not start: {self._log.read_text('utf-8', 'replace')[-500:]}"
                )
            await asyncio.sleep(LOOK_AGAIN_SECS)

    async def stop(self) -> None:
        """Stop without waiting for clients ("fast shutdown"), or at once if that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOPS_SECS):
                await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGQUIT)
            await process.wait()

    async def _run(self, *command: str | Path) -> int:
        return await (await self._begin(*command)).wait()

    async def _begin(self, *command: str | Path) -> asyncio.subprocess.Process:
        with self._log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._made.name,
                start_new_session=True,  # Ctrl-C is for us: it is stopped after the server
                **self._account,
            )
