"""Where a story meets the phone network: places its calls, and gathers what its people heard and did.

Everything that a story needs to know of the network's inside is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from emulator.legs.call import Call
from emulator.legs.leg import BY_DIAL, INBOUND
from emulator.line.caller import Manners, ScriptItem
from emulator.line.codecs import Pcm
from emulator.line.colleague import Behaviour, Colleague, same_address
from emulator.line.seams import Seam
from emulator.network import BOT_NUMBER, CALLER_NUMBER, PhoneNetwork
from emulator.report import Report, make_report
from emulator.stories.happenings import CONNECTED, Board, Happening
from emulator.stories.judging.evidence import Attempt, Ear
from emulator.stories.story import CallPart, Person
from emulator.timeline import Entry

COPIES = "colleague_"
"""How kinds of entries begin that the first leg's timeline only copies from the second leg's."""


@dataclass
class Played:
    """A leg of the story.

    Attributes:
        who: Who is at its phone.
        call: On the network.
        name: The call of the story that it belongs to: that of its caller; its own person's where the server placed it.
    """

    who: str
    call: Call
    name: str

    @property
    def by_caller(self) -> bool:
        """Whether a caller of the story placed it."""
        return self.call.leg.direction == INBOUND


@dataclass
class Stage:
    """The network with a story's people on it.

    Attributes:
        network: Where calls are placed.
        board: Takes what happens.
        people: Who can be called.
        scripts: What each person does, by name.
    """

    network: PhoneNetwork
    board: Board
    people: Sequence[Person]
    scripts: dict[str, list[ScriptItem]]
    played: list[Played] = field(default_factory=list)
    reports: dict[str, Report] = field(default_factory=dict)

    def open(self) -> None:
        """Let the story's people be reached, and follow every leg."""
        for one in self.people:
            behaviour = cast(Behaviour, one.does)
            script = self.scripts[one.name]
            self.network.add_person(
                Colleague(one.number, one.after_secs, behaviour, script, detected=one.detected)
            )
        self.network.exchange.on_new_call.append(self._leg)

    async def call(
        self,
        part: CallPart,
        url: str,
        script: list[ScriptItem],
        manners: Manners,
        status_url: str | None,
        mode: str,
    ) -> None:
        """Place a call and stay on it to its end."""
        result = await self.network.call(
            url,
            script,
            from_number=part.from_number or CALLER_NUMBER,
            to_number=part.to_number or BOT_NUMBER,
            codec=part.codec,
            status_callback=status_url,
            noise_db=part.noise_db,
            manners=manners,
            mode=mode,
            on_call=lambda call: self._follow(Played(part.name, call, part.name)),
        )
        self.reports[part.name] = result.report

    async def until_over(self) -> None:
        """Wait until no leg is left, and note how the calls went that the server placed."""
        await self.network.exchange.until_quiet()
        for one in self.played:
            if not one.by_caller and one.call.leg.direction != BY_DIAL:
                self.reports[one.name] = await asyncio.to_thread(make_report, one.call)

    def happenings(self) -> list[Happening]:
        """What happened on all legs, at the times that are known in the end."""
        gathered: list[Happening] = []
        for one in self.played:
            teller = _Teller(one, gathered.append)
            for entry in one.call.timeline.entries:
                teller.tell(entry)
            gathered += [
                Happening(
                    one.call.timeline.zero + start_ms / 1000,
                    CONNECTED,
                    one.who,
                    f"{one.who} can talk to a person",
                    call=one.name,
                    second=not one.by_caller,
                )
                for start_ms, _ in one.call.line.people
            ]
        return gathered

    def ears(self) -> list[Ear]:
        """What each person heard on each leg."""
        return [
            Ear(one.who, one.name, one.call.timeline.zero, self.heard(one))
            for one in self.played
            if one.call.leg.answered_at is not None
        ]

    def seams(self) -> list[tuple[str, Seam]]:
        """Where streams began, followed one another and ended, by the person at the phone."""
        return [(one.who, seam) for one in self.played for seam in one.call.line.seams.found]

    def attempts(self) -> list[Attempt]:
        """Whom the bot tried to reach."""
        return [
            Attempt(one.who, one.name, str(one.call.leg.ending)) for one in self.played if not one.by_caller
        ]

    def problems(self) -> list[tuple[str, str]]:
        """What did not go as it should, by call; what a second leg of a `<Dial>` fails with is its caller's."""
        found = [
            (one.name, text)
            for one in self.played
            if one.call.leg.direction != BY_DIAL
            for text in (self.reports[one.name].errors if one.name in self.reports else one.call.errors)
        ]
        return list(dict.fromkeys(found))

    @staticmethod
    def heard(one: Played) -> Pcm:
        """What was heard on a leg, 8 kHz samples."""
        return np.concatenate([np.zeros(0, dtype=np.int16), *one.call.line.heard])

    @staticmethod
    def said(one: Played) -> Pcm:
        """What was said on a leg, 8 kHz samples."""
        return np.concatenate([np.zeros(0, dtype=np.int16), *one.call.line.said])

    def _leg(self, call: Call) -> None:
        """Follow a new outgoing leg of the network, to a person of the story or to another number."""
        if call.leg.direction == INBOUND:
            return
        number = call.leg.to_number
        who = next((one.name for one in self.people if same_address(one.number, number)), number)
        parent = next((one for one in self.played if one.call.leg.call_id == call.leg.parent_id), None)
        self._follow(Played(who, call, who if parent is None else parent.name))

    def _follow(self, one: Played) -> None:
        self.played.append(one)
        self.board.lines[one.who].append(one.call.line)
        one.call.timeline.listeners.append(_Teller(one, self.board.note).tell)


class _Teller:
    """Tells the entries of one leg's timeline in the story's words: who says, presses, answers and hangs up."""

    def __init__(self, played: Played, note: Callable[[Happening], None]) -> None:
        self._played = played
        self._note = note
        self._saying = ""

    def tell(self, entry: Entry) -> None:
        if entry.kind.startswith(COPIES):
            return
        self._put(entry, entry.kind, entry.text, entry.data)
        kind = entry.kind
        if kind == "caller_speech" and entry.data.get("edge") == "start":
            self._saying = entry.text
        elif kind == "caller_speech":
            self._put(entry, "says", self._saying, {})
        elif kind == "digits":
            self._put(entry, "presses", entry.text, entry.data)
        elif kind == "hang_up":
            self._end(entry)

    def _end(self, entry: Entry) -> None:
        answered = self._played.call.leg.answered_at is not None
        if answered and entry.data.get("by") == "caller":
            self._put(entry, "hangs_up", entry.text, entry.data)
        if not answered and not self._played.by_caller:
            self._put(entry, "not_reached", entry.text, entry.data)

    def _put(self, entry: Entry, kind: str, text: str, data: dict[str, Any]) -> None:
        one = self._played
        at = one.call.timeline.zero + entry.at_ms / 1000
        self._note(Happening(at, kind, one.who, text, data, one.name, second=not one.by_caller))
