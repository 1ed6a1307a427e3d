"""How many calls a process takes at a time: what is configured, else what docs/performance.md plans with."""

from __future__ import annotations

import math

from calls.cloud_media import cloud_media_of
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.services.chosen import resolve
from conversation.services.service import ServiceError
from desk.load import cores
from settings import Settings

LOCAL_PER_CORE = 6
"""Calls a core, where the bot hears, understands and speaks on this machine; one process uses all cores for that."""

HOSTED_PER_CORE = 30
"""The same with hosted services, where a process uses one core."""


def capacity_of(settings: Settings) -> int:
    """How many calls may run at a time in this process; 0 for any number.

    Args:
        settings: What the operator configured; MAX_CALLS decides. Without it a process whose media sockets open on
            Pipecat Cloud takes any number: the work is done there. Several processes on one port share the cores.
    """
    if settings.max_calls is not None:
        return settings.max_calls
    if cloud_media_of(settings) is not None:
        return 0
    workers = settings.workers or 1
    processes = workers if isinstance(workers, int) else math.ceil(cores())
    share = cores() / processes
    calls = LOCAL_PER_CORE * share if _hears_here(settings) else HOSTED_PER_CORE * min(1.0, share)
    return max(1, int(calls))


def _hears_here(settings: Settings) -> bool:
    try:
        choice = resolve(load_agent(settings.agent, settings.agents_dir), settings)
    except (AgentError, ServiceError):
        return True  # the start says what is wrong
    return choice.voice is None and choice.stt == "local"
