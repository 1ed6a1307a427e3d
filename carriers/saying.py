"""How a carrier's own voice is told which language it speaks, in `<Say>`.

Twilio's default voice is told the language; it and Telnyx know Amazon Polly's voices as well, each of one language, and
by the same names. Telnyx's default voice speaks English only. Sources: Twilio docs, voice/twiml/say and its page
text-speech; Telnyx docs, TeXML verb Say; Amazon Polly docs, available voices (the standard ones).
"""

from __future__ import annotations

VOICES = {
    "de-DE": "Polly.Marlene",
    "en-GB": "Polly.Amy",
    "es-ES": "Polly.Lucia",
    "es-MX": "Polly.Mia",
    "es-US": "Polly.Lupe",
    "fr-CA": "Polly.Chantal",
    "fr-FR": "Polly.Celine",
    "hi-IN": "Polly.Aditi",
    "it-IT": "Polly.Carla",
    "nl-NL": "Polly.Lotte",
    "pl-PL": "Polly.Ewa",
    "pt-BR": "Polly.Camila",
    "pt-PT": "Polly.Ines",
}
"""A voice for each language with a region."""

REGIONS = {
    "de": "de-DE",
    "es": "es-US",
    "fr": "fr-FR",
    "hi": "hi-IN",
    "it": "it-IT",
    "nl": "nl-NL",
    "pl": "pl-PL",
    "pt": "pt-BR",
}
"""The region of a language that has none, or one that no voice is known for."""


def voice_of(language: str | None) -> dict[str, str]:
    """The attributes of a `<Say>` in a language; none for English, which the default voice speaks, and for others.

    Args:
        language: As in BCP 47.
    """
    parts = (language or "").replace("_", "-").split("-")
    tag = f"{parts[0].lower()}-{parts[-1].upper()}" if len(parts) > 1 else ""
    tag = tag if tag in VOICES else REGIONS.get(parts[0].lower(), "")
    return {"voice": VOICES[tag], "language": tag} if tag else {}
