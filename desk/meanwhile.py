"""What callers hear of their carrier while nothing of ours answers."""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from carriers.streams import Meanwhile
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.on_call import agent_on
from conversation.lines.fixed import DEFAULT, fixed
from settings import Settings


def words_meanwhile(settings: Settings, call: Call | None = None) -> Meanwhile:
    """Say "one moment" as the agent says it, and in the language of the call.

    Args:
        settings: What the operator configured.
        call: The call; None for any call of the configured agent.
    """
    try:
        named = load_agent(call.agent if call and call.agent else settings.agent, settings.agents_dir)
        agent = agent_on(named, call)
        words = agent.render(
            agent.dead_air.filler, agent.call_variables(call.parameters if call else None)
        ).strip()
        return Meanwhile(words or str(fixed(agent.language, "dead_air")["filler"]), agent.language)
    except AgentError as error:
        logger.debug("The agent's own words for a wait cannot be spoken: {}", error)
        return Meanwhile(str(fixed(DEFAULT, "dead_air")["filler"]))
