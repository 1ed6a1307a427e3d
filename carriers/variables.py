"""The variables of one carrier, as a part of the settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel


class CarrierVariables(BaseModel):
    """What the operator configures of one carrier; `settings.settings_class` adds it to all other settings.

    A field is named like its variable, in lower case, and begins with the carrier's name. Each has a default and is
    documented in `.env.example`. A validator has the carrier's name in its own, as one that is called like another
    setting's would take its place.

    Parameters:
        KEYS: Fields that the carrier's console has made: letters, digits and signs without a blank.
        ADDRESSES: Fields that are the address of a service that we ask.
        IN_A_CALL: Fields that a bot reads in a call: they go with it to a host that has no server of ours.
        ON_A_SERVER: Fields that only a server of ours reads.
    """

    KEYS: ClassVar[frozenset[str]] = frozenset()
    ADDRESSES: ClassVar[frozenset[str]] = frozenset()
    IN_A_CALL: ClassVar[frozenset[str]] = frozenset()
    ON_A_SERVER: ClassVar[frozenset[str]] = frozenset()
