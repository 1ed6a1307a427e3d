"""What the agent says when somebody whom it has called, or their telephone, asks who calls, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from conversation.agents.agent import Agent

CALLED_BACK = "is_call_back"
"""The name of the parameter of a call that calls somebody back for whom there was no room."""

_GOES_ON = re.compile(r"(?:to|about|because|regarding|concerning|for|with|on|in|from|as|since)\b", re.I)
"""Words with which a purpose goes on from "I'm calling"."""

_SENTENCE = re.compile(r"(?:i|i['’]m|we|we['’]re|it|it['’]s|this|there)\b.*[.!?]$", re.I | re.S)
"""A purpose that says by itself what the call is about."""


def who_calls(agent: Agent, variables: Mapping[str, Any]) -> str:
    """Say who calls, and why; empty when the file does not say why. Who is called back is told that.

    Args:
        agent: Who calls.
        variables: Of the call, see `Agent.call_variables`.
    """
    if variables.get(CALLED_BACK):
        return agent.render(agent.lines.calling_back, variables)
    purpose = agent.render(agent.dial_out.purpose or "", variables)
    if not purpose:
        return ""
    if not _SENTENCE.match(purpose):
        purpose = f"{purpose.rstrip(' .!')}."
        if agent.language.lower().startswith("en"):
            purpose = f"I'm calling {purpose}" if _GOES_ON.match(purpose) else f"I'm calling about {purpose}"
    return agent.render(agent.lines.who_calls, {**variables, "purpose": purpose})
