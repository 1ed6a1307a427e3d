"""The wire formats that there are: one for each module in here that has a `WIRE_FORMAT`.

A wire format is what a carrier says first on a media socket, and the serializer that speaks the rest.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from serializers.start import StreamStart

if TYPE_CHECKING:
    from serializers.base import MediaStreamSerializer, SerializerOptions


class WireFormat(ABC):
    """A carrier's media streams.

    Parameters:
        name: The carrier's name, as everywhere else.
        title: The carrier's name as people write it.
        rank: When several formats claim the first messages, the one with the lowest rank gets them.
        call_key: The key of the call's id in the carrier's first messages, for errors.
    """

    name: str
    title: str
    rank: int
    call_key: str

    @abstractmethod
    def event_of(self, message: Mapping[str, Any]) -> Literal["connected", "start"] | None:
        """What one of the first messages is in this format; None for anything else.

        Args:
            message: The decoded message. `connected` comes before `start`, after which the media begin.
        """

    @abstractmethod
    def claims(self, message: Mapping[str, Any]) -> bool:
        """Whether a `start` is this carrier's.

        Args:
            message: The decoded message; some format has taken it for a `start`.
        """

    @abstractmethod
    def parse_start(
        self, message: Mapping[str, Any], *, query: Mapping[str, str], passed: Mapping[str, Any]
    ) -> StreamStart:
        """Understand this carrier's `start`.

        Args:
            message: The decoded message, which this format claims.
            query: The connection's query parameters.
            passed: What has travelled with the call beside the message; the message's own parameters win.

        Raises:
            HandshakeError: Its ids are impossible.
        """

    @abstractmethod
    def serializer(self, start: StreamStart, options: SerializerOptions) -> MediaStreamSerializer:
        """The Pipecat serializer of one stream.

        Args:
            start: What `parse_start` returned.
            options: Choices of encoding; only a carrier that leaves one looks at them.

        Raises:
            UnsupportedEncoding: The stream's encoding cannot be used.
        """


_registered: dict[str, WireFormat] = {}


def register_wire_format(wire_format: WireFormat) -> None:
    """Add a wire format whose module is elsewhere. To be done before the first media socket is read."""
    _registered[wire_format.name] = wire_format


def wire_formats() -> tuple[WireFormat, ...]:
    """All wire formats, by their rank."""
    return tuple(sorted([*_in_modules(), *_registered.values()], key=lambda one: one.rank))


@cache
def _in_modules() -> tuple[WireFormat, ...]:
    here = str(Path(__file__).parent)
    modules = [import_module(f"serializers.{one.name}") for one in pkgutil.iter_modules([here])]
    return tuple(module.WIRE_FORMAT for module in modules if hasattr(module, "WIRE_FORMAT"))
