"""The servers and phone networks on which talks are played: one server for each brain, as an owner would start it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.serving import serving
from emulator import PhoneNetwork
from emulator.network import BOT_NUMBER
from emulator.stories.playing.serving import free_port
from talks.format import CARRIERS

AGENTS = Path(__file__).parent.parent / "agents"
OWN_AGENTS = Path(__file__).parent / "data" / "agents"

MANY_DIALS = {
    "DIAL_MAX_PER_NUMBER_PER_DAY": "100",
    "DIAL_MAX_PER_HOUR": "1000",
    "DIAL_MAX_AT_ONCE": "50",
    "DIAL_MAX_MINUTES_PER_DAY": "10000",
    "CALLER_ID": BOT_NUMBER,
}
"""The server's bounds on the calls that it places are for strangers who would have it ring telephones."""


@dataclass(frozen=True)
class Stage:
    """A server that takes calls of both carriers."""

    networks: Mapping[str, PhoneNetwork]
    base: str
    voice_urls: Mapping[str, str]
    data: Path


@asynccontextmanager
async def staged(directory: Path, services: Mapping[str, str]) -> AsyncIterator[Stage]:
    """A server with all agents, which has stopped when the context is left.

    Args:
        directory: For its data and output; it is there.
        services: Variables that say what hears, answers and speaks.

    Raises:
        EmulatorError: It cannot be started.
    """
    agents = directory / "agents"
    gather_agents(agents)
    port = free_port()
    async with AsyncExitStack() as stack:
        networks = {carrier: await stack.enter_async_context(PhoneNetwork(carrier)) for carrier in CARRIERS}
        environment = {
            "DATA_DIR": str(directory / "data"),
            "DATABASE_URL": "",
            "AGENTS_DIR": str(agents),
            **MANY_DIALS,
            **services,
            **credentials(networks),
        }
        served = await stack.enter_async_context(
            serving(f"{sys.executable} server.py", environment, port, directory / "server.log", AGENTS.parent)
        )
        base = f"http://127.0.0.1:{port}"
        urls = {carrier: served.voice_address(carrier) or f"{base}/{carrier}/voice" for carrier in CARRIERS}
        yield Stage(networks, base, urls, directory / "data")


def gather_agents(folder: Path) -> None:
    """Put the project's agents and those of the talks into one folder, as a server wants them."""
    for source in (AGENTS, OWN_AGENTS):
        if source.exists():
            shutil.copytree(source, folder, dirs_exist_ok=True)


def credentials(networks: Mapping[str, PhoneNetwork]) -> dict[str, str]:
    """The variables of all carriers, each of its own network."""
    return dict(_credentials(networks))


def _credentials(networks: Mapping[str, PhoneNetwork]) -> Iterator[tuple[str, str]]:
    for carrier, network in networks.items():
        for name, value in network.environment().items():
            if name.startswith(carrier.upper()):
                yield name, value
