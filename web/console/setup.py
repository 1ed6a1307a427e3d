"""`/console/setup`: what the doctor finds, what is to be entered at the carriers, and which agents there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from carriers import descriptor_of
from carriers.checks import Finding, Verdict
from conversation import services
from conversation.agents.errors import AgentError
from conversation.agents.files import agent_names, find_agent, load_agent
from desk.api_keys import Scope
from settings import Settings
from web.access import needs
from web.console.console import Console, TheConsole
from web.console.rendering import ConsoleRoute, shown

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

ORDER = (Verdict.FAULT, Verdict.NOTE, Verdict.NOT_TRIED, Verdict.OK)

EXAMINED_SECS = 60.0
"""How long looking at everything may take, others included."""


@dataclass(frozen=True)
class AgentRow:
    """An agent as the page shows it.

    Parameters:
        name: Its name.
        is_default: Whether it answers where nothing else is said.
        numbers: The numbers whose calls it answers.
        services: What listens, thinks and speaks for it; empty when that cannot be said.
        transfers: Where its callers can be put through.
        problem: Why it cannot answer calls; empty when it can.
    """

    name: str
    is_default: bool
    numbers: Sequence[str] = ()
    services: Sequence[str] = ()
    transfers: Sequence[str] = ()
    problem: str = ""


@router.get("/console/setup")
@needs(Scope.ADMIN)
async def setup(request: Request, console: TheConsole) -> Response:
    """What can be found without asking others."""
    return await _page(request, console, offline=True)


@router.post("/console/setup/check")
@needs(Scope.ADMIN)
async def check(request: Request, console: TheConsole) -> Response:
    """The same, and what the carriers, the services and the public address say."""
    return await _page(request, console, offline=False)


async def _page(request: Request, console: Console, *, offline: bool) -> Response:
    service = console.service
    # In a thread, with a loop of its own: it reads and computes, and calls are talking in this one
    looking = asyncio.to_thread(_look, console, offline)
    try:
        async with asyncio.timeout(EXAMINED_SECS):
            findings, agents = await looking
        problem = None
    except TimeoutError:
        findings, agents = [], []
        problem = f"It was not found out within {EXAMINED_SECS:g} s: try `phonebot doctor` on the machine."
    pasted = [
        (descriptor_of(name).title, [(what, url) for what, url in _places(one) if url])
        for name, one in console.sources.addresses().items()
    ]
    return await shown(
        request,
        "setup.html",
        here="setup",
        secret=True,
        problem=problem,
        ready=service.readiness.reason,
        room=service.room,
        offline=offline,
        findings=[one for one in findings if one.subject != console.sources.not_set],
        unset=[one.text for one in findings if one.subject == console.sources.not_set],
        pasted=pasted,
        agents=agents,
    )


def _look(console: Console, offline: bool) -> tuple[list[Finding], list[AgentRow]]:
    async def examine() -> Sequence[Finding]:
        return await console.sources.examine(offline)

    found = sorted(asyncio.run(examine()), key=lambda one: (ORDER.index(one.verdict), one.subject))
    return found, _agents(console.service.settings)


def _places(addresses: object) -> list[tuple[str, str | None]]:
    return [
        ("A call comes in", getattr(addresses, "voice", None)),
        ("If that fails", getattr(addresses, "fallback", None)),
        ("Call status changes", getattr(addresses, "status", None)),
        ("Events of Call Control", getattr(addresses, "events", None)),
    ]


def _agents(settings: Settings) -> list[AgentRow]:
    folder = settings.agents_dir
    default = find_agent(settings.agent, folder) or settings.agent
    rows = []
    for name in dict.fromkeys([default, *agent_names(folder)]):
        try:
            agent = load_agent(name, folder)
        except AgentError as error:
            rows.append(AgentRow(name, name == default, problem=str(error)))
            continue
        try:
            choice = services.resolve(agent, settings)
            used = [f"{kind}: {' → '.join(one.name for one in choice.each(kind))}" for kind in choice.kinds]
            problem = ""
        except services.ServiceError as error:
            used, problem = [], str(error)
        rows.append(
            AgentRow(
                name,
                name == default,
                numbers=[str(one) for one in agent.numbers],
                services=used,
                transfers=list(agent.transfers),
                problem=problem,
            )
        )
    return rows
