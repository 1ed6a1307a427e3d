"""The speech and language services: which ones a call uses, whether they can be used, and building them."""

from conversation.services.chosen import (
    ServiceChoice,
    beyond_the_brain,
    build_llm,
    build_stt,
    build_tts,
    build_voice,
    check,
    describe,
    lists_of,
    resolve,
)
from conversation.services.in_languages import beyond_the_local_stack, settings_in, spoken_languages
from conversation.services.readiness import kept_lines, speak_ahead, speak_ahead_later
from conversation.services.service import ServiceError

__all__ = [
    "ServiceChoice",
    "ServiceError",
    "beyond_the_brain",
    "beyond_the_local_stack",
    "build_llm",
    "build_stt",
    "build_tts",
    "build_voice",
    "check",
    "describe",
    "kept_lines",
    "lists_of",
    "resolve",
    "settings_in",
    "speak_ahead",
    "speak_ahead_later",
    "spoken_languages",
]
