"""Which function carries out which verb. A new verb is a new module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from emulator.call import Call
from emulator.connect import connect
from emulator.documents import Start
from emulator.gather import gather, record
from emulator.markup import Document, Verb
from emulator.refer import refer
from emulator.second_leg import dial

Handler = Callable[[Call, Verb, Document], Coroutine[Any, Any, Start | None]]
"""Carries out a verb; returns the next document, or None for the next verb."""

VERBS: dict[str, Handler] = {
    "Connect": connect,
    "Dial": dial,
    "Gather": gather,
    "Record": record,
    "Refer": refer,
}
"""Besides `Hangup`, `Redirect` and `Reject` (`emulator.documents`), and `Say`, `Pause` and `Play`
(`emulator.line_verbs`)."""
