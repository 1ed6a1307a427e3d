"""More callers than there is room for: who is turned away is told so at once, and who talks notices nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.judging import Witnessed, judge
from chaos.part import staged, told_of, write_down
from chaos.schedule import IN, SETUPS, PlannedCall

ROOM = 4
"""Calls that a process takes."""

TIMES = 5
"""How many callers come at once, for each that there is room for."""

FIRST_SECS = 0.5
"""Between the callers who find room."""

CROWD_AT_SECS = 8.0
CROWD_SECS = 2.0
"""When all others come, and within how long."""

SOON_SECS = 1.0
"""Within which everybody who is turned away is to be told."""


@dataclass
class Crowd:
    """What came of them.

    Attributes:
        callers: How many there were.
        room: How many calls there was room for.
        taken: Who talked with the bot.
        told: After how many seconds each of the others was told that there is no room; None for never.
        underruns: Gaps in what the bot said to those who talked.
        problems: In words, for people.
    """

    callers: int
    room: int
    taken: int = 0
    told: list[float | None] = field(default_factory=list)
    underruns: int = 0
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        """What came of it, in a sentence."""
        told = [secs for secs in self.told if secs is not None]
        slowest = f", the slowest after {max(told):.1f} s" if told else ""
        return (
            f"above capacity: {self.callers} callers where there is room for {self.room}: {self.taken} talked, with "
            f"{self.underruns} underruns; {self.told_soon} of {len(self.told)} others were told within "
            f"{SOON_SECS:g} s{slowest}"
        )

    @property
    def told_soon(self) -> int:
        """How many were told within `SOON_SECS`."""
        return sum(secs is not None and secs <= SOON_SECS for secs in self.told)

    def missed(self) -> list[str]:
        """What it does not reach of what it must, one sentence each."""
        found = []
        if not 0 < self.taken <= self.room:
            found.append(f"{self.taken} calls were taken, where there is room for {self.room}")
        if self.told_soon < len(self.told):
            found.append(
                f"{len(self.told) - self.told_soon} of {len(self.told)} callers for whom there was no room were not "
                f"told so within {SOON_SECS:g} s"
            )
        if self.underruns:
            found.append(f"{self.underruns} underruns in calls that went on while others were turned away")
        return found + self.problems


async def crowd(directory: Path, *, workers: int, room: int, database_url: str | None) -> Crowd:
    """Let callers come.

    Args:
        directory: For the server's files.
        workers: How many processes.
        room: How many calls each takes.
        database_url: Of a PostgreSQL; a file of SQLite's if None.

    Raises:
        EmulatorError: The server does not start.
    """
    first, others = workers * room, workers * room * TIMES
    callers = [_caller(number, number * FIRST_SECS) for number in range(first)]
    callers += [
        _caller(first + number, CROWD_AT_SECS + number * CROWD_SECS / others) for number in range(others)
    ]
    async with staged(directory, "", workers, database_url, len(callers), room=room) as stage:

        async def one_call(planned: PlannedCall) -> Witnessed:
            await asyncio.sleep(planned.begins_secs)
            return await stage.placing.place(planned)

        seen = await asyncio.gather(*map(one_call, callers))
        told = await told_of([one.call_id for one in seen if one.call_id], stage.placing)
    came = Crowd(len(callers), first)
    for one in seen:
        verdict = judge(one, [], told.get(one.call_id))
        if one.streams:
            came.taken += 1
            came.underruns += one.underruns
            problems: Sequence[str] = verdict.problems
        else:
            came.told.append(one.told_after_secs)
            known = told.get(one.call_id)
            problems = [] if known is not None and known.ended else ["the API does not know its end"]
            if one.ended_by not in ("bot", "document"):
                problems = [*problems, f"it was ended by {one.ended_by}", *one.problems[:3]]
        came.problems += [f"call {one.name} [{one.call_id}]: {problem}" for problem in problems]
        await asyncio.to_thread(write_down, directory / "calls", one, verdict)
    return came


def _caller(number: int, begins_secs: float) -> PlannedCall:
    carrier, mode = SETUPS[number % len(SETUPS)]
    return PlannedCall(number, carrier, mode, IN, begins_secs)
