"""Which voice of another vendor is nearest to the one that a caller has heard: same language, as high or as low.

Only voices are here whose vendor says who seems to speak. All others are left to what a service takes by itself, or to
the owner's `[services.voices]`.

Source: Deepgram's "Voices and Languages" (expressed gender); Cartesia's voices as SignalWire's documentation lists them
(their names say it); OpenAI's "Text to speech" (its voices speak every language).
"""

from __future__ import annotations

from typing import Literal

Seems = Literal["feminine", "masculine"]

ANY = ""
"""Of a voice that speaks every language that its service does."""

VOICES: dict[str, dict[str, tuple[str, str]]] = {
    "cartesia": {
        "en": ("71a7ad14-091c-4e8e-a314-022ece01c121", "79f8b5fb-2cc8-479a-80df-29f7a7cf1a3e"),
    },
    "deepgram": {
        "en": ("aura-2-helena-en", "aura-2-apollo-en"),
        "es": ("aura-2-celeste-es", "aura-2-nestor-es"),
        "de": ("aura-2-viktoria-de", "aura-2-julius-de"),
        "fr": ("aura-2-agathe-fr", "aura-2-hector-fr"),
        "it": ("aura-2-livia-it", "aura-2-dionisio-it"),
        "nl": ("aura-2-rhea-nl", "aura-2-sander-nl"),
    },
    "openai": {ANY: ("nova", "onyx")},
}
"""By service and language: a feminine and a masculine voice."""

FEMININE = frozenset({"coral", "nova", "sage", "shimmer", "marin", "aura-2-thalia-en", "aura-2-andromeda-en"})
MASCULINE = frozenset(
    {"ash", "ballad", "cedar", "echo", "onyx", "verse", "aura-2-arcas-en", "aura-2-zeus-en"}
)
"""Further ones that owners choose."""


def seems(voice: str) -> Seems | None:
    """Who seems to speak with a voice; None where that is not known."""
    pairs = [pair for languages in VOICES.values() for pair in languages.values()]
    if voice in FEMININE or any(voice == feminine for feminine, _ in pairs):
        return "feminine"
    if voice in MASCULINE or any(voice == masculine for _, masculine in pairs):
        return "masculine"
    return None


def nearest(service: str, language: str, like: str | None) -> str | None:
    """The voice of a service that is nearest to another.

    Args:
        service: Its name.
        language: Of the conversation, as in BCP 47.
        like: The voice that the caller knows; None where none is named.

    Returns:
        The voice; None where the service's own choice is as good.
    """
    languages = VOICES.get(service, {})
    pair = languages.get(language.split("-")[0].lower()) or languages.get(ANY)
    if pair is None:
        return None
    feminine, masculine = pair
    return masculine if like is not None and seems(like) == "masculine" else feminine
