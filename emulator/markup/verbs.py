"""Which function carries out which verb. A new verb is a new module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from emulator.legs.call import Call
from emulator.markup.connect import connect
from emulator.markup.gather import gather, record
from emulator.markup.parsing import Document, Verb
from emulator.markup.refer import refer
from emulator.markup.running import Start
from emulator.markup.second_leg import dial

Handler = Callable[[Call, Verb, Document], Coroutine[Any, Any, Start | None]]
"""Carries out a verb; returns the next document, or None for the next verb."""

VERBS: dict[str, Handler] = {
    "Connect": connect,
    "Dial": dial,
    "Gather": gather,
    "Record": record,
    "Refer": refer,
}
"""Besides `Hangup`, `Redirect` and `Reject` (`emulator.markup.running`), and `Say`, `Pause` and `Play`
(`emulator.markup.line_verbs`)."""
