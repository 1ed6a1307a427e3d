"""Phone companies: what they do differently, behind one protocol.

Each has a folder in here with a `descriptor`, whose `CARRIER` is what the rest of the product knows of it. The SDKs of
carriers take long to import, so each is loaded with the first call that needs it.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carriers.carrier import Carrier
    from carriers.descriptor import CarrierDescriptor

__all__ = [
    "carrier_for",
    "credential_notes",
    "credential_problems",
    "descriptor_of",
    "descriptors",
    "known_carriers",
    "register",
]

_registered: dict[str, CarrierDescriptor[Any]] = {}


def register(descriptor: CarrierDescriptor[Any]) -> None:
    """Add a carrier whose folder is elsewhere. To be done before a service is made or a call answered."""
    _registered[descriptor.name] = descriptor


def descriptors() -> tuple[CarrierDescriptor[Any], ...]:
    """All carriers, by their rank."""
    return tuple(sorted([*_in_folders(), *_registered.values()], key=lambda one: one.rank))


def descriptor_of(name: str) -> CarrierDescriptor[Any]:
    """The carrier of a name.

    Raises:
        KeyError: There is none.
    """
    return {one.name: one for one in descriptors()}[name]


def known_carriers() -> tuple[str, ...]:
    """The names of all carriers, by their rank."""
    return tuple(one.name for one in descriptors())


def carrier_for(name: str, settings: Any, mode: str = "") -> Carrier | None:
    """The carrier of a call, ready to act on it.

    Args:
        name: One of `known_carriers()`.
        settings: Where the credentials are, a `settings.settings_class()`.
        mode: The call's: `carriers.carrier.MARKUP` or `CALL_CONTROL`; for a new call, `dialling_mode`.

    Returns:
        None when there are no credentials for REST, no such carrier, or the carrier has no such mode. The caller
        closes what it got with `aclose()`.
    """
    for one in descriptors():
        if one.name == name and mode in one.modes and one.can_act(settings):
            return one.carrier(settings, mode)
    return None


def credential_problems(settings: Any) -> list[str]:
    """Credentials that cannot work: one line each, with cause and fix."""
    problems = [line for one in descriptors() for line in one.problems(settings)]
    if settings.pipecat_cloud_public_key and not settings.pipecat_cloud_agent:
        problems.append(
            "PIPECAT_CLOUD_PUBLIC_KEY is set, but PIPECAT_CLOUD_AGENT is not: set it to AGENT.ORGANIZATION"
        )
    return problems


def credential_notes(settings: Any) -> list[str]:
    """What works only in part with these credentials: one line each."""
    return [line for one in descriptors() for line in one.notes(settings)]


@cache
def _in_folders() -> tuple[CarrierDescriptor[Any], ...]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    return tuple(import_module(f"{__name__}.{name}.descriptor").CARRIER for name in names)
