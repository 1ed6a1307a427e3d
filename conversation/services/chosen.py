"""STT, LLM and TTS by name: which ones a call uses, whether they can be used, and building them.

The choice goes from the most particular to the most general: the agent's TOML (`[services]`), then `STT`, `LLM` and
`TTS` in the environment, then `auto`, which takes the first service whose key is set, in the order of
`conversation.services.catalogue.SERVICES`, and the local one when there is no key at all. Each of the first two may be
a list (`conversation/services/lists.py`).

`resolve()` names the services, `check()` finds out at start-up what would go wrong in a call, `build_*()` make them.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from conversation.agents.flow_checks import without_a_model
from conversation.services.bounded import bounded, with_session
from conversation.services.catalogue import services_of, taken_unasked
from conversation.services.checks import (
    AUTO,
    check_beside_voice,
    check_language,
    check_voice_of_each,
    is_named,
)
from conversation.services.lists import at_last, check_list, check_voices, in_environment, of_list
from conversation.services.one_system import with_one_system_message
from conversation.services.options import bad_option, options_of, pipecat_settings
from conversation.services.own import load_own, own_service
from conversation.services.readiness import made_ready, with_spares
from conversation.services.service import KINDS, LOCAL, VOICE, Kind, Service, ServiceError
from settings import Settings

if TYPE_CHECKING:
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService

    from conversation.agents.agent import Agent

CONTEXT_SECS = 3.0
"""After this long without a sound Pipecat takes a sentence as said, unless it is told to wait longer."""


@dataclass(frozen=True)
class ServiceChoice:
    """The names of the services that an agent's calls use, each one known for its kind.

    Parameters:
        stt: Who hears.
        llm: Who answers.
        tts: Who speaks.
        agent: Whose calls they are.
        folder: Where the agent's file is.
        voice: A service of speech to speech in their place.
        lists: All the names of each kind that has a list, in its order.
        settings: Where an agent's file leaves the choice to the environment.
    """

    stt: str
    llm: str
    tts: str
    agent: Agent = field(repr=False, compare=False)
    folder: Path = field(default=Path("agents"), repr=False, compare=False)
    voice: str | None = None
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    settings: Settings | None = field(default=None, repr=False, compare=False)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The jobs that services of this agent do.

        Beside a voice of speech to speech a TTS says fixed lines where one is named, and tells colleagues of a call
        that is put through warm, whom the model does not talk with; an LLM sums calls up.
        """
        if self.voice is None:
            return KINDS
        kinds: list[Kind] = [VOICE]
        if is_named(self.agent, "llm"):
            kinds.append("llm")
        if self.has_own_tts or any(target.warm for target in self.agent.transfers.values()):
            kinds.append("tts")
        return tuple(kinds)

    @property
    def has_own_tts(self) -> bool:
        """Whether fixed lines have a voice of their own beside one of speech to speech."""
        return self.voice is not None and is_named(self.agent, "tts")

    @property
    def says_lines(self) -> bool:
        """Whether the TTS says the bot's own lines to callers, and not a voice of speech to speech."""
        return self.voice is None or self.has_own_tts

    def of(self, kind: Kind) -> Service:
        """Return the chosen service of a kind."""
        named: str = getattr(self, kind)
        service = self._known(kind, named)
        if kind not in self.lists:
            return service
        assert self.settings is not None
        return of_list(service, self.agent, self._known(kind, self.lists[kind][0]), self.settings)

    def each(self, kind: Kind) -> list[Service]:
        """Return the services of a kind in the order of their list; the one that was chosen where there is none."""
        return [self.only(kind, name).of(kind) for name in self.lists.get(kind, (getattr(self, kind),))]

    def spoken_by(self, agent: Agent) -> ServiceChoice:
        """The same in the language that the agent speaks now."""
        return replace(self, agent=agent)

    def only(self, kind: Kind, name: str) -> ServiceChoice:
        """The same, with one of the names of a kind's list in the place of the first."""
        named: dict[str, Any] = {kind: name}
        return replace(self, **named)

    def behind(self, kind: Kind) -> Service | None:
        """The local service that takes over when all of a list have failed; None where there is no list, or no such."""
        names = self.lists.get(kind)
        return None if names is None else at_last(kind, self.agent, names)

    def _known(self, kind: Kind, named: str) -> Service:
        return own_service(kind, named, self.folder) if ":" in named else services_of(kind)[named]


def resolve(agent: Agent, settings: Settings) -> ServiceChoice:
    """Choose the three services of an agent.

    Raises:
        ServiceError: A name is not known; the message has the closest one and the list.
    """
    named = {kind: _resolve(kind, agent, settings) for kind in KINDS}
    stt, llm, tts = (found if isinstance(found, str) else found[0] for found in named.values())
    lists: dict[str, tuple[str, ...]] = {
        kind: found for kind, found in named.items() if not isinstance(found, str)
    }
    voice = agent.services.voice
    if voice is not None:
        voice = _known(VOICE, voice, f"agent {agent.name}, [services] voice", settings)
        lists = {}
    return ServiceChoice(stt, llm, tts, agent, settings.agents_dir, voice, lists, settings)


def check(choice: ServiceChoice, settings: Settings) -> None:
    """Find out, without building anything, whether the chosen services can work for their agent.

    Raises:
        ServiceError: A key or a package is missing, an option is not known, or the language is not spoken.
    """
    if choice.voice is not None:
        check_beside_voice(choice.agent, choice.of(VOICE))
    for kind in choice.kinds:
        if kind in choice.lists:
            check_list(choice.agent, kind, choice.lists[kind])
        for service in choice.each(kind):
            _check_key(service, settings)
            _check_package(service)
            check_language(service, choice.agent)
            if not service.is_local:
                _check_chosen(service, choice.agent)
        _check_in_languages(choice, kind, settings)
    check_voices(choice.agent, choice.lists.get("tts") or tuple(services_of("tts")))


def _check_in_languages(choice: ServiceChoice, kind: Kind, settings: Settings) -> None:
    made: dict[str, dict[str, Any]] = {}
    for tag in choice.agent.languages or [choice.agent.language]:
        agent = choice.agent.in_language(tag)
        for service in choice.spoken_by(agent).each(kind):
            if service.is_local and not service.listed:
                continue  # named alone it makes the agent speak English only
            check_language(service, agent)
            if not service.is_local:
                built, _ = pipecat_settings(service, _load(service, settings), agent, settings)
                made.setdefault(service.name, {})[tag] = built
    if kind == "tts":
        for name, in_languages in made.items():
            check_voice_of_each(name, choice.agent, in_languages)


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


def build_voice(choice: ServiceChoice, agent: Agent, settings: Settings) -> LLMService:
    """Build the service that hears, answers and speaks.

    Raises:
        ServiceError: See `check()`.
    """
    return cast("LLMService", _build(choice.of(VOICE), agent, settings))


def describe(agent: Agent, settings: Settings) -> list[str]:
    """Say in a start line or two which services an agent's calls will use, and why the local ones.

    Raises:
        ServiceError: A name is not known.
    """
    choice = resolve(agent, settings)
    if choice.voice is not None:
        lines = [f"speech to speech {_with_model(choice.of(VOICE), agent, settings)}"]
        if choice.has_own_tts:
            lines[0] += f", fixed lines by TTS {_with_model(choice.of('tts'), agent, settings)}"
        return lines
    local = [kind for kind in KINDS if choice.of(kind).is_local]
    if len(local) == len(KINDS):
        hosted = any(service.taken_by_auto(settings) for kind in KINDS for service in taken_unasked(kind))
        cause = "" if hosted else "no key set: "
        return [f"{cause}the local brain answers (STT Moonshine, TTS Piper, English only)"]
    lines = [", ".join(f"{kind.upper()} {_all_of(choice, kind, settings)}" for kind in KINDS)]
    if choice.llm == LOCAL:
        lines.append(
            "the local brain answers with the agent's own facts: set OPENAI_API_KEY (or another LLM's key) "
            "for free conversation"
        )
    return lines


def lists_of(agent: Agent, settings: Settings) -> dict[str, str]:
    """What stands behind what, by job, for an agent that names lists.

    Raises:
        ServiceError: A name is not known.
    """
    choice = resolve(agent, settings)
    return {kind: _all_of(choice, kind, settings) for kind in KINDS if kind in choice.lists}


def _all_of(choice: ServiceChoice, kind: Kind, settings: Settings) -> str:
    services = choice.each(kind)
    if (last := choice.behind(kind)) is not None:
        services.append(last)
    return ", else ".join(_with_model(service, choice.agent, settings) for service in services)


def _resolve(kind: Kind, agent: Agent, settings: Settings) -> str | tuple[str, ...]:
    """The name of the service; the names, where it is a list."""
    named: str | list[str] = getattr(agent.services, kind)
    source = f"agent {agent.name}, [services] {kind}"
    if named == AUTO:
        source = f"{kind.upper()} in .env or the environment"
        named = in_environment(getattr(settings, kind), kind.upper())
    if isinstance(named, list):
        return tuple(_known(kind, name, source, settings) for name in named)
    if named.strip().lower() == AUTO:
        unasked = taken_unasked(kind)
        return next((service.name for service in unasked if service.taken_by_auto(settings)), LOCAL)
    return _known(kind, named, source, settings)


def _known(kind: Kind, named: str, source: str, settings: Settings) -> str:
    known = services_of(kind)
    named = named.strip()
    if ":" in named:
        return own_service(kind, named, settings.agents_dir).name
    named = named.lower()
    if named not in known:
        close = difflib.get_close_matches(named, known, n=1)
        guess = f'did you mean "{close[0]}"? ' if close else ""
        unasked = [AUTO, *(service.name for service in taken_unasked(kind))]
        names = (
            f"{', '.join(known)}."
            if kind == VOICE
            else f"{', '.join(unasked)}; docs/services.md has all others."
        )
        raise ServiceError(f'services: no {kind} is called "{named}" ({source}): {guess}Known are {names}')
    return named


def _check_key(service: Service, settings: Settings) -> None:
    missing = service.missing(settings)
    if missing is None:
        return
    raise ServiceError(
        f"services: {service.kind} is {service.name}, but {str(missing).upper()} is not set: set it in .env, "
        + (f'or choose {service.kind} = "{LOCAL}".' if service.kind != VOICE else "or name another voice.")
    )


def _check_package(service: Service) -> None:
    if service.packages and not any(_is_installed(package) for package in service.packages):
        raise ServiceError(
            f"services: {service.kind} is {service.name}, but {' or '.join(service.packages)} is not installed: "
            f"{_install(service)}"
            + (f", or set the key of another {service.kind} in .env." if service.is_local else "")
        )


def _check_chosen(service: Service, agent: Agent) -> None:
    for name in service.choose:
        if name not in options_of(service, agent):
            raise ServiceError(
                f"services: {service.name} has no {name} of its own: write {name} in "
                f"{service.options_table} of agent {agent.name}."
            )


def _install(service: Service) -> str:
    if service not in taken_unasked(service.kind):
        return f"`make setup EXTRAS={service.extra}` brings what it needs"  # a comma parts two
    image = " (an image: build it with --build-arg LOCK=local)" if service.is_local else ""
    return f"`make setup` brings it{image}"


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _load(service: Service, settings: Settings) -> type:
    if service.is_own:
        return load_own(service)
    module, _, name = service.import_path(settings).partition(":")
    try:
        return cast(type, getattr(importlib.import_module(module), name))
    except ImportError as error:
        raise ServiceError(
            f"services: {service.kind} {service.name} cannot be loaded ({error}): {_install(service)}"
        ) from error


def _with_model(service: Service, agent: Agent, settings: Settings) -> str:
    model = options_of(service, agent).get("model") or service.model(settings)
    return f"{service.name} ({model})" if model else service.name


def _build(service: Service, agent: Agent, settings: Settings) -> Any:
    _check_key(service, settings)
    _check_package(service)
    check_language(service, agent)
    cls: Any = _load(service, settings)
    if service.is_local:
        return cls()
    _check_chosen(service, agent)
    made, own = pipecat_settings(service, cls, agent, settings)
    arguments = service.arguments(settings) | own
    if made is not None:
        arguments["settings"] = made
    if service.kind == "tts" and not service.is_own and settings.first_audio_secs > CONTEXT_SECS:
        arguments["stop_frame_timeout_s"] = settings.first_audio_secs
    built = bounded(with_spares(service, cls, settings), settings, own_time_outs=service.has_time_outs)
    if service.kind == "llm":
        built = with_one_system_message(built)
    built = made_ready(service, built, agent, settings, arguments)
    if service.with_session:
        built, arguments["aiohttp_session"] = with_session(built, settings)
    try:
        return built(**arguments)
    except (TypeError, ValueError) as error:
        raise bad_option(service, agent, error) from error
    except (
        Exception
    ) as error:  # a model that cannot be fetched, a token that is refused, whatever an owner's class raises
        reason = f"{type(error).__name__}: {error}" if service.is_own else type(error).__name__
        raise ServiceError(
            f"services: {service.kind} {service.name} cannot be built ({' '.join(reason.split())[:300]}): "
            "what its documentation asks for must be there."
        ) from error
