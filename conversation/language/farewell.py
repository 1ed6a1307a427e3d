"""Whether words are a farewell: after one nothing more is said, and it is said once."""

from __future__ import annotations

import re

_GOODBYES = re.compile(
    r"\b(?:good ?bye|bye|farewell|take care|(?:talk|speak) to you (?:soon|later|then)|see you|"
    r"have an? (?:\w+ )?(?:day|evening|afternoon|morning|night|weekend|one)|"
    r"auf wieder(?:hören|sehen|schauen)|tschüss?|au revoir|bonne (?:journée|soirée)|adiós|hasta (?:luego|pronto)|"
    r"arrivederci|buona giornata|tchau|até (?:logo|breve)|adeus|tot ziens|hej ?då|ha det|farvel|do widzenia|"
    r"до свидания|до побачення|hoşça ?kalın?|güle güle)\b|再见|再見|さようなら|失礼いたします|안녕히",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?。！？])\s+")

_LAST_SENTENCES = 2
_SAME_SHARE = 0.6


def is_farewell(text: str, farewell: str = "") -> bool:
    """Whether words end in a farewell.

    Args:
        text: The words.
        farewell: A farewell in the language of the call: words that are mostly the same are one, too.
    """
    end = " ".join(_SENTENCES.split(text.strip())[-_LAST_SENTENCES:])
    if _GOODBYES.search(end):
        return True
    wanted, said = _words(farewell), _words(end)
    return bool(wanted) and len(wanted & said) / len(wanted) >= _SAME_SHARE


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
