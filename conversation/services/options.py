"""An agent's options for its services: settings of Pipecat, and for most services also the constructor's arguments."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from pipecat.transcriptions.language import Language
from pydantic import ValidationError

from conversation.agents.agent import Agent
from conversation.agents.speaking import known_tags
from conversation.lines.fixed import primary
from conversation.services.service import Service, ServiceError
from settings import Settings

NOT_OPTIONS = frozenset({"system_instruction", "user_turn_completion_config"})
"""Fields of Pipecat's settings that are the agent's own business, elsewhere in its TOML."""

SESSION = "session_properties"
"""The setting that has all that a speech-to-speech service's session is told."""

OF_ITS_OWN = frozenset({"type", "object", "id", "instructions", "tools", "expires_at"})
"""Fields of a session that are the agent's own business, or the service's."""

NOT_ARGUMENTS = frozenset(
    {"self", "settings", "params", "aiohttp_session", "http_client", "client", "api_key"}
)
"""Arguments of constructors that are ours to give, or that are old ways to give settings."""


def language_of(agent: Agent) -> Language:
    """The agent's language.

    Raises:
        ServiceError: It is no language tag.
    """
    language = known_tags().get(agent.language.strip().lower().replace("_", "-"))
    if language is None:
        close = difflib.get_close_matches(agent.language.lower(), known_tags(), n=1)
        raise ServiceError(
            f'services: agent {agent.name} has language = "{agent.language}", which is no language tag: use one '
            f"such as {known_tags()[close[0]].value if close else 'en, de or es-MX'}."
        )
    return language


def options_of(service: Service, agent: Agent) -> dict[str, Any]:
    """What the agent's file has for this service: options, its voice, and what is for the language that is spoken."""
    given = agent.services.options.get(service.kind, {})
    if service.listed:
        given = given.get(service.name, {})
    if service.kind == "tts" and service.name in agent.services.voices:
        given = {"voice": agent.services.voices[service.name], **given}
    return {**given, **of_language(service, agent)}


def of_language(service: Service, agent: Agent) -> dict[str, Any]:
    """What the agent's file has for this service in the language that is spoken."""
    name = agent.configured(agent.language)
    given = agent.languages[name].options_of(service.kind) if name is not None else {}
    return dict(given.get(service.name, {})) if service.listed else given


def options_table(service: Service, agent: Agent) -> str:
    """Where the agent's file has a service's options for the language that is spoken."""
    if agent.language == agent.home.language:
        return service.options_table
    one = f".{service.name}" if service.listed else ""
    return f"[languages.{agent.language}.options.{service.kind}{one}]"


def bad_option(service: Service, agent: Agent, error: Exception) -> ServiceError:
    """An error of Pipecat's or pydantic's about an option, as one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    reason = " ".join(str(error).split()).rstrip(".")
    return ServiceError(
        f"services: an option of {service.name} is not usable: {reason}. Change {service.options_table} "
        f"of agent {agent.name}."
    )


def pipecat_settings(
    service: Service, cls: Any, agent: Agent, settings: Settings
) -> tuple[Any, dict[str, Any]]:
    """Split an agent's options into the service's settings and its constructor's arguments.

    Args:
        service: The chosen service.
        cls: Its class.
        agent: Whose options they are.
        settings: Models and voices from the environment.

    Returns:
        The settings, None for an owner's class that has none, and the arguments.

    Raises:
        ServiceError: An option is not known, or not usable.
    """
    given = options_of(service, agent)
    known = _settings_of(cls) | _of_its_session(cls)
    arguments = _arguments_of(cls) - known if service.takes_arguments else frozenset()
    for name in given:
        if name not in known | arguments:
            close = difflib.get_close_matches(name, known | arguments, n=1)
            guess = f'did you mean "{close[0]}"? ' if close else ""
            raise ServiceError(
                f"services: {service.name} has no option {name} (agent {agent.name}, "
                f"{service.options_table}): {guess}Known are {', '.join(sorted(known | arguments))}."
            )
    own = {name: given.pop(name) for name in list(given) if name in arguments}
    if service.is_own and not given:
        return None, own
    values = _merged(_for_languages(service, settings, agent), _nested(service, given, agent))
    values = _merged(values, values.pop(SESSION, {}))
    if (model := service.model(settings)) is not None:
        values.setdefault("model", model)
    extra = values.pop("extra", {})
    try:
        made = cls.Settings.from_mapping(values)
    except (TypeError, ValueError) as error:
        raise bad_option(service, agent, error) from error
    made.extra = dict(extra)
    return made, own


def _for_languages(service: Service, settings: Settings, agent: Agent) -> dict[str, Any]:
    """The settings that suit a telephone and the agent's languages: one that takes several gets all of them.

    A recogniser that hears all of an agent's languages at once tells which one the caller speaks.
    """
    language = language_of(agent)
    values = service.options(settings, language)
    others = [language_of(agent.in_language(tag)) for tag in agent.languages]
    if service.kind != "stt" or len(others) < 2:
        return values
    every = [language, *(other for other in others if other != language)]
    values = {name: every if value == [language] else value for name, value in values.items()}
    if (
        service.hears_at_once is not None
        and {primary(tag.value) for tag in every} <= service.hears_at_once[1]
    ):
        values["language"] = service.hears_at_once[0]
    return values


def _settings_of(cls: Any) -> frozenset[str]:
    made = getattr(cls, "Settings", None)
    return (
        frozenset(field.name for field in fields(made)) - NOT_OPTIONS if is_dataclass(made) else frozenset()
    )


def _of_its_session(cls: Any) -> frozenset[str]:
    """What can be set of the session of a speech-to-speech service, by the names that its interface has.

    Source: `from_mapping` of such services' settings, which sorts these names out from among the others.
    """
    if SESSION not in _settings_of(cls):
        return frozenset()
    kinds = next(get_args(field.type) for field in fields(cls.Settings) if field.name == SESSION)
    return frozenset(
        name for kind in kinds for name in getattr(kind, "model_fields", ()) if name not in OF_ITS_OWN
    )


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within tables: what is given stands beside a default, or in its place."""
    merged = dict(defaults)
    for name, value in given.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _arguments_of(cls: type) -> frozenset[str]:
    """The constructor's arguments by name, also those that it hands on to the classes that it stands on."""
    found: set[str] = set()
    for part in cls.__mro__:
        if "__init__" not in vars(part) or part.__module__.startswith("pipecat.processors"):
            continue
        parameters = inspect.signature(vars(part)["__init__"]).parameters.values()
        found |= {one.name for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return frozenset(found) - NOT_ARGUMENTS


def _nested(service: Service, given: Mapping[str, Any], agent: Agent) -> dict[str, Any]:
    values = dict(given)
    for name, target in service.nested.items():
        if isinstance(table := values.get(name), Mapping):
            module, _, cls = target.partition(":")
            try:
                values[name] = getattr(importlib.import_module(module), cls)(**table)
            except (TypeError, ValueError) as error:
                raise bad_option(service, agent, error) from error
    return values
