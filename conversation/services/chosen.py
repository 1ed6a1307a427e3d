"""STT, LLM and TTS by name: which ones a call uses, whether they can be used, and building them.

The choice goes from the most particular to the most general: the agent's TOML (`[services]`), then `STT`, `LLM` and
`TTS` in the environment, then `auto`, which takes the first service whose key is set, in the order of
`conversation.services.catalogue.SERVICES`, and the local one when there is no key at all.

`resolve()` names the services, `check()` finds out at start-up what would go wrong in a call, `build_*()` make them.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from pipecat.transcriptions.language import Language
from pydantic import ValidationError

from conversation.agents.flow_checks import without_a_model
from conversation.services.catalogue import KINDS, LOCAL, Kind, Service, openai_timeout, services_of
from conversation.services.patience import Patience, with_patience
from conversation.services.tool_calls import CheckedCalls, NoticedCuts
from settings import Settings

if TYPE_CHECKING:
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService

    from conversation.agents.agent import Agent

AUTO = "auto"

CONTEXT_SECS = 3.0
"""After this long without a sound Pipecat takes a sentence as said, unless it is told to wait longer."""

NOT_OPTIONS = frozenset({"system_instruction", "user_turn_completion_config"})
"""Fields of Pipecat's settings that are the agent's own business, elsewhere in its TOML."""


class ServiceError(Exception):
    """A speech or language service cannot be used; the message is one line with the cause and the fix."""


@dataclass(frozen=True)
class ServiceChoice:
    """The names of the services that an agent's calls use, each one known for its kind."""

    stt: str
    llm: str
    tts: str
    agent: Agent = field(repr=False, compare=False)

    def of(self, kind: Kind) -> Service:
        """Return the chosen service of a kind."""
        return services_of(kind)[cast(str, getattr(self, kind))]


def resolve(agent: Agent, settings: Settings) -> ServiceChoice:
    """Choose the three services of an agent.

    Raises:
        ServiceError: A name is not known; the message has the closest one and the list.
    """
    stt, llm, tts = (_resolve(kind, agent, settings) for kind in KINDS)
    return ServiceChoice(stt, llm, tts, agent)


def check(choice: ServiceChoice, settings: Settings) -> None:
    """Find out, without building anything, whether the chosen services can work for their agent.

    Raises:
        ServiceError: A key or a package is missing, an option is not known, or the language is not spoken.
    """
    for kind in KINDS:
        service = choice.of(kind)
        _check_key(service, settings)
        _check_package(service)
        _check_language(service, choice.agent)
        if not service.is_local:
            _pipecat_settings(service, _load(service, settings), choice.agent, settings)


def beyond_the_brain(agent: Agent, settings: Settings) -> list[str]:
    """What an agent's call flow asks of a model, if the local brain talks in a model's place: one line each.

    Raises:
        ServiceError: A name of a service is not known.
    """
    if agent.call_flow is None or resolve(agent, settings).llm != LOCAL:
        return []
    return without_a_model(agent.call_flow)


def build_stt(choice: ServiceChoice, agent: Agent, settings: Settings) -> STTService:
    """Build the service that hears the caller.

    Raises:
        ServiceError: See `check()`.
    """
    return cast("STTService", _build(choice.of("stt"), agent, settings))


def build_llm(
    choice: ServiceChoice,
    agent: Agent,
    settings: Settings,
    *,
    variables: Mapping[str, Any] | None = None,
    succeeded: Mapping[str, bool] | None = None,
) -> LLMService:
    """Build the service that answers: a language model, or the local brain in its place.

    Args:
        choice: The services of the agent.
        agent: Who answers.
        settings: Keys and models.
        variables: What the agent's texts are filled in with in this call. The local brain says those texts itself;
            a language model gets them in its context.
        succeeded: Which calls of tools did what they are for, by their ids in the context; the local brain asks.

    Raises:
        ServiceError: See `check()`.
    """
    service = choice.of("llm")
    if service.is_local:
        _check_package(service)
        return cast("LLMService", _load(service, settings)(agent, variables=variables, succeeded=succeeded))
    return cast("LLMService", _build(service, agent, settings))


def build_tts(choice: ServiceChoice, agent: Agent, settings: Settings) -> TTSService:
    """Build the service that speaks.

    Raises:
        ServiceError: See `check()`.
    """
    return cast("TTSService", _build(choice.of("tts"), agent, settings))


def describe(agent: Agent, settings: Settings) -> list[str]:
    """Say in a start line or two which services an agent's calls will use, and why the local ones.

    Raises:
        ServiceError: A name is not known.
    """
    choice = resolve(agent, settings)
    local = [kind for kind in KINDS if choice.of(kind).is_local]
    if len(local) == len(KINDS):
        hosted = any(
            service.taken_by_auto(settings) for kind in KINDS for service in services_of(kind).values()
        )
        cause = "" if hosted else "no key set: "
        return [f"{cause}the local brain answers (STT Moonshine, TTS Piper, English only)"]
    lines = [", ".join(f"{kind.upper()} {_with_model(choice.of(kind), agent, settings)}" for kind in KINDS)]
    if choice.llm == LOCAL:
        lines.append(
            "the local brain answers with the agent's own facts: set OPENAI_API_KEY (or another LLM's key) "
            "for free conversation"
        )
    return lines


def _resolve(kind: Kind, agent: Agent, settings: Settings) -> str:
    known = services_of(kind)
    named: str = getattr(agent.services, kind)
    source = f"agent {agent.name}, [services] {kind}"
    if named == AUTO:
        named, source = getattr(settings, kind), f"{kind.upper()} in .env or the environment"
    named = named.strip().lower()
    if named == AUTO:
        return next((name for name, service in known.items() if service.taken_by_auto(settings)), LOCAL)
    if named not in known:
        close = difflib.get_close_matches(named, known, n=1)
        guess = f'did you mean "{close[0]}"? ' if close else ""
        raise ServiceError(
            f'services: no {kind} is called "{named}" ({source}): {guess}Known are {AUTO}, {", ".join(known)}.'
        )
    return named


def _check_key(service: Service, settings: Settings) -> None:
    if service.has_key(settings):
        return
    names = [name.upper() for name in (service.key, service.stand_in) if name]
    raise ServiceError(
        f"services: {service.kind} is {service.name}, but {names[0]} is not set: set it in .env, "
        f'or choose {service.kind} = "{LOCAL}".'
    )


def _check_package(service: Service) -> None:
    if service.packages and not any(_is_installed(package) for package in service.packages):
        raise ServiceError(
            f"services: {service.kind} is {service.name}, but {' or '.join(service.packages)} is not installed: "
            f"{_install(service)}"
            + (f", or set the key of another {service.kind} in .env." if service.is_local else "")
        )


def _install(service: Service) -> str:
    image = " (an image: build it with --build-arg LOCK=local)" if service.is_local else ""
    return f"`make setup` brings it{image}"


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _check_language(service: Service, agent: Agent) -> None:
    language = _language(agent)
    spoken = language.value.split("-")[0]
    if service.is_local and service.kind != "llm" and spoken != "en":
        raise ServiceError(
            f"services: {service.kind} is local, which knows English only, but agent {agent.name} has language = "
            f'"{agent.language}": set a key for another {service.kind}, or change the language.'
        )
    if (
        service.voice_languages
        and spoken not in service.voice_languages
        and "voice" not in _options(service, agent)
    ):
        raise ServiceError(
            f'services: {service.name} has no default voice for language = "{agent.language}": name one as voice '
            f"in [services.options.{service.kind}] of agent {agent.name}."
        )


def _language(agent: Agent) -> Language:
    by_tag = {language.value.lower(): language for language in Language}
    language = by_tag.get(agent.language.strip().lower().replace("_", "-"))
    if language is None:
        close = difflib.get_close_matches(agent.language.lower(), by_tag, n=1)
        raise ServiceError(
            f'services: agent {agent.name} has language = "{agent.language}", which is no language tag: use one '
            f"such as {by_tag[close[0]].value if close else 'en, de or es-MX'}."
        )
    return language


def _options(service: Service, agent: Agent) -> dict[str, Any]:
    return dict(agent.services.options.get(service.kind, {}))


def _load(service: Service, settings: Settings) -> type:
    module, _, name = service.import_path(settings).partition(":")
    try:
        return cast(type, getattr(importlib.import_module(module), name))
    except ImportError as error:
        raise ServiceError(
            f"services: {service.kind} {service.name} cannot be loaded ({error}): {_install(service)}"
        ) from error


def _pipecat_settings(service: Service, cls: Any, agent: Agent, settings: Settings) -> Any:
    given = _options(service, agent)
    known = {option.name for option in fields(cls.Settings)} - NOT_OPTIONS
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            guess = f'did you mean "{close[0]}"? ' if close else ""
            raise ServiceError(
                f"services: {service.name} has no option {name} (agent {agent.name}, "
                f"[services.options.{service.kind}]): {guess}Known are {', '.join(sorted(known))}."
            )
    values = service.options(settings, _language(agent)) | _nested(service, given, agent)
    if (model := service.model(settings)) is not None:
        values.setdefault("model", model)
    extra = values.pop("extra", {})
    try:
        pipecat_settings = cls.Settings.from_mapping(values)
    except (TypeError, ValueError) as error:
        raise _bad_option(service, agent, error) from error
    pipecat_settings.extra = dict(extra)
    return pipecat_settings


def _nested(service: Service, given: Mapping[str, Any], agent: Agent) -> dict[str, Any]:
    values = dict(given)
    for name, target in service.nested.items():
        if isinstance(table := values.get(name), Mapping):
            module, _, cls = target.partition(":")
            try:
                values[name] = getattr(importlib.import_module(module), cls)(**table)
            except (TypeError, ValueError) as error:
                raise _bad_option(service, agent, error) from error
    return values


def _bad_option(service: Service, agent: Agent, error: Exception) -> ServiceError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    reason = " ".join(str(error).split()).rstrip(".")
    return ServiceError(
        f"services: an option of {service.name} is not usable: {reason}. Change [services.options.{service.kind}] "
        f"of agent {agent.name}."
    )


def _with_model(service: Service, agent: Agent, settings: Settings) -> str:
    model = _options(service, agent).get("model") or service.model(settings)
    return f"{service.name} ({model})" if model else service.name


def _build(service: Service, agent: Agent, settings: Settings) -> Any:
    _check_key(service, settings)
    _check_package(service)
    _check_language(service, agent)
    cls: Any = _load(service, settings)
    if service.is_local:
        return cls()
    pipecat_settings = _pipecat_settings(service, cls, agent, settings)
    arguments = service.arguments(settings)
    if service.kind == "tts" and settings.first_audio_secs > CONTEXT_SECS:
        arguments["stop_frame_timeout_s"] = settings.first_audio_secs
    try:
        return _bounded(cls, settings)(settings=pipecat_settings, **arguments)
    except (TypeError, ValueError) as error:
        raise _bad_option(service, agent, error) from error


class _AskedOnce:
    """A client of OpenAI's library that makes no request again by itself: `conversation/services/patience.py` does."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._client: Any = self._client.with_options(max_retries=0)


def _bounded(cls: Any, settings: Settings) -> Any:
    """A hosted service's class that keeps callers waiting no longer than the settings say."""
    from pipecat.services.llm_service import LLMService
    from pipecat.services.openai.base_llm import BaseOpenAILLMService
    from pipecat.services.openai.tts import OpenAITTSService
    from pipecat.services.whisper.base_stt import BaseWhisperSTTService

    bounded = with_patience(cls, Patience.of(settings))
    if issubclass(cls, LLMService):
        bounded = type(cls.__name__, (CheckedCalls, bounded), {})
    if issubclass(cls, OpenAITTSService | BaseWhisperSTTService):
        return type(cls.__name__, (_AskedOnce, bounded), {})
    if not issubclass(cls, BaseOpenAILLMService):
        return bounded
    timeout = openai_timeout(settings, settings.first_token_secs)

    def create_client(self: Any, **kwargs: Any) -> Any:
        # Retries are decided where the caller is spoken to meanwhile.
        return bounded.create_client(self, **kwargs).with_options(timeout=timeout, max_retries=0)

    return type(cls.__name__, (NoticedCuts, bounded), {"create_client": create_client})
