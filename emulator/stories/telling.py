"""A played story for people: its timeline and what became of each expectation."""

from __future__ import annotations

from emulator.line.seams import told
from emulator.stories.playing.outcome import Outcome
from emulator.timeline import clock_text

QUIET = frozenset({"mark_sent", "mark_returned", "says", "presses"})
"""Kinds that a timeline for people leaves out: too many, or the same as other entries."""


def timeline_text(outcome: Outcome) -> str:
    """The timeline, one line a happening; times count from the story's beginning."""
    lines: list[str] = []
    several = len({one.call for one in outcome.happenings if one.call is not None}) > 1
    for one in outcome.happenings:
        if one.kind in QUIET:
            continue
        text = " ".join(one.text.split())
        call = f"{one.call or '':<10}" if several else ""
        lines.append(
            f"  {clock_text(round((one.at - outcome.zero) * 1000)):<11}{call}{one.kind:<22}{text[:140]}"
        )
    return "\n".join(lines)


def verdicts_text(outcome: Outcome, *, failed_only: bool = False) -> str:
    """The expectations, one line each."""
    lines: list[str] = []
    for one in outcome.verdicts:
        if one.passed and failed_only:
            continue
        place = f"{outcome.story.file}:{one.line}: " if one.line else ""
        detail = (
            f"  ({one.detail})"
            if one.passed and one.detail
            else f"\n        {one.detail}"
            if one.detail
            else ""
        )
        lines.append(f"  {'ok  ' if one.passed else 'FAIL'} {place}{one.what}{detail}")
    if outcome.trouble:
        lines.append(f"  FAIL {outcome.trouble}")
    return "\n".join(lines)


def seams_text(outcome: Outcome) -> str:
    """What was lost of speech where streams began, followed one another and ended, one line a person."""
    people = dict.fromkeys(who for who, _ in outcome.seams)
    return "\n".join(
        f"  lost of {who}'s call: {told(seam for one, seam in outcome.seams if one == who)}" for who in people
    )


def headline(outcome: Outcome) -> str:
    """One line: passed or not, how long it took, where, what."""
    word = "passed" if outcome.passed else "FAILED"
    return f"{word}  {outcome.secs:5.1f} s  {outcome.carrier:<19}  {outcome.story.file.stem}: {outcome.story.name}"
