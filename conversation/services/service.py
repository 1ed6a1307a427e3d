"""What is known of one speech or language service, whichever table it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pipecat.transcriptions.language import Language

from settings import Settings

Kind = Literal["stt", "llm", "tts", "voice"]

KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")
"""The three that a call needs, unless a `voice` does the work of all of them."""

VOICE: Kind = "voice"
"""Speech to speech: one service in the place of all three."""

LOCAL = "local"

LOCAL_LANGUAGE = "en"
"""The one language that the local stack knows."""

PHONE_HZ, WIDE_HZ = 8000, 16000


class ServiceError(Exception):
    """A speech or language service cannot be used; the message is one line with the cause and the fix."""


def _nothing(_: Settings) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Service:
    """One service that can do one of the three jobs.

    Parameters:
        kind: The job.
        name: What an agent's TOML or the environment calls it.
        target: `module:Class` of the Pipecat service, or a function of the settings that returns it.
        extra: The extra of this project that installs what it needs.
        key: The field of `Settings` that holds its key; None for a service without one.
        stand_in: A field of `Settings` that makes the key unnecessary (an own endpoint).
        packages: Import names of packages one of which must be installed; none when Pipecat alone is enough.
        automatic: Whether `auto` may take it with these settings; by default when its key is set.
        arguments: The constructor's arguments, for what is no Pipecat setting: keys and endpoints.
        model: Its model, or its engine for a local one; None leaves Pipecat's own choice.
        options: The Pipecat settings that suit a telephone, for a language; the agent's own options win over them.
        voice_languages: The languages that the default voice speaks; None for a voice that speaks all.
        hears_at_once: What a recogniser is told as `language` to hear several at once, and which ones it then hears.
        nested: Options that are tables, with the `module:Class` that each becomes.
        address: The host that it is reached at, or a function of the settings that returns its address; for the
            operator's log.
        more_keys: Further fields of `Settings` that must be set.
        choose: Options that the agent's file must have.
        takes_arguments: Whether an option may also be an argument of the constructor.
        has_time_outs: Whether its arguments or its library's bound a request already.
        with_session: Whether it makes its requests with an HTTP session that is handed to it.
        hears_hz: The rate of the caller's audio that a recogniser wants, in Hz: a telephone's, unless it takes no such.
        takes_messages: Whether Pipecat hands a voice of speech to speech what the caller did not say.
        folder: Where the agent's own modules are, for a class of the owner's; None for a service of Pipecat.
        listed: Whether it is one of a list, so that its options have a table of their own.
    """

    kind: Kind
    name: str
    target: str | Callable[[Settings], str]
    extra: str
    key: str | None = None
    stand_in: str | None = None
    packages: tuple[str, ...] = ()
    automatic: Callable[[Settings], bool] | None = None
    arguments: Callable[[Settings], dict[str, Any]] = _nothing
    model: Callable[[Settings], str | None] = lambda _: None
    options: Callable[[Settings, Language], dict[str, Any]] = lambda _, __: {}
    voice_languages: frozenset[str] | None = None
    hears_at_once: tuple[str, frozenset[str]] | None = None
    nested: Mapping[str, str] = field(default_factory=dict)
    address: str | Callable[[Settings], str] = ""
    more_keys: tuple[str, ...] = ()
    choose: tuple[str, ...] = ()
    takes_arguments: bool = False
    has_time_outs: bool = True
    with_session: bool = False
    hears_hz: int = PHONE_HZ
    takes_messages: bool = True
    folder: Path | None = None
    listed: bool = False

    @property
    def options_table(self) -> str:
        """The table of an agent's file that its options stand in."""
        return f"[services.options.{self.kind}{f'.{self.name}' if self.listed else ''}]"

    @property
    def is_local(self) -> bool:
        """True when it runs in this process and knows English only."""
        return self.name == LOCAL

    @property
    def is_own(self) -> bool:
        """True for a class of the owner's, named `module:Class`."""
        return self.folder is not None

    def has_key(self, settings: Settings) -> bool:
        """Say whether nothing that it needs from the settings is missing."""
        return self.missing(settings) is None

    def missing(self, settings: Settings) -> str | None:
        """The first field of the settings that it needs and that is not set."""
        names = [*([self.key] if self.key else []), *self.more_keys]
        for name in names:
            if not getattr(settings, name):
                if name == self.key and self.stand_in and getattr(settings, self.stand_in):
                    continue
                return name
        return None

    def taken_by_auto(self, settings: Settings) -> bool:
        """Say whether `auto` may take it."""
        if self.automatic is not None:
            return self.automatic(settings)
        return self.key is not None and self.has_key(settings)

    def host(self, settings: Settings) -> str:
        """Return the host that it is reached at, with the port where that is named; its name for a local one."""
        address = self.address(settings) if callable(self.address) else self.address
        return urlsplit(address).netloc.rpartition("@")[2] or address or self.name

    def import_path(self, settings: Settings) -> str:
        """Return `module:Class` of the class to build with these settings."""
        return self.target(settings) if callable(self.target) else self.target


def secret(settings: Settings, name: str) -> str | None:
    """The value of a key among the settings."""
    value = getattr(settings, name)
    return value.get_secret_value() if value is not None else None
