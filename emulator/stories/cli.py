"""The command line of stories: `call --scenario FILE` and `stories PATH ...`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from emulator.carriers import COMMANDED
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.legs.addressing import parse_target
from emulator.line.impairments import IDEAL, PROFILES, Profile
from emulator.line.seams import KINDS
from emulator.stories.playing.outcome import Outcome
from emulator.stories.playing.play import play
from emulator.stories.playing.serving import ForkingServer, Server, command_server, running_server
from emulator.stories.playing.suite import load_speech, performances, play_all
from emulator.stories.reading.read_story import StoryError, find_stories, read_story
from emulator.stories.story import BY_COMMANDS, CARRIERS
from emulator.stories.telling import headline, seams_text, timeline_text, verdicts_text

PASSED, NOT_PASSED, CANNOT = 0, 1, 2
MANY = 20
"""From so many stories on, those that failed are printed once more at the end, where they are seen."""
Result = TypeVar("Result")


EXAMPLES = """\
examples:
  %(prog)s tests/stories --forks "python -m tests.story_bot --forks" --jobs 4
  %(prog)s tests/stories --only transfer --carrier telnyx --serve "python -m tests.story_bot" --verbose
  %(prog)s stories-of-mine/ --serve "python server.py" --line real

exit status: 0 all passed, 1 one did not, 2 none was played"""


def add_stories_command(commands: Any) -> None:
    """Add `stories` to the command line."""
    stories = commands.add_parser(
        "stories",
        help="play the stories of files and folders",
        description="Play every story on each of its carriers and print a line for each; the last line is JSON.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stories.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="story files, or folders of them"
    )
    stories.add_argument("--carrier", choices=CARRIERS, help="only on this one")
    stories.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only those whose file or name has this in it",
    )
    stories.add_argument("--voice", choices=("beeps", "words"), help="only those told in this one")
    stories.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="how many at a time (default %(default)s)"
    )
    add_line_option(stories)
    stories.add_argument(
        "--again",
        type=int,
        default=0,
        metavar="N",
        help="play those that failed once more, alone, if they are at most N (default %(default)s)",
    )
    server = stories.add_mutually_exclusive_group(required=True)
    server.add_argument("--serve", metavar="COMMAND", help="the server under test, started for each story")
    server.add_argument(
        "--forks",
        metavar="COMMAND",
        help="started once; makes a copy of itself for each story, as docs/stories.md tells",
    )
    stories.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep recordings and the servers' output there"
    )
    stories.add_argument("--verbose", action="store_true", help="print the timelines of those that failed")


def add_line_option(parser: Any) -> None:
    """Add what kind of line calls are played on."""
    parser.add_argument(
        "--line",
        choices=tuple(PROFILES),
        default=IDEAL.name,
        help="how lines behave: ideal ones cost nothing, real ones time and a little audio (default %(default)s)",
    )
    parser.add_argument(
        "--line-seed",
        type=int,
        default=0,
        metavar="N",
        help="what goes otherwise by chance on them (%(default)s)",
    )


def line_of(options: argparse.Namespace) -> Profile:
    """The line that calls are played on."""
    return PROFILES[options.line].but(seed=options.line_seed)


def add_scenario_options(call: argparse.ArgumentParser) -> None:
    """Add what `call` needs for stories."""
    scenario = call.add_argument_group("a story instead of a call")
    scenario.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="play this story (docs/stories.md) and judge it; the options of scripts do not count then",
    )
    scenario.add_argument(
        "--json", action="store_true", help="print the story's outcome as JSON, and nothing else"
    )


def run_scenario(options: argparse.Namespace, credentials: Credentials) -> int:
    """Play the story of `call --scenario`; returns the exit status.

    Raises:
        EmulatorError: The file or the server is not usable.
    """
    story = read_story(options.scenario)
    carrier = options.carrier or story.carriers[0]
    if options.mode == "call-control":
        carrier = (options.carrier or COMMANDED[0].name) + BY_COMMANDS
    if carrier not in story.carriers:
        raise EmulatorError(
            f"{story.file}: this story is not for {carrier}, but for {', '.join(story.carriers)}"
        )
    server: Server
    if options.serve is not None:
        server = command_server(options.serve)
    else:
        server = running_server(parse_target(options.url, carrier).base)
    keep = options.record.parent if options.record is not None else None

    async def perform() -> Outcome:
        speech = await load_speech() if story.voice == "words" else None
        line = line_of(options)
        return await play(
            story, carrier, server, credentials=credentials, speech=speech, keep=keep, line=line
        )

    outcome = _run(perform())
    if options.json:
        print(json.dumps(outcome.as_dict(), indent=2, ensure_ascii=False))
    else:
        print(f"{story.name}   ({carrier})\n\nWhat happened\n{timeline_text(outcome)}")
        print(f"\nWhat was lost at the seams\n{seams_text(outcome)}")
        print(f"\nWhat was expected\n{verdicts_text(outcome)}\n\n{headline(outcome)}")
    return PASSED if outcome.passed else NOT_PASSED


def run_stories(options: argparse.Namespace, credentials: Credentials) -> int:
    """Play the stories of `stories PATH ...`; returns the exit status.

    Raises:
        EmulatorError: A file is not usable; then none is played.
    """
    if options.jobs < 1:
        raise EmulatorError("--jobs must be 1 or more")
    stories, mistakes = [], []
    for path in find_stories(options.paths):
        try:
            stories.append(read_story(path))
        except EmulatorError as error:
            mistakes.append(str(error))
    if mistakes:
        raise StoryError("\n".join(mistakes))
    wanted = performances(stories, carrier=options.carrier, only=options.only, voice=options.voice)
    if not wanted:
        raise EmulatorError("no story fits --carrier, --only and --voice")

    def tell(outcome: Outcome) -> None:
        print(headline(outcome), flush=True)
        if any(seam.lost_ms for _, seam in outcome.seams):
            print(seams_text(outcome), flush=True)
        if not outcome.passed:
            print(verdicts_text(outcome, failed_only=True), flush=True)
            if options.verbose:
                print(timeline_text(outcome), flush=True)

    async def perform() -> list[Outcome]:
        forks = ForkingServer(options.forks) if options.forks else None
        server = forks.serve if forks is not None else command_server(options.serve)
        try:
            return await play_all(
                wanted,
                server,
                jobs=options.jobs,
                again=options.again,
                credentials=credentials,
                keep=options.keep,
                tell=tell,
                line=line_of(options),
            )
        finally:
            if forks is not None:
                await forks.aclose()

    outcomes = _run(perform())
    passed = sum(outcome.passed for outcome in outcomes)
    total: dict[str, Any] = {"stories": len(outcomes), "passed": passed, "failed": len(outcomes) - passed}
    if options.again:
        total["passed_the_second_time"] = [
            f"{one.story.file.stem} {one.carrier}" for one in outcomes if one.passed and one.times == 2
        ]
    if options.line != IDEAL.name:
        lost = Counter[str](dict.fromkeys(KINDS, 0))
        for seam in (seam for outcome in outcomes for _, seam in outcome.seams):
            lost[seam.kind] += seam.lost_ms
        total |= {"line": options.line, "lost_ms": dict(lost)}
    if len(outcomes) > MANY:
        for outcome in outcomes:
            if not outcome.passed:
                tell(outcome)
    print(json.dumps(total), flush=True)
    return PASSED if passed == len(outcomes) else NOT_PASSED


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end; SIGTERM ends it like an interrupt, so that servers which were started are stopped."""

    async def until_done() -> Result:
        task = asyncio.current_task()
        if task is not None:
            with contextlib.suppress(NotImplementedError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(until_done())
