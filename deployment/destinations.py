"""Whom this service calls, and from which numbers, as settings and agents' files say it."""

from __future__ import annotations

from collections.abc import Iterator

from calls.policy import ALL_COUNTRIES, country_of
from carriers.checks import Destination, Destinations, shown
from conversation.agents.tables import TransferTarget
from settings import Settings


def caller_ids(settings: Settings) -> Iterator[tuple[str, str]]:
    """The caller ids that callees may see, in E.164, each with the setting or agent that names it."""
    for number in settings.numbers:
        yield number, "CALLER_ID" if number == settings.caller_id else f"CALLER_IDS {shown(number)}"
    for where, target in _transfers(settings):
        if target.caller_id and target.caller_id.startswith("+"):
            yield target.caller_id, f"caller_id in {where}"


def destinations(settings: Settings) -> Destinations:
    """Where callers are put through to, and where calls are placed to."""
    transfers = [
        Destination(where, country_of(target.number), target.number)
        for where, target in _transfers(settings)
        if target.number
    ]
    return Destinations(tuple(transfers), tuple(_placed(settings)))


def _placed(settings: Settings) -> Iterator[Destination]:
    named = [country for country in (settings.dial_countries or "").split(",") if country]
    if named:
        for country in named:
            yield Destination("DIAL_COUNTRIES", None if country == ALL_COUNTRIES else country)
        return
    for country in sorted({country_of(number) or "" for number in settings.numbers}):
        yield Destination("the country of CALLER_ID", country or None)


def _transfers(settings: Settings) -> Iterator[tuple[str, TransferTarget]]:
    from conversation.agents.errors import AgentError
    from conversation.agents.files import agent_names, load_agent

    for name in agent_names(settings.agents_dir):
        try:
            agent = load_agent(name, settings.agents_dir)
        except AgentError:
            continue  # the checks of agents report it
        for destination, target in agent.transfers.items():
            yield f"[transfers.{destination}] of {name}.toml", target
