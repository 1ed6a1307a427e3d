"""A room: lines in it hear each other. Two lines in a room are a bridged call, more of them a conference."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain

from emulator.line.codecs import Pcm, mixed
from emulator.line.line import PhoneLine
from emulator.line.other_end import BOT, PEOPLE, OtherEnd
from emulator.line.signals import key


@dataclass
class _Seat:
    muted: bool = False
    held: bool = False


class Room:
    """Every line hears the mix of the others, one frame (20 ms) after it was spoken.

    A line is in one room at a time, and leaves it when it is hung up.
    """

    def __init__(self) -> None:
        """An empty room."""
        self._seats: dict[PhoneLine, _Seat] = {}
        self._change = asyncio.Event()

    def __len__(self) -> int:
        """How many lines are here."""
        return len(self._seats)

    def __contains__(self, line: PhoneLine) -> bool:
        """Whether this line is here."""
        return line in self._seats

    @property
    def lines(self) -> list[PhoneLine]:
        """The lines that are here, in the order of their coming."""
        return list(self._seats)

    @property
    def talking(self) -> bool:
        """Whether at least two can hear each other."""
        return sum(not seat.held for seat in self._seats.values()) >= 2

    def join(self, line: PhoneLine, *, hears: OtherEnd = PEOPLE, muted: bool = False) -> None:
        """Come in; out of the room where the line was before.

        Args:
            line: The line that comes in.
            hears: What the others are for the line's own timeline.
            muted: Whether the others do not hear it.
        """
        if line.room is not None:
            line.room.leave(line)
        line.room = self
        line.listen_to(hears)
        self._seats[line] = _Seat(muted)
        self._changed()

    def leave(self, line: PhoneLine) -> None:
        """Go out; nothing happens if the line is not here."""
        if self._seats.pop(line, None) is None:
            return
        line.room = None
        line.listen_to(BOT)
        self._changed()

    def mute(self, line: PhoneLine, muted: bool = True) -> None:
        """Let the others not hear this line, or hear it again."""
        self._seats[line].muted = muted

    def hold(self, line: PhoneLine, held: bool = True) -> None:
        """Let this line neither hear nor be heard, or do so again."""
        self._seats[line].held = held

    def press(self, line: PhoneLine, digit: str) -> None:
        """A key of one line is heard by all others."""
        seat = self._seats[line]
        if seat.muted or seat.held:
            return
        for other, others_seat in self._seats.items():
            if other is line or others_seat.held:
                continue
            other.signal = chain(other.signal or (), key(digit))
            by = other.other_end.who
            text = f"key {digit} of the {by} is heard"
            other.timeline.note("keys_heard", text, at_ms=other.ear_ms, digit=digit, by=by)

    def mix_for(self, line: PhoneLine) -> Pcm | None:
        """What the line hears of the others in this frame; None for silence."""
        if self._seats[line].held:
            return None
        frames = [
            other.spoken
            for other, seat in self._seats.items()
            if other is not line and other.spoken is not None and not seat.muted and not seat.held
        ]
        return mixed(*frames) if frames else None

    def bots_for(self, line: PhoneLine) -> list[Pcm]:
        """What the line hears in this frame of the bots on the others' media streams."""
        if self._seats[line].held:
            return []
        return [other.played for other in self._seats if other is not line and other.played is not None]

    async def until_fewer_than(self, number: int) -> None:
        """Wait until fewer than so many are here."""
        while len(self._seats) >= number:
            await self._change.wait()

    def _changed(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()


Bridge = Room
"""A room for two: joining one leg to another needs no more than `join` and `until_fewer_than(2)`."""
