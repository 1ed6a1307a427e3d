"""What can be wrong with talks before one is played."""

from __future__ import annotations

from emulator import EmulatorError


class TalksError(EmulatorError):
    """Talks cannot be read or played; the message says why and how to mend it."""


class NotMade(TalksError):
    """A line has no speech yet."""
