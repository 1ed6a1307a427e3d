"""Whether words are a farewell: after one nothing more is said, and it is said once.

Words of a farewell are in other sentences, too: "I'll take care of that", "Do you have a good day for it?". So they
count only where a farewell has them, at the beginning or the end of one of the last sentences, and never in a question.
"""

from __future__ import annotations

import re

_SOON = r"(?:soon|later|then|there|again|around|tomorrow|tonight|next \w+|on \w+|at \w+|in \w+ \w+)"
_NICE = (
    r"(?:nice|good|great|lovely|wonderful|pleasant|beautiful|fantastic|safe|restful|relaxing|happy|fine|excellent|"
    r"blessed|super|amazing|enjoyable|terrific)"
)
_ENGLISH = re.compile(
    # "Goodbye, Anna." and "Thank you for calling, bye now", but not "the goodbye party"
    r"^(?:(?:okay|ok|alright|all right|well|so|then|and|thanks|thank you)[ ,]+)*(?:good[ -]?bye|bye|farewell)\b"
    r"(?! (?:part(?:y|ies)|gifts?|cards?|letters?|the way)\b)|"
    r"(?<!\ba )(?<!\bthe )(?<!\bsay )(?<!\bour )\b(?:good[ -]?bye|bye|farewell)(?:[ ,]+\w+){0,2}$|"
    rf"^(?!(?:i|we|they|he|she|do|did|does|can|if) ).*?\bhave an? (?:(?:very|really) )?{_NICE} "
    r"(?:rest of (?:the|your) )?(?:day|evening|afternoon|morning|night|weekend|week|one|time|trip|holidays?)\b|"
    rf"\bhope you have an? {_NICE} \w+|"
    r"^(?:(?:and|so|please|thanks|thank you|you)[ ,]+)*take care\b(?! of\b)|[ ,]take care$|"
    rf"\b(?:talk|speak) (?:to|with) you {_SOON}\b|"
    r"^(?:(?:and|so|then|great|perfect|good|okay|ok|thanks|thank you|until then|i will|we will|i'll|we'll)[ ,]+)*"
    rf"see you(?: {_SOON})*[^?]{{0,20}}$",
    re.IGNORECASE,
)
_OTHER_LANGUAGES = re.compile(
    r"\b(?:auf wieder(?:hören|sehen|schauen)|tschüss?|au revoir|bonne (?:journée|soirée)|adiós|hasta (?:luego|pronto)|"
    r"arrivederci|buona giornata|tchau|até (?:logo|breve)|adeus|tot ziens|hej ?då|ha det|farvel|do widzenia|"
    r"до свидания|до побачення|hoşça ?kalın?|güle güle)\b|再见|再見|さようなら|失礼いたします|안녕히",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?。！？])\s+")
_EDGES = " \t\n.!,;:…\"'”’)"

_LAST_SENTENCES = 2
_SAME_SHARE = 0.6


def is_farewell(text: str, farewell: str = "") -> bool:
    """Whether words end in a farewell.

    Args:
        text: The words.
        farewell: A farewell in the language of the call: words that are mostly the same are one, too.
    """
    last = _SENTENCES.split(text.strip())[-_LAST_SENTENCES:]
    if any(map(_is_one, last)):
        return not last[-1].endswith(("?", "？"))
    wanted, said = _words(farewell), _words(" ".join(last))
    return bool(wanted) and len(wanted & said) / len(wanted) >= _SAME_SHARE


def _is_one(sentence: str) -> bool:
    sentence = sentence.strip(_EDGES).replace("’", "'")
    return bool(_ENGLISH.search(sentence) or _OTHER_LANGUAGES.search(sentence))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
