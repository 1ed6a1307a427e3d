"""How people whose first language is another say the sounds of English.

Kokoro's speakers of other languages bring their voice and their melody; the sounds are those with which such speakers
are known to have trouble (Swan and Smith, Learner English, second edition). Each rule is a replacement in IPA, applied
in order; a milder accent than some have, so that people understand each of these speakers at once.
"""

from __future__ import annotations

from collections.abc import Mapping

TH_STOPPED = (("θ", "t"), ("ð", "d"))
TH_HISSED = (("θ", "s"), ("ð", "z"))

RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    # Spanish: short vowels are long, s is never voiced, v is b
    "e": (*TH_STOPPED, ("ɪ", "i"), ("z", "s"), ("v", "b"), ("ʌ", "a"), ("æ", "a")),
    # French: no th, r in the throat, i for the short i
    "f": (*TH_HISSED, ("ɪ", "i"), ("ɹ", "ʁ"), ("ʊ", "u")),
    # Hindi: th are stops, w and v are one sound, t and d behind the teeth's ridge
    "h": (*TH_STOPPED, ("w", "ʋ"), ("v", "ʋ"), ("ɹ", "ɾ")),
    # Italian
    "i": (*TH_STOPPED, ("ɪ", "i"), ("æ", "ɛ"), ("ʌ", "a")),
    # Portuguese
    "p": (*TH_STOPPED, ("ɪ", "i"), ("æ", "ɛ")),
    # Japanese: l and r are one tap
    "j": (*TH_HISSED, ("ɹ", "ɾ"), ("ʌ", "a"), ("æ", "a")),
    # Chinese
    "z": (*TH_HISSED, ("ɪ", "i"), ("v", "w")),
}
"""By the letter that names the speaker's language in Kokoro; English has none."""


def spoken(language: str, sounds: str) -> str:
    """The sounds of English as a speaker of this language says them."""
    for english, own in RULES.get(language, ()):
        sounds = sounds.replace(english, own)
    return sounds
