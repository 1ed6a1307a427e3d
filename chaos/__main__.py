"""Place calls on both carriers while everything goes wrong, and say what came of them. Loopback only; Linux.

The last line of the output is one JSON object, of counts and seconds: how many calls there were, how many `ended` as
they are to (a goodbye that was heard, then a hang-up, and the API knows), for how many the process died while they
talked (`killed`), how many of these were heard again within 3 s, how many were `left_open` at the carrier, how many
`transcripts_lost` more than the sentence being spoken, and the longest time in which nobody was heard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from chaos.crowd import ROOM, crowd
from chaos.database import Postgres, chosen
from chaos.outcome import Outcome
from chaos.part import play
from chaos.processes import can_look
from chaos.schedule import CALL_SECS, draw
from chaos.troubles import kinds
from emulator import EmulatorError

CALLS, AT_ONCE = 200, 20
QUICK_CALLS, QUICK_AT_ONCE = 40, 10

EXAMPLES = """\
examples:
  %(prog)s                               (200 calls, in about ten minutes)
  %(prog)s --quick                       (40 calls, in less than five minutes)
  %(prog)s --seed 7 --keep out           (what goes wrong with seed 7; the server's output in out/)
  %(prog)s --workers 1 --database sqlite (one process, and a supervisor that starts it anew)

exit status: 0 all that it must reach was reached, 1 something was not, 2 it could not run"""


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos",
        description=__doc__.splitlines()[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, help="decides what goes wrong when (default 1)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS} calls instead of {CALLS}")
    parser.add_argument("--calls", type=int, help="another number of calls")
    parser.add_argument("--at-once", type=int, help="calls at a time, at most")
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes that answer; 1 for one with a supervisor (default 2)",
    )
    parser.add_argument(
        "--database",
        choices=("auto", "sqlite", "postgres"),
        default="auto",
        help="where calls are kept; auto is a PostgreSQL of its own if one is installed",
    )
    parser.add_argument(
        "--without", action="append", default=[], help="a kind of trouble that is not to be made"
    )
    parser.add_argument(
        "--only", action="append", help="a kind of trouble that alone is to be made; several in turn"
    )
    parser.add_argument("--keep", type=Path, help="a new folder for the server's output, data and calls")
    options = parser.parse_args(arguments)
    if options.calls is None:
        options.calls = QUICK_CALLS if options.quick else CALLS
    if options.at_once is None:
        options.at_once = QUICK_AT_ONCE if options.quick else AT_ONCE
    if min(options.calls, options.at_once, options.workers) < 1:
        parser.error("--calls, --at-once and --workers must be 1 or more")
    if options.keep is not None and options.keep.exists():
        parser.error(f"{options.keep} is there already: name a new folder with --keep")
    possible = kinds(has_parent=True, has_database=True)
    for kind in (*options.without, *(options.only or [])):
        if kind not in possible:
            parser.error(f"there is no trouble {kind!r}: it is one of {', '.join(map(repr, possible))}")
    return options


async def run(options: argparse.Namespace, directory: Path) -> Outcome:
    """Play both parts.

    Raises:
        EmulatorError: The server or the database cannot be started.
    """
    folder = chosen(options.database)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Postgres(folder)) if folder is not None else None
        kept = "PostgreSQL" if database else "SQLite (it is no server: nothing restarts)"
        made = kinds(has_parent=options.workers > 1, has_database=database is not None)
        made = [kind for kind in made if kind in (options.only or made) and kind not in options.without]
        print(
            f"{options.calls} calls, {options.at_once} at a time, {options.workers} process(es), calls kept in {kept}, "
            f"seed {options.seed}"
        )
        outcome = Outcome([], [], options.workers)
        for number, part in enumerate(draw(options.seed, options.calls, options.at_once, made), start=1):
            if not part.calls:
                continue
            about = part.calls[-1].begins_secs + CALL_SECS
            print(
                f"part {number}: {len(part.calls)} calls in about {about:.0f} s, calls to Telnyx by "
                f"{'commands' if part.mode else 'TeXML'}",
                flush=True,
            )
            began = time.monotonic()
            played = await play(
                part,
                directory / f"part-{number}",
                workers=options.workers,
                at_once=options.at_once,
                database=database,
                tell=lambda text, began=began: print(
                    f"  {time.monotonic() - began:6.1f} s  {text}", flush=True
                ),
            )
            outcome.verdicts += played.verdicts
            outcome.made += played.made
            outcome.others += played.others
            outcome.left_legs += played.left_legs
        if not options.only and not options.quick:
            print("part 3: more callers than there is room for", flush=True)
            url = database.url if database is not None else None
            outcome.crowd = await crowd(
                directory / "part-3", workers=options.workers, room=ROOM, database_url=url
            )
        return outcome


async def _stoppable(options: argparse.Namespace, directory: Path) -> Outcome:
    """Run so that SIGTERM ends it as Ctrl-C does: with all that was started."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options, directory)


def report(outcome: Outcome, options: argparse.Namespace) -> int:
    """Print what came of it; returns the exit status."""
    print()
    print("\n".join(outcome.table()))
    if outcome.crowd is not None:
        print(outcome.crowd.line())
    if problems := outcome.problems():
        print("\nproblems:\n" + "\n".join(problems))
    missed = outcome.missed()
    for sentence in missed:
        print(f"missed: {sentence}")
    if missed:
        again = f"python -m chaos --seed {options.seed} --calls {options.calls} --at-once {options.at_once}"
        chosen = "".join(f" --only '{kind}'" for kind in options.only or [])
        chosen += "".join(f" --without '{kind}'" for kind in options.without)
        print(
            f"the same calls and troubles again: {again} --workers {options.workers} "
            f"--database {options.database}{chosen} --keep FOLDER"
        )
    print(json.dumps(outcome.figures()))
    return 1 if missed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run.

    Returns:
        0 when all was reached that must be, 1 when something was not, 2 when it could not run.
    """
    options = parsed(arguments)
    if not can_look():
        print("this needs Linux: it looks in /proc which process has which call", file=sys.stderr)
        return 2
    try:
        with TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
            outcome = asyncio.run(_stoppable(options, options.keep or Path(scratch) / "run"))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped", file=sys.stderr)
        return 2
    return report(outcome, options)


if __name__ == "__main__":
    sys.exit(main())
