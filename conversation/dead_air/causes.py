"""Why the caller hears nothing, and what a silence has led to so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Stage(IntEnum):
    """What a silence has led to so far."""

    NONE = 0
    FILLER = 1
    WAY_ON = 2
    FALLBACK = 3


class Cause(StrEnum):
    """Why nothing is heard, as the events of a call name it."""

    MODEL_SILENT = "model_silent"
    """The model's reply had no words and no usable tool call in it."""
    MODEL_STALLED = "model_stalled"
    """The model was asked and gives no words."""
    MODEL_FAILED = "model_failed"
    VOICE_SILENT = "voice_silent"
    """The voice was given words and gives no sound."""
    VOICE_FAILED = "voice_failed"
    RECOGNISER_SILENT = "recogniser_silent"
    """The caller speaks, and no words come of it."""
    RECOGNISER_FAILED = "recogniser_failed"
    TOOL_SLOW = "tool_slow"
    UNKNOWN = "unknown"

    @property
    def is_voice(self) -> bool:
        """Whether the bot's voice is at fault, so that words of ours may not be heard."""
        return self in (Cause.VOICE_SILENT, Cause.VOICE_FAILED)

    @property
    def is_recogniser(self) -> bool:
        """Whether the recogniser is at fault, so that the caller would speak in vain."""
        return self in (Cause.RECOGNISER_SILENT, Cause.RECOGNISER_FAILED)


@dataclass(frozen=True)
class Firing:
    """Something must be heard now."""

    stage: Stage
    cause: Cause
    silent_secs: float
