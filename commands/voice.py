"""`phonebot agent voice`: the lines that a hosted voice says in every call, as far as they are kept."""

from __future__ import annotations

import asyncio
import sys

from loguru import logger

from conversation import services
from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.ahead.fixed import fixed_lines
from conversation.pipeline import AUDIO_OUT_HZ, aloud_for
from settings import Settings, SettingsError, load_settings

USAGE_ERROR, NOT_ALL = 2, 1


def show_voice(name: str, *, fill: bool, clear: bool) -> int:
    """Print which of an agent's lines are kept; before that, throw all away, or have the voice speak what is missing.

    Args:
        name: The agent.
        fill: Whether the voice is to speak the missing ones.
        clear: Whether the lines of all agents are thrown away first.

    Returns:
        The exit status: 0 all are kept, 1 some are missing, 2 there is nothing to keep, or it cannot be looked at.
    """
    logger.remove()
    try:
        settings = load_settings()
        agent = load_agent(name, settings.agents_dir)
        choice = services.resolve(agent, settings)
        services.check(choice, settings)
    except (SettingsError, AgentError, services.ServiceError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    voice = choice.of("tts")
    if not choice.says_lines or voice.is_local or voice.is_own or not settings.voice_cache_mb:
        print(f"agent {name}: {_why_not(choice, settings)}", file=sys.stderr)
        return USAGE_ERROR
    store = services.kept_lines(settings)
    if clear:
        try:
            print(f"{store.clear()} lines are thrown away")
        except OSError as error:
            print(
                f"they cannot be removed ({error.strerror}): remove {store.folder} yourself", file=sys.stderr
            )
            return USAGE_ERROR
    failed = ""
    if fill:
        say = aloud_for(agent, agent.call_variables())
        _, failed = asyncio.run(
            services.speak_ahead(
                agent, lambda: services.build_tts(choice, agent, settings), say, AUDIO_OUT_HZ
            )
        )
    missing = asyncio.run(_print_lines(agent, choice, settings))
    if failed:
        print(f"not all are spoken: {failed}", file=sys.stderr)
    return NOT_ALL if missing else 0


def _why_not(choice: services.ServiceChoice, settings: Settings) -> str:
    if not choice.says_lines:
        return f"voice = {choice.voice} says its lines itself; name a tts beside it to have them kept"
    if choice.of("tts").is_local:
        return "the local voice renders its lines at each start; nothing is kept of it"
    if choice.of("tts").is_own:
        return f"{choice.tts} is a class of your own, which is asked each time"
    return "VOICE_CACHE_MB is 0, so nothing is kept: set it in .env"


async def _print_lines(agent: Agent, choice: services.ServiceChoice, settings: Settings) -> int:
    voice, say = choice.of("tts").name, aloud_for(agent, agent.call_variables())
    kept = {
        entry.text.strip(): entry for entry in services.kept_lines(settings).entries() if entry.voice == voice
    }
    missing = 0
    for line in fixed_lines(agent):
        entry = kept.get((await say(line)).strip())
        missing += entry is None
        print(f"{f'{entry.secs:5.1f} s' if entry else 'missing':>8}  {line}")
    return missing
