"""What a row of the table says of one service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["stt", "llm", "tts", "voice"]


@dataclass(frozen=True)
class Row:
    """One of Pipecat's services. Source: its constructor and its `Settings`, which a test compares with this.

    Parameters:
        kind: The job.
        name: What `[services]` calls it.
        target: `module:Class`, the module without `pipecat.services.` in front.
        needs: The constructor's arguments that come from variables that must be set, with the variables.
        may: The same for variables that need not be set.
        either: Variables of `may` one of which must be set.
        ours: `module:Class` of a class of this project that stands on Pipecat's, and is built in its place.
        extra: The extra that brings its packages, or two with a comma; by default the one that is called like Pipecat's
            module.
        imports: Packages of the extra that Pipecat imports only when the service is at work.
        with_arguments: Arguments that a telephone wants otherwise than Pipecat.
        with_settings: Settings that a telephone wants otherwise than Pipecat.
        takes_messages: For a voice of speech to speech: whether Pipecat hands it what the caller did not say.
        with_session: It makes its requests with an HTTP session that is handed to it.
        hears_hz: The rate of the caller's audio that a recogniser wants, in Hz: a telephone's, unless the service, or
            Pipecat's class for it, knows another one only.
        language: The field of its settings that takes the agent's language, one of several where it ends in `s`; empty
            for a service that is told no language.
        speaks: The languages that it knows unless the agent's options choose another model or voice; None for all.
        choose: Options that have no default: the agent's file must have them.
        note: What an owner must know, for the documentation.
    """

    kind: Kind
    name: str
    target: str
    needs: Mapping[str, str] = field(default_factory=dict)
    may: Mapping[str, str] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    ours: str = ""
    extra: str = ""
    imports: tuple[str, ...] = ()
    with_arguments: Mapping[str, Any] = field(default_factory=dict)
    with_settings: Mapping[str, Any] = field(default_factory=dict)
    takes_messages: bool = True
    with_session: bool = False
    hears_hz: int = 8000
    language: str = "language"
    speaks: frozenset[str] | None = None
    choose: tuple[str, ...] = ()
    note: str = ""

    @property
    def import_path(self) -> str:
        """`module:Class`, as Python names the module."""
        return f"pipecat.services.{self.target}"

    @property
    def brought_by(self) -> str:
        """The extra of this project, and of Pipecat, that brings its packages."""
        return self.extra or self.target.split(".")[0].replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that it reads, those that it needs first."""
        return tuple(dict.fromkeys((*self.needs.values(), *self.may.values())))


def variables_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The variables that services read, each once, in the order of the alphabet."""
    return tuple(sorted({variable for row in rows for variable in row.variables}))


def key(variable: str) -> Mapping[str, str]:
    """What most services need: one key."""
    return {"api_key": variable}
