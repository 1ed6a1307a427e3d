"""What every event of a call has: when it happened, its values as JSON, and which of them must be in no log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

FORMAT = 1
"""The version of the events' format in the API and in the database. It is raised when a kind or a field goes away or
changes its meaning; kinds and fields that are added leave it as it is."""

NOT_RECORDED = "(not recorded)"
"""Stands in a call's history for what was said while its recording was paused."""

LEFT_OUT: Mapping[str, bool] = {"left_out": True}
"""Metadata of a field that the JSON has only when its value is not the default."""


class Privacy(Enum):
    """Why a field must be in no log."""

    SAID = "What was said, or which keys were pressed. Not kept while the call's recording is paused."
    PERSONAL = "May hold a caller's words, name or number."


Said = Annotated[str, Privacy.SAID]
Personal = Annotated[str, Privacy.PERSONAL]


@dataclass(frozen=True, repr=False)
class CallEvent:
    """Something that happened to a call. Each kind is a subclass.

    Its `repr` has no value that must be in no log.

    Parameters:
        at: When it happened, in UTC. `Call.record` sets it.
        stored: The values as they were read, which an older or a newer version of the program may have written; None
            for an event of this process.
        version: The version of the format that they are in.
    """

    KIND: ClassVar[str] = ""

    MAY_WAIT: ClassVar[bool] = False
    """Whether the database may get it a moment later, with what follows: nobody was promised anything by it."""

    ONCE: ClassVar[bool] = False
    """Whether it happened once when two processes write the same: carriers report things twice, to different ones."""

    at: datetime = field(default=datetime.min.replace(tzinfo=UTC), kw_only=True, compare=False)
    stored: Mapping[str, Any] | None = field(default=None, kw_only=True, compare=False)
    version: int = field(default=FORMAT, kw_only=True, compare=False)

    def __init_subclass__(cls, *, kind: str) -> None:
        """Name the kind, as the API and the database do."""
        cls.KIND = kind

    @property
    def kind(self) -> str:
        """The name of the kind in the API and in the database."""
        return self.KIND

    @property
    def data(self) -> Mapping[str, Any]:
        """The values, as the API and the database have them."""
        if self.stored is not None:
            return self.stored
        values = ((one, getattr(self, one.name)) for one in own_fields(type(self)))
        return {
            one.name: value.value if isinstance(value, Enum) else value
            for one, value in values
            if not (one.metadata.get("left_out") and value == one.default)
        }

    def __repr__(self) -> str:
        """What may be in a log."""
        private = private_fields(type(self))
        shown = [one.name for one in own_fields(type(self)) if one.name not in private]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


COMMON = frozenset(one.name for one in fields(CallEvent))
"""The fields that every event has."""

E = TypeVar("E", bound=CallEvent)


@dataclass(frozen=True, repr=False)
class OtherEvent(CallEvent, kind=""):
    """An event that was read and that this program does not know: written by another version, or with other values.

    Parameters:
        what: The name of its kind.
        values: What goes with it.
    """

    what: str
    values: Annotated[Mapping[str, Any], Privacy.PERSONAL]

    @property
    def kind(self) -> str:
        """The name of the kind in the API and in the database."""
        return self.what

    @property
    def data(self) -> Mapping[str, Any]:
        """The values, as the API and the database have them."""
        return self.values


def own_fields(kind: type[CallEvent]) -> tuple[Field[Any], ...]:
    """The fields of a kind, without those that every event has."""
    return tuple(one for one in fields(kind) if one.name not in COMMON)


def private_fields(kind: type[CallEvent]) -> Mapping[str, Privacy]:
    """Those fields of a kind that must be in no log, by name."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        one.name: mark
        for one in own_fields(kind)
        for mark in getattr(hints[one.name], "__metadata__", ())
        if isinstance(mark, Privacy)
    }


def without_words(event: E) -> E:
    """The same event without what was said in it."""
    private = private_fields(type(event))
    said = {name: getattr(event, name) for name, mark in private.items() if mark is Privacy.SAID}
    instead: dict[str, Any] = {
        name: NOT_RECORDED if isinstance(value, str) else {} for name, value in said.items() if value
    }
    return replace(event, **instead) if instead else event
