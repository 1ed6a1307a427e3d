"""The callers' speech: many voices of packages, made once, kept outside the project, and the same everywhere.

    from talks.voices import VOICES, make, speech

    make([("kokoro/bf_emma", "What are your opening hours?")])
    samples = speech("kokoro/bf_emma", "What are your opening hours?")  # int16, 8 kHz, one channel

Nothing of this is a part of the product: the packages are those of the extra `talks`, of npm and of Debian.
"""

from talks.voices.roster import ENGINES, PACKAGES, VOICES, Package, Voice
from talks.voices.sound import LEVEL_DB, RATE, active_level_db
from talks.voices.store import lacking, make, speech

__all__ = [
    "ENGINES",
    "LEVEL_DB",
    "PACKAGES",
    "RATE",
    "VOICES",
    "Package",
    "Voice",
    "active_level_db",
    "lacking",
    "make",
    "speech",
]
