"""The first words of a call: the greeting, with what is to be announced before and after it."""

from __future__ import annotations

from collections.abc import Callable

from conversation.agents.agent import Agent
from conversation.agents.tables import Monitoring, Recording


def announced(agent: Agent, *, recorded: bool) -> list[Recording | Monitoring]:
    """What is announced of an agent's calls, in this order.

    Args:
        agent: The agent.
        recorded: Whether a recording is, if it records.
    """
    tables: list[Recording | Monitoring] = []
    if recorded and agent.recording.enabled:
        tables.append(agent.recording)
    if agent.monitoring.listen:
        tables.append(agent.monitoring)
    return [one for one in tables if one.announcement]


def with_announcements(agent: Agent, greeting: str, render: Callable[[str], str], *, recorded: bool) -> str:
    """The greeting as it is said, with the announcements before and after it.

    Args:
        agent: The agent.
        greeting: A template.
        render: Fills a template in.
        recorded: Whether a recording is announced, if the agent records.
    """
    tables = announced(agent, recorded=recorded)
    before = [one.announcement for one in tables if one.announce == "before"]
    after = [one.announcement for one in tables if one.announce == "after"]
    return " ".join(filter(None, map(render, (*before, greeting, *after))))
