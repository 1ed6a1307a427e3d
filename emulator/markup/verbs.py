"""Which function carries out which verb. A new verb is a new module and one line here."""

from __future__ import annotations

from functools import partial

from emulator.legs.call import Handler
from emulator.markup.connect import connect
from emulator.markup.gather import gather
from emulator.markup.record import record
from emulator.markup.refer import refer
from emulator.markup.second_leg import dial


def handlers() -> dict[str, Handler]:
    """What carries out the verbs of one network, which has conferences of its own.

    Besides these there are `Hangup`, `Redirect` and `Reject` (`emulator.markup.interpreter`), and `Say`, `Pause` and
    `Play` (`emulator.legs.line_verbs`).
    """
    return {
        "Connect": connect,
        "Dial": partial(dial, {}),
        "Gather": gather,
        "Record": record,
        "Refer": refer,
    }
