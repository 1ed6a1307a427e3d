"""What can keep the emulator from placing a call; what goes wrong *in* a call is in the call's report instead.

EmulatorError            one line: what happened and what to do
├── CannotReach          nothing answers at the given URL
├── ModelsMissing        the local voice or ears are not installed
└── ServerDied           the command of `--serve` ended or never became ready
"""

from __future__ import annotations


class EmulatorError(Exception):
    """The call could not be placed. The message is one line with the cause and the fix."""


class CannotReach(EmulatorError):
    """Nothing listens at the URL that was to be called."""


class ModelsMissing(EmulatorError):
    """A package that carries the local voice or the local speech recognition is not installed."""


class ServerDied(EmulatorError):
    """The server that was to be started for the call ended, or did not become ready in time."""
