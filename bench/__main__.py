"""Measure what a caller waits for and what the service needs, on this machine and without any key.

Each figure is printed beside its target. A shared machine is noisy: compare medians of runs made together, and take the
exit status for "it ran", not for a verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from bench.checks import measure_checks
from bench.control import measure_control
from bench.figures import Figure
from bench.memory import measure_memory
from emulator import EmulatorError, Report

MEMORY_CALLS = 100
PARTS = ("talk", "control", "memory", "checks")
CHECKS = 1000


async def measure(arguments: argparse.Namespace) -> tuple[list[Figure], list[Report], list[str]]:
    """Run the parts that are wanted; returns the figures, the reports of calls, and what went wrong.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    figures: list[Figure] = []
    reports: list[Report] = []
    problems: list[str] = []
    with TemporaryDirectory() as directory:
        if arguments.only in (None, "talk"):
            # The local voice is loaded only where it is needed.
            from bench.talk import measure_talk

            print(f"{arguments.calls} calls with questions over {arguments.carrier}")
            figures, reports = await measure_talk(
                arguments.calls, arguments.carrier, arguments.port, Path(directory)
            )
            problems = [error for report in reports for error in report.errors]
        if arguments.only in (None, "control"):
            print(
                f"{arguments.times} calls of each kind that end or are transferred; the bot's voice takes no time"
            )
            more, trouble = await measure_control(arguments.times, arguments.port, Path(directory))
            figures, problems = [*figures, *more], [*problems, *trouble]
        if arguments.only in (None, "memory"):
            print(f"twice {MEMORY_CALLS} calls with each carrier, whose memory is looked at afterwards")
            more, trouble = await measure_memory(MEMORY_CALLS, arguments.port, Path(directory))
            figures, problems = [*figures, *more], [*problems, *trouble]
        if arguments.only in (None, "checks"):
            print(f"the checks of {CHECKS} call set-ups with each carrier")
            figures = [*figures, *await measure_checks(CHECKS, Path(directory))]
    return figures, reports, problems


def main() -> int:
    """Run the bench.

    Returns:
        0 when all calls went well, 1 when one did not, 2 when nothing could be measured.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="talk: answers, idle memory; control: hang-up and transfers; memory: what calls leave behind; "
        "checks: looking at who calls",
    )
    parser.add_argument("--calls", type=int, default=3, help="talk: calls, one after another (default 3)")
    parser.add_argument("--carrier", choices=("twilio", "telnyx"), default="twilio", help="talk: over which")
    parser.add_argument("--times", type=int, default=5, help="control: calls of each kind (default 5)")
    parser.add_argument("--port", type=int, default=7862, help="a free port for the server (default 7862)")
    parser.add_argument("--json", type=Path, help="also write the figures and reports to this file")
    arguments = parser.parse_args()
    if arguments.calls < 1 or arguments.times < 1:
        parser.error("--calls and --times must be 1 or more")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    try:
        figures, reports, problems = asyncio.run(measure(arguments))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(figure.line() for figure in figures))
    print("\n".join(f"problem: {problem}" for problem in problems))
    if arguments.json:
        text = json.dumps(
            {"figures": [asdict(figure) for figure in figures], "reports": [r.as_dict() for r in reports]},
            indent=2,
        )
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
