"""What came of all calls: the figures, the table, and whether it reaches what it must."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from chaos.crowd import Crowd
from chaos.judging import Verdict
from chaos.schedule import KILL
from chaos.troubles import Made

SOON_SECS = 3.0
ALONE_SECS = 8.0
RESUMED_SHARE = 0.99
SHOWN = 40


@dataclass
class Outcome:
    """All that came of a run.

    Attributes:
        verdicts: On each call.
        made: The troubles.
        workers: How many processes answered.
        others: What went wrong beside the calls, in words.
        left_legs: Calls that were still open at a carrier in the end, beside those of the verdicts.
        crowd: What came of callers for whom there was no room.
    """

    verdicts: list[Verdict]
    made: list[Made]
    workers: int
    others: list[str] = field(default_factory=list)
    left_legs: int = 0
    crowd: Crowd | None = None

    def figures(self) -> dict[str, float]:
        """The last line."""
        killed = self._killed
        return {
            "calls": len(self.verdicts),
            "ended": sum(one.ended for one in self.verdicts),
            "killed": len(killed),
            "resumed_in_3s": sum(_within(one, SOON_SECS) for one in killed),
            "left_open": sum(one.left_open for one in self.verdicts) + self.left_legs,
            "transcripts_lost": sum(bool(one.lost) for one in self.verdicts),
            "worst_silence_s": round(max((one.quiet_secs for one in self.verdicts), default=0.0), 1),
        }

    @property
    def _killed(self) -> list[Verdict]:
        return [one for one in self.verdicts if one.kills]

    def missed(self) -> list[str]:
        """What it does not reach of what it must, one sentence each."""
        figures, killed = self.figures(), self._killed
        limit = ALONE_SECS if self.workers == 1 else SOON_SECS
        back = sum(_within(one, limit) and not one.unknown for one in killed)
        drained = sum(one.drained for one in self.verdicts)
        found = []
        if figures["ended"] < figures["calls"]:
            found.append(f"{figures['ended']} of {figures['calls']} calls came to an end as they are to")
        if figures["left_open"]:
            found.append(f"{figures['left_open']} call(s) were left open at the carrier")
        if back < RESUMED_SHARE * len(killed):
            found.append(
                f"{back} of {len(killed)} calls whose process was killed talked again within {limit:g} s, "
                "the conversation known"
            )
        if not killed and any(one.trouble.kind == KILL and one.at is not None for one in self.made):
            found.append("no kill met a call that talked: nothing was shown")
        if drained:
            found.append(f"{drained} call(s) were cut off by a drain")
        if figures["transcripts_lost"]:
            found.append(
                f"{figures['transcripts_lost']} transcript(s) lack more than the sentence being spoken"
            )
        return found + (self.crowd.missed() if self.crowd is not None else []) + self.others

    def table(self) -> list[str]:
        """What each kind of trouble did to the calls that it touched; a call counts for each kind that touched it."""
        lines = [
            f"{'trouble':<12}{'made':>6}{'calls':>7}{'ended':>7}{'open':>6}{'lost text':>11}{'back, median/worst':>20}"
            f"{'worst silence':>15}"
        ]
        order = dict.fromkeys(one.trouble.kind for one in self.made)
        for kind in order:
            touched = [one for one in self.verdicts if any(touch.kind == kind for touch in one.touches)]
            made = sum(one.trouble.kind == kind and one.at is not None for one in self.made)
            lines.append(_line(kind, str(made), touched, [] if kind != KILL else _all_back(touched)))
        lines.append(_line("none", "", [one for one in self.verdicts if not one.touches], []))
        lines.append(_line("all", "", self.verdicts, _all_back(self.verdicts)))
        away = sum(one.turned_away for one in self.verdicts)
        lines.append(
            f"of those that ended, {away} were told that all lines are busy: no process took new calls then"
        )
        return lines

    def problems(self) -> list[str]:
        """Each call that something is wrong with."""
        found = []
        for one in self.verdicts:
            if one.problems:
                touches = ", ".join(f"{touch.kind} ({touch.number})" for touch in one.touches) or "nothing"
                found.append(f"call {one.name} [{one.call_id or 'no id'}], touched by {touches}:")
                found += [f"    {problem}" for problem in one.problems]
        hidden = len(found) - SHOWN * 3
        return found if hidden <= 0 else [*found[: SHOWN * 3], f"... and {hidden} more lines"]


def _within(verdict: Verdict, secs: float) -> bool:
    return all(one is not None and one <= secs for one in verdict.resumed)


def _all_back(verdicts: Sequence[Verdict]) -> list[float | None]:
    return [secs for one in verdicts for secs in one.resumed]


def _line(kind: str, made: str, calls: Sequence[Verdict], back: Sequence[float | None]) -> str:
    secs = [one for one in back if one is not None]
    shown = f"{statistics.median(secs):.1f} / {max(secs):.1f} s" if secs else ""
    if len(secs) < len(back):
        shown = f"{shown or 'none'} ({len(back) - len(secs)} never)"
    quiet = max((one.quiet_secs for one in calls), default=0.0)
    return (
        f"{kind:<12}{made:>6}{len(calls):>7}{sum(one.ended for one in calls):>7}"
        f"{sum(one.left_open for one in calls):>6}{sum(bool(one.lost) for one in calls):>11}{shown:>20}"
        f"{f'{quiet:.1f} s' if calls else '':>15}"
    )
