"""The two bots that are compared, each as processes of its own: ours, with scripted services, and the stock one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import scripted
from bench.serving import serving
from emulator.bot.served import ServedBot
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError

OURS, STOCK = "ours", "stock"

BLAS_THREADS = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""For the stock bot. Ours sees to that itself, and that it does is part of what is measured."""

AGENT = f"""
greeting = "{scripted.GREETING}"
instructions = "Answer in one sentence."
tools = []
[services]
stt = "scripted:ScriptedSTT"
llm = "scripted:ScriptedLLM"
tts = "scripted:ScriptedTTS"
"""


@dataclass(frozen=True)
class Running:
    """A bot that is ready for calls.

    Parameters:
        pids: Its processes.
        urls: The media socket of each.
        probes: The folder in which they answer, see `bench.scripted.listen`.
    """

    pids: list[int]
    urls: list[str]
    probes: Path

    def ask(self, pid: int) -> dict[str, Any]:
        """What a process says of itself: its threads by number and name, and the processor time that it has used.

        Raises:
            EmulatorError: It does not answer.
        """
        try:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(5.0)
                peer.connect(str(self.probes / f"{pid}.sock"))
                told = b"".join(iter(lambda: peer.recv(1 << 16), b""))
        except OSError as error:
            raise EmulatorError(f"the bot with process id {pid} does not answer the bench: {error}") from None
        answer: dict[str, Any] = json.loads(told)
        return answer

    def thread_names(self, pid: int) -> dict[int, str]:
        """The names of a process's Python threads by their numbers."""
        return {int(number): name for number, name in self.ask(pid)["threads"].items()}

    def cpu_secs(self) -> float:
        """The processor time that all its processes have used."""
        return sum(float(self.ask(pid)["cpu_secs"]) for pid in self.pids)


@asynccontextmanager
async def running(
    bot: str,
    carrier: str,
    port: int,
    folder: Path,
    *,
    processes: int = 1,
    checkout: Path | None = None,
    agent: str = AGENT,
) -> AsyncIterator[Running]:
    """A bot that is ready, and has ended when the context is left.

    Args:
        bot: `OURS` or `STOCK`.
        carrier: Whose calls it is to take.
        port: A free one, and as many behind it as there are processes.
        folder: For its data and output; must be empty or not exist.
        processes: How many of them share the calls.
        checkout: Where our bot's program is, to measure another version of it; here when not given.
        agent: The file of our bot's agent.

    Raises:
        EmulatorError: It cannot be started.
    """
    for name in BLAS_THREADS:
        # Modules of the product that the bench uses have set some in this process, and a bot would inherit them.
        os.environ.pop(name, None)
    probes = folder / "p"
    probes.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        served = [
            await stack.enter_async_context(
                _process(bot, carrier, port + number, folder / str(number), probes, checkout, agent)
            )
            for number in range(processes)
        ]
        urls = [f"ws://127.0.0.1:{port + number}/ws" for number in range(processes)]
        yield Running([one.pid for one in served], urls, probes)


@asynccontextmanager
async def _process(
    bot: str, carrier: str, port: int, folder: Path, probes: Path, checkout: Path | None, agent: str
) -> AsyncIterator[ServedBot]:
    # Without credentials a bot on this machine takes calls at its socket, and asks no carrier anything.
    environment = {**dict.fromkeys(Credentials().environment(""), ""), scripted.PROBE: str(probes)}
    if bot == STOCK:
        command = f"{sys.executable} -m bench.stock_bot -t {carrier} --host 127.0.0.1 --port {port}"
        environment |= BLAS_THREADS
        checkout = None
    else:
        command = f"{sys.executable} server.py"
        environment |= _our_agent(folder, agent)
    async with serving(command, environment, port, folder / "server.log", checkout) as served:
        yield served


def _our_agent(folder: Path, agent: str) -> dict[str, str]:
    agents = folder / "agents"
    agents.mkdir(parents=True)
    (agents / "bench.toml").write_text(agent, encoding="utf-8")
    # Beside the agent, so that a version of the program without this bench finds it too.
    shutil.copy(scripted.__file__, agents / "scripted.py")
    return {"AGENTS_DIR": str(agents), "AGENT": "bench", "DATA_DIR": str(folder / "data")}
