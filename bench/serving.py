"""The server that the bench measures, as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from emulator.bot.served import ServedBot

API_KEY = "bench"


@asynccontextmanager
async def serving(
    command: str, environment: Mapping[str, str], port: int, log: Path, folder: Path | None = None
) -> AsyncIterator[ServedBot]:
    """A server that is ready for calls, and that has stopped when the context is left.

    Its services are those that the environment names; `.env` is not read. It runs in this process's folder when no
    other is given.

    Raises:
        EmulatorError: It cannot be started.
    """
    base = f"http://127.0.0.1:{port}"
    served = ServedBot(
        command,
        base,
        {
            "PHONEBOT_ENV_FILE": "",
            # The bench looks for where calls begin to suffer: nobody is to be turned away before that
            "MAX_CALLS": "0",
            "DRAIN_SECS": "0",
            **environment,
            "PORT": str(port),
            "PUBLIC_URL": base,
            "API_KEY": API_KEY,
        },
        log,
        folder,
    )
    await served.start()
    try:
        await served.wait_until_ready(lambda _: None)
        yield served
    finally:
        await served.stop()


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) * 1024 / 1e6


def without_services() -> dict[str, str]:
    """Variables that make the server use hosted services, so that no local model is loaded; none is called."""
    return {"STT": "openai", "LLM": "openai", "TTS": "openai", "OPENAI_API_KEY": "none"}
