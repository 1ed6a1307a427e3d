"""Checks of an agent's services that need nothing but its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conversation.agents.agent import Agent
from conversation.services.options import language_of, of_language, options_of, options_table
from conversation.services.service import KINDS, LOCAL_LANGUAGE, Service, ServiceError

AUTO = "auto"


def is_named(agent: Agent, kind: str) -> bool:
    """Whether an agent names a service itself, and does not leave the choice to the environment."""
    named: str | list[str] = getattr(agent.services, kind)
    return isinstance(named, list) or named.strip().lower() != AUTO


def check_beside_voice(agent: Agent, voice: Service) -> None:
    """Refuse what a voice of speech to speech cannot do."""
    what = f"services: agent {agent.name} has voice = {voice.name}"
    if not voice.takes_messages:
        raise ServiceError(
            f"{what}, which speaks whenever it likes: it says no line on request, and no key stops it: name "
            f"another voice, such as openai-realtime or gemini-live, or stt, llm and tts."
        )
    if agent.call_flow is not None:
        raise ServiceError(
            f"{what}, which cannot follow a call flow: remove {agent.name}.flow.yaml, or name stt, llm and tts "
            "in place of voice."
        )
    if kind := next((kind for kind in KINDS if isinstance(getattr(agent.services, kind), list)), None):
        raise ServiceError(
            f"{what}, which has no list behind it: {kind} is a list in [services]; name one service there or none, "
            "or name stt, llm and tts in place of voice."
        )
    if is_named(agent, "stt"):
        raise ServiceError(f"{what}, which hears by itself: remove stt from [services], or voice.")
    if is_named(agent, "llm") and not agent.after_call.is_wanted:
        raise ServiceError(
            f"{what}, which answers by itself, and no [after_call] that llm would sum calls up for: remove llm from "
            "[services], or voice."
        )


def check_language(service: Service, agent: Agent) -> None:
    """Refuse a service that does not know the agent's language."""
    language = language_of(agent)
    spoken = language.value.split("-")[0]
    if service.is_local and service.kind != "llm" and spoken != LOCAL_LANGUAGE:
        raise ServiceError(
            f"services: {service.kind} is local, which knows English only, but agent {agent.name} has language = "
            f'"{agent.language}": set a key for another {service.kind}, or change the language.'
        )
    # What the whole agent has is in its first language.
    named = (options_of if agent.language == agent.home.language else of_language)(service, agent)
    option = "model" if service.kind == "stt" else "voice"
    if service.voice_languages and spoken not in service.voice_languages and option not in named:
        raise ServiceError(
            f'services: {service.name} has no default {option} for language = "{agent.language}": name one as {option} '
            f"in {options_table(service, agent)} of agent {agent.name}."
        )


def check_voice_of_each(name: str, agent: Agent, made: Mapping[str, Any]) -> None:
    """Refuse a voice that one language has and another has not: it would stay when the call changes back.

    Args:
        name: The service that speaks.
        agent: The agent.
        made: Its settings, in Pipecat's form, by language.
    """
    voices = {tag: isinstance(getattr(one, "voice", None), str) for tag, one in made.items()}
    without = [tag for tag, has_one in voices.items() if not has_one]
    if without and len(without) < len(voices):
        raise ServiceError(
            f"services: agent {agent.name} names a voice of {name} for some of its languages: name one as voice in "
            f"[languages.{without[0]}], too."
        )
