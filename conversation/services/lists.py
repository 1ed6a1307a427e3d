"""Several services for one job: `stt = ["deepgram", "openai"]`. Each goes on where the one before it has failed.

The first of a list is what an agent would name alone. Where the local stack is installed and knows the agent's
language, it stands behind the list unnamed: it needs no provider.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipecat.transcriptions.language import Language

from conversation.agents.agent import Agent
from conversation.agents.tables import wrong_with_names
from conversation.lines.fixed import primary
from conversation.services.catalogue import services_of
from conversation.services.options import language_of, options_of
from conversation.services.service import LOCAL, LOCAL_LANGUAGE, Kind, Service, ServiceError
from conversation.services.voices import nearest
from settings import Settings


def in_environment(text: str, variable: str) -> list[str] | str:
    """The names in `STT`, `LLM` or `TTS`: one, or several with commas between them.

    Raises:
        ServiceError: Between commas stands no name, or one stands there twice.
    """
    if "," not in text:
        return text
    names = [name.strip() for name in text.split(",")]
    try:
        wrong_with_names(names)
    except ValueError as error:
        raise ServiceError(
            f'services: {variable}="{text}" in .env or the environment is not usable: {error}; correct it.'
        ) from None
    return names


def of_list(service: Service, agent: Agent, first: Service, settings: Settings) -> Service:
    """A service as one of a list: with options of its own, and a voice that is near the first one's.

    Args:
        service: The service.
        agent: Whose list it is.
        first: The first of the list.
        settings: Where the first one's voice may be named.
    """
    service, first = replace(service, listed=True), replace(first, listed=True)
    if service.kind != "tts" or service.is_local or service.is_own or service.name == first.name:
        return service
    language = language_of(agent)
    like = options_of(first, agent).get("voice")
    if like is None and not (first.is_local or first.is_own):
        like = first.options(settings, language).get("voice")
    voice = nearest(service.name, language.value, like if isinstance(like, str) else None)
    if voice is None:
        return service
    before = service.options

    def options(given: Settings, spoken: Language) -> dict[str, Any]:
        return {**before(given, spoken), "voice": voice}

    return replace(service, options=options, voice_languages=None)


def check_list(agent: Agent, kind: Kind, names: Sequence[str]) -> None:
    """Check that a list's services can take over from one another, and their options stand in a table for each.

    Raises:
        ServiceError: They do not; the message says what to change.
    """
    if kind == "llm" and LOCAL in names and agent.call_flow is not None:
        raise ServiceError(
            f'services: llm of agent {agent.name} has "{LOCAL}" in its list, but the local brain cannot take over in '
            f"the middle of a call flow: remove it from the list, or {agent.name}.flow.yaml."
        )
    where = f"[services.options.{kind}]"
    for name, given in agent.services.options.get(kind, {}).items():
        if name in names and isinstance(given, dict):
            continue
        if name in names:
            raise ServiceError(
                f"services: {name} in {where} of agent {agent.name} is no table: write its options under "
                f"[services.options.{kind}.{name}]."
            )
        if isinstance(given, dict) and name in services_of(kind):
            close = difflib.get_close_matches(name, names, n=1)
            guess = f'did you mean "{close[0]}"? ' if close else ""
            raise ServiceError(
                f"services: {where} of agent {agent.name} has options for {name}, which is not in its list: "
                f"{guess}The list is {', '.join(names)}."
            )
        raise ServiceError(
            f"services: {kind} of agent {agent.name} is a list, so {name} in {where} is for none of it: write it "
            f"under [services.options.{kind}.{names[0]}], and what the others need under their own names."
        )

    for tag, own in agent.languages.items():
        for name, given in own.options_of(kind).items():
            if name in names and isinstance(given, dict):
                continue
            raise ServiceError(
                f"services: {kind} of agent {agent.name} is a list, so {name} of language {tag} is for none of it: "
                f"write it under [languages.{tag}.options.{kind}.{names[0]}], and what the others need under "
                "their own names."
            )


def check_voices(agent: Agent, names: Sequence[str]) -> None:
    """Check that `[services.voices]` names services that speak for this agent.

    Raises:
        ServiceError: It names another.
    """
    for name in agent.services.voices:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f'did you mean "{close[0]}"?' if close else f"use {' or '.join(names)}, or remove it."
            raise ServiceError(
                f"services: [services.voices] of agent {agent.name} has a voice for {name}, which does not speak for "
                f"it: {guess}"
            )


def at_last(kind: Kind, agent: Agent, names: Sequence[str]) -> Service | None:
    """The local service that stands behind a list unnamed; None where it cannot take over.

    Args:
        kind: The job.
        agent: The agent. The local brain cannot take over in the middle of a call flow.
        names: The list.
    """
    if LOCAL in names or (kind == "llm" and agent.call_flow is not None):
        return None
    tags = agent.home.languages or [language_of(agent).value]
    if any(primary(tag) != LOCAL_LANGUAGE for tag in tags):
        return None
    service = services_of(kind)[LOCAL]
    if not any(importlib.util.find_spec(package) for package in service.packages):
        return None
    return replace(service, listed=True)
