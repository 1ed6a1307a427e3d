"""The carriers: what differs between them is in a folder for each, and nothing else of the emulator names one."""

from __future__ import annotations

from emulator.carriers.carrier import Carrier
from emulator.carriers.telnyx.carrier import TELNYX
from emulator.carriers.twilio.carrier import TWILIO

CARRIERS: dict[str, Carrier] = {one.name: one for one in (TWILIO, TELNYX)}
"""Every carrier by its name. A new one is a folder and a name in this line."""

DEFAULT = TWILIO.name
"""Which one is meant where none is named."""

COMMANDED = [one for one in CARRIERS.values() if one.takes_commands]
"""Those whose numbers can belong to an application that takes events and sends commands."""

WORD_SETS = tuple(name for one in CARRIERS.values() for name in one.word_sets)
"""The names of all sets of words for who has answered, see `Carrier.word_sets`."""
