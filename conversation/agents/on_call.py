"""An agent as it is on one call."""

from __future__ import annotations

from calls.call import Call
from calls.events.talk import LanguageChanged
from conversation.agents.agent import Agent


def agent_on(agent: Agent, call: Call | None) -> Agent:
    """An agent in the language that a call is in: the one that it changed to last, else the agent's first."""
    changed = call.last(LanguageChanged) if call is not None else None
    return agent.in_language(changed.language) if changed is not None else agent
