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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from bench.figures import Figure
from bench.measure_checks import measure_checks
from bench.measure_control import measure_control
from bench.measure_memory import measure_memory
from emulator import EmulatorError, Report

MEMORY_CALLS = 100
PARTS = ("talk", "control", "memory", "checks")
CHECKS = 1000


async def measure(options: argparse.Namespace) -> tuple[list[Figure], list[Report], list[str]]:
    """Run the parts that are wanted; returns the figures, the reports of calls, and what went wrong.

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

            print(f"{options.calls} calls with questions over {options.carrier}")
            figures, reports = await measure_talk(
                options.calls, options.carrier, options.port, Path(directory)
            )
            problems = [error for report in reports for error in report.errors]
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
        if options.only in (None, "checks"):
            print(f"the checks of {CHECKS} call set-ups with each carrier")
            figures = [*figures, *await measure_checks(CHECKS, Path(directory))]
    return figures, reports, problems


EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s --only control --times 1      (the short way)
  %(prog)s --only talk --calls 10 --carrier telnyx --json figures.json

exit status: 0 all calls went well, 1 one did not, 2 nothing could be measured"""


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
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__.splitlines()[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    options = parser.parse_args(arguments)
    if options.calls < 1 or options.times < 1:
        parser.error("--calls and --times must be 1 or more")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    try:
        figures, reports, problems = asyncio.run(measure(options))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(figure.line() for figure in figures))
    print("\n".join(f"problem: {problem}" for problem in problems))
    if options.json:
        text = json.dumps(
            {"figures": [asdict(figure) for figure in figures], "reports": [r.as_dict() for r in reports]},
            indent=2,
        )
        (folder / options.json).write_text(text + "\n", encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
