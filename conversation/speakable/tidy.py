"""One sentence without marks that are for the eye: emphasis, emoji, stray brackets, entities, calls of functions."""

from __future__ import annotations

import html
import re

from pipecat.utils.text.transforms import strip_markdown

_CALL = re.compile(r"\b(?:functions?\.)?[a-z]+(?:_[a-z0-9]+)+\s*\([^()]*\)")
_EMOJI = re.compile(
    "(?:[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\U0001fb00-\U0001fbff\U00002600-\U000027bf\U00002b00-\U00002bff"
    "\U0000231a-\U0000231b\U00002328\U000023cf-\U000023f3\U000023f8-\U000023fa\U000025aa-\U000025fe\U00002934\U00002935"
    "\U00003030\U0000303d\U00003297\U00003299\U0001f004\U0001f0cf\U0001f170-\U0001f251]"
    "[\U0001f3fb-\U0001f3ff]?[\ufe0e\ufe0f\u200d\u20e3]*)+"
)
_EMOTICON = re.compile(r"(?<![\w:])(?:[:;=8][-'^o]?[)(DPpO3/\\|*]+|[xX]D|<3|\^_+\^|¯\\_\(ツ\)_/¯)(?!\w)")
_INVISIBLE = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\u20e3\ufffc\ufffd\ue000-\uf8ff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CITATION = re.compile(r"【[^】]*】|\[\^?\d{1,3}\]")
_EMPHASIS = re.compile(r"\*{2,}|(?<=[\w.,;:!?\"')])\*(?!\w)|(?<!\w)\*(?=[^\W\d])|~~+")
_UNDERSCORES = re.compile(r"_+")
_ADDRESS = re.compile(r"\S*(?:@|\w/)\S*")
_HEADING = re.compile(r"^\s*#{1,6}\s+(?=\S)")
_FRAMES = re.compile(r"[`\[\]{}|\\^]+")
_EMPTY = re.compile(r"\(\s*\)|\"\s*\"|“\s*”")
_BEFORE_POINT = re.compile(r"\s+(?=[,.;:!?…](?:\s|$))")
_POINTS = re.compile(r"([!?:,;])\.(?=\s|$)")
_FORMULA = re.compile(r"(?<![\w$])\$\$?(?=[^\d\s$])([^$\n]{1,200})(?<=\S)\$\$?(?![\w$])")
_TEX = (
    (re.compile(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\(?:text|mathrm|mathbf|boxed)(?=\{)"), ""),
    (re.compile(r"\\n(?=[^a-z]|$)"), " "),  # a line's end that was escaped twice
    (re.compile(r"(?<=\w)\^\{?2\}?(?!\w)"), "²"),
)
_LETTERS = re.compile(r"[^\W_]|[#*&@%$€£+]")


async def tidy(text: str, text_type: str = "*") -> str:
    """Take out of a sentence what is only for the eye.

    Args:
        text: A sentence, or a piece of one.
        text_type: Pipecat's type of the text; it makes no difference.

    Returns:
        Plain text; nothing when there was nothing to say in it.
    """
    text = html.unescape(text) if "&" in text else text
    text = _CONTROL.sub(" ", _INVISIBLE.sub("", _EMOJI.sub(" ", text)))
    for pattern, plain in _TEX if "\\" in text or "^" in text else ():
        text = pattern.sub(plain, text)
    text = _FORMULA.sub(r"\1", text)
    text = _CITATION.sub("", _CALL.sub(" ", _EMOTICON.sub(" ", text)))
    text = await strip_markdown(text, text_type)
    # The end of a sentence may stand between the two halves of a mark.
    text = _EMPHASIS.sub("", _HEADING.sub("", text))
    text = " ".join(
        word if _ADDRESS.fullmatch(word) else _UNDERSCORES.sub(" ", word) for word in text.split()
    )
    text = _EMPTY.sub("", _FRAMES.sub(" ", text))
    text = _POINTS.sub(r"\1", _BEFORE_POINT.sub("", " ".join(text.split()))).strip()
    return text if _LETTERS.search(text) else ""
