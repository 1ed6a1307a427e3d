"""Which function carries out which verb. A new verb is a new module and one line here."""

from __future__ import annotations

from emulator.markup.connect import connect
from emulator.markup.gather import gather, record
from emulator.markup.refer import refer
from emulator.markup.running import Handler
from emulator.markup.second_leg import dial

VERBS: dict[str, Handler] = {
    "Connect": connect,
    "Dial": dial,
    "Gather": gather,
    "Record": record,
    "Refer": refer,
}
"""Besides `Hangup`, `Redirect` and `Reject` (`emulator.markup.running`), and `Say`, `Pause` and `Play`
(`emulator.markup.line_verbs`)."""
