"""The first clause of an answer, with which a voice can begin while the rest of the sentence is still to come."""

from __future__ import annotations

import re

FIRST_WORDS = 5
"""The first clause has so many words at least: some 1.3 s of speech, in which what follows is made."""

REST_WORDS = 3
"""So many words are known to come behind it: the last one of a list is not said alone."""

_CLAUSE_END = re.compile(r"(?<=[^\W\d][,:])\s+(?=[^\W\d])")
"""Not beside a figure, which may go on ("March 5, 2026"). A semicolon ends a sentence for Pipecat already."""


def first_clause_end(text: str) -> int | None:
    """Where the first clause of a sentence ends that may be incomplete; None if it is not to be cut.

    It is cut behind a comma or a colon only: there voices pause anyway, and let their melody go on.

    Args:
        text: So much of the sentence as is known.
    """
    words = len(text.split())
    for end in _CLAUSE_END.finditer(text):
        first = len(text[: end.start()].split())
        if first >= FIRST_WORDS:
            return end.start() if words - first >= REST_WORDS else None
    return None
