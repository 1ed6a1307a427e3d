"""Questions without what callers say on the way to them: false starts, and the search for a word."""

from __future__ import annotations

import re

from conversation.language.words import plain

_STARTS_AGAIN = re.compile(
    r"^.*\b(?:(?:let me|can i|i(?:['’]d| would| will|['’]ll)?(?: have| want| like)? to) (?:just )?"
    r"(?:start|begin|try|put|say|ask|\w+ed) (?:it |that |this )?(?:again|over|afresh|differently|another way)"
    r"(?: again)?|"
    r"let me rephrase(?: it| that| this)?|scratch that|start(?:ing)? over|"
    r"what i (?:really )?(?:want(?:ed)?|mean|meant) to (?:ask|know|say) (?:is|was))\b",
    re.IGNORECASE | re.DOTALL,
)
"""Words behind which somebody begins anew; what was before them was a false start, however it was written."""

_SEARCHES = re.compile(
    r"[\s,.?!…-]*\b(?:what(?:['’]?s| is| was) (?:it|that|this) called(?: again)?|"
    r"what(?:['’]?s| is| was) the (?:word|name for it)(?: again)?|what do you call (?:it|that|them)|"
    r"how do you (?:say|call) (?:it|that)|(?:um+|uh+|er+m?|hm+))(?=\W|$)[\s,.?!…-]*",
    re.IGNORECASE,
)
"""What is said while a word is looked for, with the marks that a recogniser writes at the pauses around it."""

_UNSURE = re.compile(
    r"\b(an?|the|some|any)\s\w+[,.?!…-]+\s*(?=(?:what(?:['’]?s| is) (?:it|that) called|what do you call|"
    r"how do you (?:say|call))\b)",
    re.IGNORECASE,
)
"""A word that is said before the right one was found, or an "um" that is written "arm"."""

_OPEN = re.compile(
    r"\b(?:an?|the|some|any|your|my|for|of|with|to|about|is|are|and|do|does|have)$", re.IGNORECASE
)
"""Words that something must follow."""

_ARTICLE = re.compile(r"^(?:an?|the|some|any|your|my|i(?:['’]ll)?)\s+", re.IGNORECASE)
"""An article that is said once more; "a" before a word is also written "I'll"."""

_WORDS_LEFT = 2
"""So many words must be left behind a false start."""


def tidied(text: str) -> str:
    """Leave out a false start, and what somebody says who looks for a word.

    Args:
        text: "Could you, sorry, let me start again. How much is a, um, what's it called, a filling?"

    Returns:
        "How much is a filling?"; the text itself where nothing would be left.
    """
    rest = _STARTS_AGAIN.sub("", text).lstrip(" ,.:;!?-")
    if len(plain(rest).split()) < _WORDS_LEFT:
        rest = text
    rest = _UNSURE.sub(r"\1 ", rest)
    at = 0
    while (found := _SEARCHES.search(rest, at)) is not None:
        before, behind = rest[: found.start()], rest[found.end() :]
        if _OPEN.search(before) and plain(behind):
            behind = _ARTICLE.sub("", behind) if _ARTICLE.match(f"{before.split()[-1]} ") else behind
            rest = f"{before} {behind[:1].lower()}{behind[1:]}"
        else:
            mark = re.search(r"[,.?!]", found[0]) if before else None
            rest = f"{before}{mark[0] if mark else ''} {behind}".strip()
        at = len(before)
    return rest if plain(rest) else text
