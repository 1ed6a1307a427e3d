"""What happened in a story, on all its calls and beside them, on one clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.line.line import PhoneLine
from emulator.line.tonespeech import words_of
from emulator.requests import RestRequest
from emulator.stories.ears import Listening
from emulator.stories.story import Moment

REST = "rest "
API = "api "
CONNECTED = "connected"
"""The kind for: a person can talk to another person, and not to the bot."""


@dataclass(frozen=True)
class Happening:
    """One thing that happened.

    Attributes:
        at: Seconds on the network's clock.
        kind: As on a call's timeline; `rest VERB` for a REST request, `api KIND` for an event of the server's API.
        who: The person who did it, or whose call it concerns; None if it was no person's doing.
        text: For people.
        data: Details by name.
        call: The call on whose timeline it is; None for what belongs to none.
        second: Whether it is on a leg that no caller of the story has placed.
    """

    at: float
    kind: str
    who: str | None
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    call: str | None = None
    second: bool = False


def of_request(request: RestRequest) -> Happening:
    """A REST request as something that happened."""
    fault = f" ({request.fault})" if request.fault else ""
    text = f"{request.method} {request.path} -> {request.status or 'no answer'}{fault}"
    return Happening(request.at, f"{REST}{request.verb}", None, text, {"fields": dict(request.fields)})


class Board:
    """What has happened so far, for those who wait for something."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self.happenings: list[Happening] = []
        self.lines: dict[str, list[PhoneLine]] = defaultdict(list)
        """The lines at which each of the story's people is or was."""

    def note(self, happening: Happening) -> None:
        """Something has happened."""
        self.happenings.append(happening)

    def happened(self, moment: Moment) -> bool:
        """Whether a moment (of another kind than `hears`) has come."""
        if moment.kind == "event" and moment.text == CONNECTED:
            lines = self.lines[moment.who] if moment.who is not None else []
            return any(line.people or line.other_end.is_person for line in lines)
        return bool(times_of(moment, self.happenings))

    def heard_by(self, who: str | None, listening: Listening) -> bool:
        """Whether a person has heard a text on the line at which they are now."""
        lines = self.lines[who] if who is not None else []
        return bool(lines) and listening.heard(lines[-1])


def times_of(moment: Moment, happenings: Iterable[Happening]) -> list[float]:
    """When a moment came, of another kind than `hears`, in the order of the times."""
    return [one.at for one in found(moment, happenings)]


def found(moment: Moment, happenings: Iterable[Happening]) -> list[Happening]:
    """The happenings that are a moment, of another kind than `hears`, in the order of their times."""
    ordered = sorted(happenings, key=lambda one: one.at)
    if moment.kind == "presses":
        return _pressed(moment, ordered)
    if moment.kind == "says":
        return [
            one
            for one in ordered
            if one.kind == "says" and one.who == moment.who and words_of(one.text) == words_of(moment.text)
        ]
    kind = {"rest": REST, "api": API}.get(moment.kind, "") + moment.text
    # An event without a person is one of the story's own calls, if they have any such event.
    own = [one for one in ordered if one.kind == kind and not one.second]
    if moment.who is None and own:
        return own
    return [one for one in ordered if one.kind == kind and moment.who in (None, one.who)]


def _pressed(moment: Moment, ordered: Sequence[Happening]) -> list[Happening]:
    keys = [one for one in ordered if one.kind == "presses" and one.who == moment.who]
    row = "".join(str(one.data.get("digit", "")) for one in keys)
    size = len(moment.text)
    ends = [place + size for place in range(len(row) - size + 1) if row[place : place + size] == moment.text]
    return [keys[end - 1] for end in ends]
