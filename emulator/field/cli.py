"""The command line: `python -m emulator.field`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from emulator.errors import EmulatorError
from emulator.field.answer_file import Answers, as_text, read_answers, write_answers, write_file
from emulator.field.asking import Interview, Stopped, asked, described
from emulator.field.call_log import CallLog
from emulator.field.field_calls import FieldCall, field_calls
from emulator.field.findings import findings, report, summary

ANSWERS = Path("data/field-answers.toml")
REPORT = Path("data/field-report.md")
KEY_VARIABLE = "EMULATOR_API_KEY"

AS_ASSUMED, OTHERWISE, CANNOT, STOPPED = 0, 1, 2, 130

EPILOG = """\
Each answer is saved at once: Ctrl-C loses nothing, and the same command goes on from there. The report has no telephone
number, address or key in it, so it can be passed on.

without a terminal:
  %(prog)s --list                          the calls and questions, to print
  %(prog)s --template > answers.toml       a file to fill in
  %(prog)s --read --answers answers.toml   the report on it

exit status: 0 all that was tried is as assumed, 1 something is otherwise, 2 a mistake, 130 stopped"""


PROGRAM = "python -m emulator.field"


def build_parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """All options; `program` is how help calls the command."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Ten phone calls by hand that show whether the emulator behaves as the carriers do where their "
        "documentation does not say (docs/fidelity.md). Needs accounts of yours; does nothing by itself.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="print the calls and their questions, ask nothing")
    what.add_argument("--template", action="store_true", help="print a file of answers to fill in")
    what.add_argument("--read", action="store_true", help="ask nothing: report on the file of answers")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="these calls only, by their name or its beginning (twilio, texml-in); they are asked about again",
    )
    parser.add_argument(
        "--answers", type=Path, default=ANSWERS, metavar="FILE", help="where answers are kept (%(default)s)"
    )
    parser.add_argument(
        "--report", type=Path, default=REPORT, metavar="FILE", help="the report (%(default)s)"
    )
    parser.add_argument(
        "--server", metavar="URL", help="the bot's server: its log of calls answers some of the questions"
    )
    parser.add_argument(
        "--api-key", metavar="KEY", help=f"its API_KEY (default: the variable {KEY_VARIABLE})"
    )
    return parser


def main(arguments: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run it, under the name `program`; returns the exit status."""
    options = build_parser(program).parse_args(arguments)
    try:
        return _run(options)
    except EmulatorError as error:
        print(f"emulator.field: {error}", file=sys.stderr)
        return CANNOT
    except (Stopped, KeyboardInterrupt, EOFError):
        print(
            f"\nStopped. The answers so far are in {options.answers}; the same command goes on from there.",
            file=sys.stderr,
        )
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()  # the program that reads the list, such as `head`, has seen enough
        return AS_ASSUMED


def _run(options: argparse.Namespace) -> int:
    calls = chosen(options.only)
    if options.list:
        for number, call in enumerate(calls, start=1):
            print(described(call, number, len(calls)) + "\n\n  Asked after it")
            print("\n".join(asked(question) for question in call.questions) + "\n")
        return AS_ASSUMED
    if options.template:
        print(as_text({}, calls), end="")
        return AS_ASSUMED
    if options.read and not options.answers.is_file():
        raise EmulatorError(f"there is no file {options.answers}: --template prints one to fill in")
    everything = field_calls()
    answers = read_answers(options.answers, everything)
    if not options.read:

        def save(so_far: Answers) -> None:
            write_answers(options.answers, so_far, everything)

        log = _log(options)
        save(answers)  # now, rather than find out after a call that its answers cannot be kept
        Interview(input, print, save, log).run(calls, answers, again=bool(options.only))
    found = findings(everything, answers)
    write_file(options.report, report(found, datetime.now(UTC).date()))
    print(f"\n{summary(found)}. The report: {options.report}")
    return OTHERWISE if any(one.verdict == "otherwise" for one in found) else AS_ASSUMED


def chosen(names: Sequence[str]) -> tuple[FieldCall, ...]:
    """The calls of these names, or all.

    Raises:
        EmulatorError: A name is none.
    """
    calls = field_calls()
    for name in names:
        if not any(call.name.startswith(name) for call in calls):
            raise EmulatorError(
                f"--only {name[:40]}: there are {', '.join(call.name for call in calls)}, and their beginnings"
            )
    return tuple(call for call in calls if not names or call.name.startswith(tuple(names)))


def _log(options: argparse.Namespace) -> CallLog | None:
    if options.server is None:
        return None
    try:
        parts = urlsplit(options.server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise EmulatorError("--server must be an http(s) address, such as http://127.0.0.1:7860")
    key = options.api_key or os.environ.get(KEY_VARIABLE)
    if not key:
        raise EmulatorError(
            f"--server needs the server's API_KEY: give it with --api-key, or in the variable {KEY_VARIABLE}"
        )
    return CallLog(options.server, key)
