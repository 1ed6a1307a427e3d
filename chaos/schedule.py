"""Which calls are placed, and what goes wrong when: the same from the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

IN, OUT = "in", "out"

KILL, HANG, DRAIN, DEPLOY = "kill -9", "hang", "drain", "deploy"
CUT, SLOW, STALL, REST, WEBHOOKS, DATABASE = "cut", "slow", "stall", "REST", "webhooks", "database"

SHARES = {KILL: 4, CUT: 2, REST: 2, WEBHOOKS: 2, DRAIN: 1, DEPLOY: 1, HANG: 1, SLOW: 1, STALL: 1, DATABASE: 1}
"""How often each kind of trouble is drawn, in proportion."""

LASTS_SECS = {HANG: 5.0, SLOW: 6.0, STALL: 2.5, REST: 6.0, WEBHOOKS: 8.0, DATABASE: 4.0}

CALL_SECS = 32.0
"""About how long a call lasts that nothing happens to."""

FIRST_SECS = 12.0
"""When the first trouble comes, after the first call of a part."""

PAUSE_SECS = (3.0, 5.0)
LONG_PAUSE_SECS = (9.0, 12.0)
"""From the end of a trouble to the next one; the long one after those that end a process, as a parent starts another
one at once only if the last one has lived for ten seconds."""

ENDING = frozenset({KILL, HANG, DRAIN, DEPLOY})

SETUPS = (
    ("twilio", ""),
    ("telnyx", ""),
    ("telnyx", "call_control"),
)
"""Carriers, and how they are told what to do: by documents or by commands."""


@dataclass(frozen=True)
class PlannedCall:
    """A call that is to be placed.

    Parameters:
        number: From 0, among all calls.
        carrier: Its name.
        mode: Empty for documents, or `call_control`.
        direction: `in`, or `out` for one that the bot places.
        begins_secs: When, after the beginning of its part.
    """

    number: int
    carrier: str
    mode: str
    direction: str
    begins_secs: float

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.number}: {self.carrier} {self.mode or 'documents'} {self.direction}"


@dataclass(frozen=True)
class Trouble:
    """Something that is to go wrong.

    Parameters:
        number: From 0, among all troubles.
        kind: What.
        at_secs: When, after the beginning of its part.
        lasts_secs: For how long; 0 for what happens in a moment.
        pick: From 0 to 1: to whom, or which of several ways.
    """

    number: int
    kind: str
    at_secs: float
    lasts_secs: float
    pick: float


@dataclass(frozen=True)
class Part:
    """Calls to one server: how it places calls at Telnyx is a setting, so there are two servers, one after the other.

    Parameters:
        mode: How calls to Telnyx are placed: empty for TeXML, or `call_control`.
        calls: In the order of their beginnings.
        troubles: In the order of their times.
    """

    mode: str
    calls: list[PlannedCall] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def draw(seed: int, calls: int, at_once: int, kinds: Sequence[str]) -> list[Part]:
    """Draw the calls and the troubles.

    Args:
        seed: Decides all of it.
        calls: How many.
        at_once: How many at a time.
        kinds: The kinds of trouble that can be made here, of `SHARES`.
    """
    chance = random.Random(seed)
    parts = [Part(""), Part("call_control")]
    deck: list[str] = []
    trouble = 0
    for index, part in enumerate(parts):
        count = calls // 2 + (calls % 2 if index == 0 else 0)
        first = 0 if index == 0 else calls - calls // 2
        setups = _setups(part.mode, count, chance)
        for place, (carrier, mode, direction) in enumerate(setups):
            begins = place * CALL_SECS / at_once + chance.uniform(0, 0.5)
            part.calls.append(PlannedCall(first + place, carrier, mode, direction, round(begins, 2)))
        at = FIRST_SECS
        last = part.calls[-1].begins_secs + CALL_SECS / 3 if part.calls else 0.0
        while kinds and at < last:
            deck = deck or _deck(kinds, chance)
            kind = deck.pop()
            lasts = LASTS_SECS.get(kind, 0.0)
            part.troubles.append(Trouble(trouble, kind, round(at, 2), lasts, round(chance.random(), 4)))
            trouble += 1
            at += lasts + chance.uniform(*(LONG_PAUSE_SECS if kind in ENDING else PAUSE_SECS))
    return parts


def _setups(mode: str, count: int, chance: random.Random) -> list[tuple[str, str, str]]:
    """Every way in, and the ways out that a server of this mode has."""
    ways = [(*setup, IN) for setup in SETUPS] + [("twilio", "", OUT), ("telnyx", mode, OUT)]
    drawn: list[tuple[str, str, str]] = []
    while len(drawn) < count:
        drawn += chance.sample(ways, len(ways))
    return drawn[:count]


def _deck(kinds: Sequence[str], chance: random.Random) -> list[str]:
    """All kinds in a new order, each as often as its share; a kill is the first one to be drawn."""
    deck = [kind for kind in SHARES if kind in kinds for _ in range(SHARES[kind])]
    chance.shuffle(deck)
    if KILL in deck:
        deck.remove(KILL)
        deck.append(KILL)
    return deck
