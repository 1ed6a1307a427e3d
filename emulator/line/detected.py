"""What answering machine detection finds, and the words of documents for it.

Sources: Twilio docs, voice/answering-machine-detection; Telnyx docs, TeXML callback "call amd" and the guide "TeXML
answering machine", which have different words; Telnyx docs, "Answering machine detection", and telnyx SDK 4.189,
`types/call_machine_*.py`, for Call Control. No documentation says how often a result is wrong, late or missing; that
they are is reported by those who use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FINDS = ("human", "machine", "fax", "not_sure", "silence", "nothing")
"""What may be found. `nothing`: no result ever comes."""

Words = Mapping[str, str]

EVERY_WORD: Words = {
    "human": "human",
    "machine": "machine_start",
    "machine_end_beep": "machine_end_beep",
    "machine_end_silence": "machine_end_silence",
    "machine_end_other": "machine_end_other",
    "fax": "fax",
    "not_sure": "unknown",
    "silence": "unknown",
}
"""Twilio's words, and those of the reference of TeXML's callbacks."""


@dataclass(frozen=True)
class Detected:
    """What answering machine detection makes of a callee.

    Attributes:
        finds: One of `FINDS`, rightly or not; None for the truth.
        word: The word that the carrier sends, for one that its interface does not have; None for the interface's own.
        after_secs: The result comes so long after the answer, whatever is heard, also when the call is over by then;
            None for as soon as it is known.
    """

    finds: str | None = None
    word: str | None = None
    after_secs: float | None = None

    def told_as(self, found: str, words: Words) -> str:
        """The word for what was found."""
        return self.word or words[found]


THE_TRUTH = Detected()
"""For a callee who is taken for what they are."""
