"""Where a story meets the phone network: places its calls, and gathers what everybody heard and did.

Everything that a story needs to know of the network's inside is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from emulator.call import Call
from emulator.caller import Manners, ScriptItem
from emulator.colleague import Behaviour, Colleague, same_address
from emulator.network import BOT_NUMBER, CALLER_NUMBER, CallResult, PhoneNetwork
from emulator.stories.evidence import Attempt, Ear
from emulator.stories.happenings import Board, Happening
from emulator.stories.story import CallPart, Person
from emulator.timeline import Entry

_OF_A_COLLEAGUE = "colleague_"


@dataclass
class Played:
    """A call of the story.

    Attributes:
        name: Its caller.
        call: On the network.
        result: None while it lasts.
    """

    name: str
    call: Call
    result: CallResult | None = None


@dataclass
class Stage:
    """The network with a story's people on it.

    Attributes:
        network: Where calls are placed.
        board: Where is told what happens.
        people: Who can be called.
        scripts: What each person does, by name.
    """

    network: PhoneNetwork
    board: Board
    people: Sequence[Person]
    scripts: dict[str, list[ScriptItem]]
    played: list[Played] = field(default_factory=list)

    async def call(
        self, part: CallPart, url: str, script: list[ScriptItem], manners: Manners, status_url: str
    ) -> None:
        """Place a call and stay on it to its end."""

        def placed(call: Call) -> None:
            self.played.append(Played(part.name, call))
            self.board.lines[part.name].append(call.line)
            call.timeline.listeners.append(_Teller(part.name, call, self._name_of, self.board.note).tell)

        result = await self.network.call(
            url,
            script,
            from_number=part.from_number or CALLER_NUMBER,
            to_number=part.to_number or BOT_NUMBER,
            codec=part.codec,
            status_callback=status_url,
            noise_db=part.noise_db,
            manners=manners,
            colleagues=self._colleagues(),
            on_call=placed,
        )
        next(one for one in self.played if one.name == part.name).result = result

    def happenings(self) -> list[Happening]:
        """What happened on all calls, at the times that are known in the end."""
        gathered: list[Happening] = []
        for one in self.played:
            teller = _Teller(one.name, one.call, self._name_of, gathered.append)
            for entry in one.call.timeline.entries:
                teller.tell(entry)
        return gathered

    def ears(self) -> list[Ear]:
        """What everybody heard."""
        found: list[Ear] = []
        for one in self.played:
            if one.result is None:
                continue
            zero = one.call.timeline.zero
            found.append(Ear(one.name, one.name, zero, one.result.heard))
            found += [
                Ear(self._name_of(record.number), one.name, zero + record.answered_ms / 1000, record.heard)
                for record in one.result.colleagues
                if record.answered_ms is not None
            ]
        return found

    def attempts(self) -> list[Attempt]:
        """Whom the bot tried to reach."""
        return [
            Attempt(self._name_of(record.number), one.name, str(record.outcome))
            for one in self.played
            for record in one.call.colleagues
        ]

    def problems(self) -> list[tuple[str, str]]:
        """What did not go as it should, by call."""
        return [(one.name, text) for one in self.played if one.result for text in one.result.report.errors]

    def _name_of(self, number: str) -> str:
        return next((one.name for one in self.people if same_address(one.number, number)), number)

    def _colleagues(self) -> list[Colleague]:
        return [
            Colleague(one.number, one.after_secs, cast(Behaviour, one.does), self.scripts[one.name])
            for one in self.people
        ]


class _Teller:
    """Tells the entries of one call's timeline in the story's words: who says, presses and answers."""

    def __init__(
        self, name: str, call: Call, name_of: Callable[[str], str], note: Callable[[Happening], None]
    ) -> None:
        self._name = name
        self._call = call
        self._name_of = name_of
        self._note = note
        self._saying: dict[str, str] = {}
        self._colleague: str | None = None

    def tell(self, entry: Entry) -> None:
        who: str | None = self._name
        if entry.kind.startswith(_OF_A_COLLEAGUE):
            if call_id := entry.data.get("call_id"):
                numbers = [one.number for one in self._call.colleagues if one.call_id == call_id]
                self._colleague = self._name_of(numbers[0]) if numbers else None
            who = self._colleague
        self._put(entry, entry.kind, who, entry.text, entry.data)
        what = entry.kind.removeprefix(_OF_A_COLLEAGUE).removeprefix("caller_")
        if what == "speech" and entry.kind != "bot_speech" and who is not None:
            if entry.data.get("edge") == "start":
                self._saying[who] = entry.text
            else:
                self._put(entry, "says", who, self._saying.pop(who, ""), {})
        elif what == "digits":
            self._put(entry, "presses", who, entry.text, entry.data)

    def _put(self, entry: Entry, kind: str, who: str | None, text: str, data: dict[str, Any]) -> None:
        at = self._call.timeline.zero + entry.at_ms / 1000
        self._note(Happening(at, kind, who, text, data, self._name))
