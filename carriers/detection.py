"""The words in which carriers report who, or what, has answered a call that we made.

Each interface has words of its own, and their documentation is the only source: a word that is in none of these tables
is taken for "unknown", and logged the first time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from loguru import logger

from carriers.forms import Form
from carriers.reports import AnsweredBy, MachineResult

Words = Mapping[str, AnsweredBy]

CALLBACK_WORDS: Words = {
    "human": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "machine_start": AnsweredBy.MACHINE,
    "machine_end_beep": AnsweredBy.GREETING_ENDED,
    "machine_end_silence": AnsweredBy.GREETING_ENDED,
    "machine_end_other": AnsweredBy.GREETING_ENDED,
    "fax": AnsweredBy.FAX,
    "unknown": AnsweredBy.UNKNOWN,
}
"""`AnsweredBy` of callbacks as forms. Sources: Twilio docs, voice/answering-machine-detection; twilio SDK, call
resource, which knows only `human` and `machine`; Telnyx docs, callback reference ("texml-call-amd")."""

_PLAIN_WORD = re.compile(r"[A-Za-z_.-]{1,40}")
_MOST_LOGGED = 20

_logged: set[tuple[str, str]] = set()


def who_answered(words: Words, word: object, interface: str) -> AnsweredBy:
    """What a carrier's word means; unknown where it is not documented.

    Args:
        words: Those of the interface.
        word: What the carrier has sent.
        interface: Its name, for the log.
    """
    found = words.get(word.strip().casefold()) if isinstance(word, str) else None
    if found is None:
        _log_once(interface, word)
    return found or AnsweredBy.UNKNOWN


def machine_result(form: Form, words: Words, interface: str) -> MachineResult:
    """Read a callback of machine detection.

    Args:
        form: The callback.
        words: Those of the interface.
        interface: Its name, for the log.

    Raises:
        WebhookError: There is no CallSid or no AnsweredBy.
    """
    return MachineResult(
        call_id=form.required("CallSid"),
        answered_by=who_answered(words, form.required("AnsweredBy"), interface),
    )


def _log_once(interface: str, word: object) -> None:
    # What is no plain word could be anything, a telephone number too.
    told = word if isinstance(word, str) and _PLAIN_WORD.fullmatch(word) else "(no plain word)"
    if (interface, told) in _logged or len(_logged) >= _MOST_LOGGED:
        return
    _logged.add((interface, told))
    logger.warning(
        "{} tells of who has answered in a word that is not documented, {!r}: taken for unknown",
        interface,
        told,
    )
