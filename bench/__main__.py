"""Measure what a caller waits for and what the service needs, on this machine and without any key.

The comparison places calls to our bot and to a stock Pipecat bot by turns; the other parts call our bot with its own
services, and print each figure beside its target. A shared machine is noisy: the comparison looks at that itself and
refuses, for the others compare medians of runs made together. Take the exit status for "it ran", not for a verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from bench.comparison import QUICK, Plan, compare, refusals, verdict
from bench.figures import Figure
from bench.machine import can_measure, described
from bench.measure_checks import measure_checks
from bench.measure_control import measure_control
from bench.measure_memory import measure_memory
from bench.results import written
from emulator import EmulatorError, Report

MEMORY_CALLS = 100
KEYLESS_CALLS = (1, 4, 8, 12)
VIEWED_CALLS, VIEWED_SECS, VIEWED_ROUNDS = 20, 20.0, 4
PARTS = ("compare", "talk", "keyless", "control", "memory", "checks", "viewers")
CHECKS = 1000
RESULTS = Path(__file__).parent / "results.md"


async def measure(options: argparse.Namespace) -> tuple[list[Figure], list[Report], list[str]]:
    """Run the parts with a bot's own services that are wanted.

    Returns:
        The figures, the reports of calls, and what went wrong.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    figures: list[Figure] = []
    reports: list[Report] = []
    problems: list[str] = []
    with TemporaryDirectory() as directory:
        if options.only in (None, "talk"):
            # The local voice is loaded only where it is needed.
            from bench.measure_talk import measure_talk

            calls = (options.only == "talk" and options.calls) or 3
            carrier = options.carrier or "twilio"
            print(f"{calls} calls with questions over {carrier}")
            figures, reports = await measure_talk(calls, carrier, options.port, Path(directory))
            problems = [error for report in reports for error in report.errors]
        if options.only in (None, "keyless"):
            from bench.measure_keyless import measure_keyless

            counts = (options.calls,) if options.only and options.calls else KEYLESS_CALLS
            print(f"{', '.join(map(str, counts))} calls at a time to services on this machine")
            more, trouble = await measure_keyless(
                counts, options.carrier or "twilio", options.port, Path(directory)
            )
            figures, problems = [*figures, *more], [*problems, *trouble]
        if options.only in (None, "control"):
            print(
                f"{options.times} calls of each kind that end or are transferred; the bot's voice takes no time"
            )
            more, trouble = await measure_control(options.times, options.port, Path(directory))
            figures, problems = [*figures, *more], [*problems, *trouble]
        if options.only in (None, "memory"):
            print(f"twice {MEMORY_CALLS} calls with each carrier, whose memory is looked at afterwards")
            more, trouble = await measure_memory(MEMORY_CALLS, options.port, Path(directory))
            figures, problems = [*figures, *more], [*problems, *trouble]
        if options.only in (None, "viewers"):
            from bench.measure_viewers import measure_viewers

            calls = (options.only == "viewers" and options.calls) or VIEWED_CALLS
            secs = (options.only == "viewers" and options.secs) or VIEWED_SECS
            print(f"{calls} calls while people look at them and listen in, and while nobody does", flush=True)
            more, trouble = await measure_viewers(
                calls, options.carrier or "twilio", secs, VIEWED_ROUNDS, options.port, Path(directory)
            )
            figures, problems = [*figures, *more], [*problems, *trouble]
        if options.only in (None, "checks"):
            print(f"the checks of {CHECKS} call set-ups with each carrier")
            figures = [*figures, *await measure_checks(CHECKS, Path(directory))]
    return figures, reports, problems


def plan_of(options: argparse.Namespace) -> Plan:
    """What the comparison is to run, by the command line."""
    plan = QUICK if options.quick else Plan()
    changes: dict[str, Any] = {"port": options.port, "checkout": options.checkout}
    if options.carrier:
        changes["carriers"] = (options.carrier,)
    if options.calls:
        changes["calls"] = options.calls
    if options.secs:
        changes["secs"] = options.secs
    if options.steps is not None:
        changes |= {"steps": tuple(options.steps), "workers": plan.workers if options.steps else ()}
    if options.workers is not None:
        counts = [calls for calls in (plan.steps if options.steps is None else options.steps) if calls >= 40]
        changes["workers"] = tuple(
            (processes, calls) for processes in options.workers if processes > 1 for calls in counts or [40]
        )
    return dataclasses.replace(plan, **changes)


EXAMPLES = """\
examples:
  %(prog)s                               (all of it, in about 40 minutes)
  %(prog)s --quick                       (the comparison alone, in less than four)
  %(prog)s --only compare --carrier telnyx --steps 8 20 40 60 --workers 1 2
  %(prog)s --only control --times 1
  %(prog)s --only talk --calls 10 --carrier telnyx --json figures.json

exit status: 0 all calls went well, 1 one did not or the bots could not be compared, 2 nothing could be measured; with
--quick, 0 unless nothing could be measured"""


def main(
    arguments: Sequence[str] | None = None, *, program: str = "python -m bench", folder: Path = Path()
) -> int:
    """Run the bench.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command.
        folder: What the path of the file is relative to.

    Returns:
        0 when all calls went well, 1 when one did not, 2 when nothing could be measured.
    """
    options = _parsed(arguments, program)
    print(f"{described()}; load {os.getloadavg()[0]:.1f} before")
    compares = options.only in (None, "compare")
    if compares and not can_measure():
        print("the bots are not compared: only Linux tells what each thread has used", file=sys.stderr)
        compares = False
        if options.only or options.quick:
            return 2
    comparison = found = None
    figures: list[Figure] = []
    reports: list[Report] = []
    problems: list[str] = []
    try:
        if compares:
            print("ours and a stock Pipecat bot by turns", flush=True)
            comparison = asyncio.run(compare(plan_of(options), lambda line: print(line, flush=True)))
            problems += comparison.problems
        if not options.quick and options.only != "compare":
            figures, reports, trouble = asyncio.run(measure(options))
            problems += trouble
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    if figures and comparison is None:
        print("\n".join(figure.line() for figure in figures))
    if comparison is not None:
        found = verdict(comparison)
        text = written(comparison, found, figures)
        print(f"\n{text}")
        if not options.quick and options.checkout is None and not refusals(comparison.turns):
            RESULTS.write_text(text, encoding="utf-8")
    print("\n".join(f"problem: {problem}" for problem in problems))
    if options.json:
        kept = {
            "figures": [asdict(figure) for figure in figures],
            "reports": [report.as_dict() for report in reports],
            "verdict": found,
            "runs": [] if comparison is None else [asdict(one) for one in comparison.runs],
        }
        (folder / options.json).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    if found is not None:
        print(json.dumps(found))
    if options.quick:
        return 0
    return 1 if problems or (found is not None and "refused" in found) else 0


def _parsed(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__.splitlines()[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="compare: ours and stock; talk: answers, idle memory; keyless: several calls at a time to services on "
        "this machine; control: hang-up and transfers; memory: what calls leave behind; checks: looking at who calls; "
        "viewers: calls that people look at and listen to",
    )
    parser.add_argument("--quick", action="store_true", help="the comparison, short; prints, keeps nothing")
    parser.add_argument(
        "--calls",
        type=int,
        help="talk: calls, one after another (3); compare, viewers: at a time (20); keyless: at a time (1 to 12)",
    )
    parser.add_argument(
        "--carrier",
        choices=("twilio", "telnyx"),
        help="talk: over which (twilio); compare: over one (both; with --quick twilio)",
    )
    parser.add_argument("--times", type=int, default=5, help="control: calls of each kind (default 5)")
    parser.add_argument(
        "--secs",
        type=float,
        help="compare: length of a run (40; with --quick 22); viewers: how long at a time (20)",
    )
    parser.add_argument("--steps", type=int, nargs="*", help="compare: numbers of calls besides (4 to 60)")
    parser.add_argument(
        "--workers", type=int, nargs="*", help="compare: processes that share the calls (1 2)"
    )
    parser.add_argument("--checkout", type=Path, help="compare: folder of another version of our bot")
    parser.add_argument(
        "--port", type=int, default=7862, help="a free port, and some behind it (default 7862)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures and reports to this file")
    options = parser.parse_args(arguments)
    if options.quick and options.only not in (None, "compare"):
        parser.error("--quick is the comparison: leave --only out")
    for name in ("calls", "times", "secs"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be 1 or more")
    if any(value < 1 for name in ("steps", "workers") for value in getattr(options, name) or ()):
        parser.error("--steps and --workers must be 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main())
