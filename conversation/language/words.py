"""Sentences as bare words, which is what rules are matched against."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Reduce a sentence to lower-case words: "That's it, thanks!" is "thats it thanks"."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "").replace("’", "")))
