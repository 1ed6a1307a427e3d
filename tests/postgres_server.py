"""A PostgreSQL of its own for tests: one that a variable names, or one that is started from this machine's programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.database import programs
from tests.receiver import free_port

VARIABLE = "TEST_POSTGRES_URL"
"""postgresql://USER:PASSWORD@HOST:PORT of a server whose user may create databases."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server, without a database's name. Skips the test, with the reason, where there is none."""
    pytest.importorskip("asyncpg", reason="asyncpg is not installed: make setup")
    if named := os.environ.get(VARIABLE):
        yield named.rstrip("/")
        return
    folder = programs()
    if folder is None:
        pytest.skip(f"no PostgreSQL is installed (apt-get install postgresql), and {VARIABLE} names none")
    with started_postgres(folder) as address:
        yield address


@contextmanager
def started_postgres(folder: Path) -> Iterator[str]:
    """The address of a server that runs meanwhile, without a database's name.

    Args:
        folder: Of its programs.
    """
    with tempfile.TemporaryDirectory(prefix="phonebot-postgres-") as made:
        # PostgreSQL does not run as root
        account = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if account:
            shutil.chown(made, **account)
        data, log = Path(made) / "data", Path(made) / "log"
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=made,
            **account,
        )
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options["max_connections"] = "300"  # stories that are played at the same time have a database each
        command = [folder / "postgres", "-D", data, "-p", str(port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=made, **account)
        try:
            _wait_for(port, folder, process, log)
            yield f"postgresql://tester@127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)  # without waiting for connections
            process.wait(timeout=30)


def _wait_for(port: int, folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        # It listens before it lets anybody in
        ready = [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        if subprocess.run(ready, check=False, timeout=30).returncode == 0:
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL does not listen: {log.read_text()}")
