"""How much memory the server keeps of a call that is over.

The server runs with `bench.quick_bot`'s voice and keys, and the product's own voice activity and end of turn: the
memory that those take for a call must be free again after it, too.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.figures import Figure
from bench.measure_control import AGENT, BILLING, MANNERS
from bench.serving import rss_mb, serving, without_services
from emulator import Colleague, Digits, HangUp, PhoneNetwork, ScriptItem, Wait

AT_ONCE = 5
TARGET_KB = 50
SETTLES_SECS = 3.0

BUSY = Colleague(BILLING, 0.3, "busy")
SCRIPTS: tuple[list[ScriptItem], ...] = (
    [Digits("1#")],
    [Digits("4#"), HangUp(after_reply=True)],
    [HangUp()],
    [Digits("3#"), Wait(2.5), HangUp()],
)
"""The bot says goodbye; the caller hangs up, at once or later; a transfer finds the line busy."""


async def measure_memory(calls: int, port: int, directory: Path) -> tuple[list[Figure], list[str]]:
    """Place calls with each carrier, five at a time, and look at the server's resident memory before and after.

    The calls end in turn in each of the ways of `SCRIPTS`. By the first five a process that has just started grows
    once, by what several calls at the same time need: the target is for those after them.

    Args:
        calls: How many, more than `AT_ONCE`; then as many again.
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
    figures: list[Figure] = []
    problems: list[str] = []
    for carrier in ("twilio", "telnyx"):
        async with PhoneNetwork(carrier) as network:
            environment = {
                **network.environment(),
                **without_services(),
                "AGENTS_DIR": str(agents),
                "AGENT": "bench",
                "DATA_DIR": str(directory / f"data-memory-{carrier}"),
            }
            command = f"{sys.executable} -m bench.quick_bot --turns"
            async with serving(command, environment, port, directory / "memory.log") as served:
                voice_url = served.voice_address(carrier) or f"http://127.0.0.1:{port}"
                await asyncio.sleep(SETTLES_SECS)
                sizes = [rss_mb(served.pid)]
                for count in (AT_ONCE, calls - AT_ONCE, calls):
                    problems += await _place(network, voice_url, count)
                    sizes.append(rss_mb(served.pid))
        idle, few, first, second = sizes
        figures += [
            Figure(f"{carrier}: resident memory after the start", idle, "MB"),
            Figure(f"{carrier}: growth by the first {AT_ONCE} calls, at the same time", few - idle, "MB"),
            Figure(f"{carrier}: growth by the first {calls} calls", first - idle, "MB"),
            *(
                Figure(
                    f"{carrier}: growth by each of the next {count} calls",
                    grown * 1000 / count,
                    "kB",
                    TARGET_KB,
                )
                for count, grown in ((calls - AT_ONCE, first - few), (calls, second - first))
            ),
        ]
    return figures, problems


async def _place(network: PhoneNetwork, voice_url: str, calls: int) -> list[str]:
    problems = []
    for first in range(0, calls, AT_ONCE):
        results = await asyncio.gather(
            *(
                network.call(voice_url, SCRIPTS[number % len(SCRIPTS)], colleagues=[BUSY], manners=MANNERS)
                for number in range(first, min(first + AT_ONCE, calls))
            )
        )
        problems += [error for result in results for error in result.report.errors]
    await asyncio.sleep(SETTLES_SECS)
    return problems
