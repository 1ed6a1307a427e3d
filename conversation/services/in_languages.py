"""The services in an agent's languages: which ones they speak, and what changes in them when a call changes its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from conversation.lines.fixed import primary
from conversation.lines.names import listed
from conversation.services.chosen import ServiceChoice, _load, resolve
from conversation.services.options import language_of, pipecat_settings
from conversation.services.service import LOCAL_LANGUAGE, Kind, Service
from settings import Settings

if TYPE_CHECKING:
    from conversation.agents.agent import Agent


def spoken_languages(choice: ServiceChoice, own: Collection[str] = ()) -> tuple[str, ...]:
    """Those of an agent's languages that its services speak: the local stack knows English only.

    Args:
        choice: The services.
        own: Kinds of services that the agent's own code makes in place of the named ones.
    """
    tags = tuple(choice.agent.home.languages) or (choice.agent.home.language,)
    if not any(choice.of(kind).is_local for kind in choice.kinds if kind not in own):
        return tags
    return tuple(tag for tag in tags if primary(tag) == LOCAL_LANGUAGE) or tags[:1]


def beyond_the_local_stack(agent: Agent, settings: Settings) -> list[str]:
    """What an agent's languages ask of services that know English only: one line each, with the fix.

    Raises:
        ServiceError: A name of a service is not known.
    """
    choice = resolve(agent, settings)
    tags = agent.languages or [agent.language]
    others = [tag for tag in tags if primary(tag) != LOCAL_LANGUAGE]
    local = [kind for kind in choice.kinds if choice.of(kind).is_local]
    if not others or not local:
        return []
    kinds = f"{listed(local, LOCAL_LANGUAGE)} {'is' if len(local) == 1 else 'are'} local"
    what = (
        "callers who want another one are told so, and the talk stays in English"
        if len(others) < len(tags)
        else "callers will not be understood"
    )
    return [
        f"{agent.name}.toml: the agent is to speak {', '.join(others)}, but {kinds}, which knows English only: {what}. "
        f"Set a key for another {' and another '.join(local)} in .env, or take {', '.join(others)} out of the file"
    ]


def settings_in(kind: Kind, service: Service | None, agent: Agent, settings: Settings) -> Any:
    """What changes in a running service when the conversation goes on in another language, as Pipecat's settings.

    Args:
        kind: What the service is, `stt` or `tts`.
        service: The service; None for an object that the agent's own code has made.
        agent: The agent in that language.
        settings: Models and voices from the environment.

    Returns:
        The settings; None for a service that speaks one language.

    Raises:
        ServiceError: An option of that language is not usable.
    """
    from pipecat.services.settings import STTSettings, TTSSettings

    if service is not None and service.is_local:
        return None
    if service is not None and not service.is_own:
        return pipecat_settings(service, _load(service, settings), agent, settings)[0]
    if kind == "stt":
        return STTSettings(language=language_of(agent))
    voice = agent.service_options("tts").get("voice")
    made = TTSSettings(language=language_of(agent))
    if voice is not None:
        made.voice = voice
    return made
