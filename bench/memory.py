"""What a call leaves behind in the server's memory when it is over.

The server runs with `bench.quick_bot`'s voice and keys, and the product's own voice activity and end of turn: what
those keep for a call must go with it, too.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.control import AGENT, MANNERS
from bench.figures import Figure
from bench.serving import rss_mb, serving, without_services
from emulator import Digits, PhoneNetwork

BEFORE = 100
"""Calls before the first look. Python frees what refers to itself only now and then, every 40 calls or so: until the
process has been through that a few times, its memory grows to what it needs in between."""

AT_ONCE = 10
TARGET_KB = 50
SETTLES_SECS = 3.0


async def measure_memory(calls: int, port: int, directory: Path) -> tuple[list[Figure], list[str]]:
    """Place calls that the bot ends, ten at a time, and look at the server's resident memory before and after.

    Args:
        calls: How many.
        port: A free port.
        directory: For the server's agent, data and output.

    Returns:
        The figures, and what went wrong, one sentence each.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    agents = directory / "memory-agents"
    agents.mkdir()
    (agents / "bench.toml").write_text(AGENT, encoding="utf-8")
    async with PhoneNetwork("twilio") as network:
        environment = {
            **network.environment(),
            **without_services(),
            "AGENTS_DIR": str(agents),
            "AGENT": "bench",
            "DATA_DIR": str(directory / "data-memory"),
        }
        command = f"{sys.executable} -m bench.quick_bot --turns"
        async with serving(command, environment, port, directory / "memory.log") as served:
            problems = await _place(network, port, BEFORE)
            before = rss_mb(served.pid)
            problems += await _place(network, port, calls)
            after = rss_mb(served.pid)
    growth_kb = (after - before) * 1000 / calls
    return [
        Figure(f"resident memory left behind by each of {calls} calls", growth_kb, "kB", TARGET_KB),
    ], problems


async def _place(network: PhoneNetwork, port: int, calls: int) -> list[str]:
    problems = []
    for first in range(0, calls, AT_ONCE):
        results = await asyncio.gather(
            *(
                network.call(f"http://127.0.0.1:{port}", [Digits("1#")], manners=MANNERS)
                for _ in range(min(AT_ONCE, calls - first))
            )
        )
        problems += [error for result in results for error in result.report.errors]
    await asyncio.sleep(SETTLES_SECS)
    return problems
