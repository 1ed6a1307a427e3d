"""Telnyx's words for what answering machine detection finds: TeXML's and Call Control's.

Sources: Telnyx docs, TeXML callback "call amd" and the guide "TeXML answering machine", which have different words;
"Answering machine detection", and telnyx SDK 4.189, `types/call_machine_*.py`, for Call Control.
"""

from __future__ import annotations

from collections.abc import Mapping

from emulator.line.detected import EVERY_WORD, Words

GUIDE: Words = {
    "human": "human",
    "machine": "machine",
    "fax": "fax",
    "not_sure": "unknown",
    "silence": "unknown",
}
"""It has no word for the end of a greeting."""

PREMIUM: Words = {
    "human": "human_residence",
    "machine": "machine",
    "fax": "fax_detected",
    "not_sure": "not_sure",
    "silence": "silence",
}
STANDARD: Words = {
    "human": "human",
    "machine": "machine",
    "fax": "machine",
    "not_sure": "not_sure",
    "silence": "not_sure",
}
"""That a fax is a machine here is not documented."""

TEXML: Mapping[str, Words] = {"guide": GUIDE, "reference": EVERY_WORD}
"""The sets that are documented for TeXML, by the page that has them: the callback reference has Twilio's words."""
