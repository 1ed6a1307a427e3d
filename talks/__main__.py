"""Play phone talks with a bot on this machine, and say what its callers felt."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from emulator import EmulatorError
from talks.agent_facts import read_agent
from talks.floor import FLOOR
from talks.format import BRAINS, CARRIERS, Play, Talk, plays_of
from talks.reading import DATA, Known, all_speech, read_talks
from talks.results import below, figures, is_busy, last_line, told, written
from talks.scoring import TalkScore

RESULTS = Path(__file__).parent / "results.md"
JOBS = 4
QUICK_JOBS = 5
"""Calls at a time: each without keys takes up to a quarter of a core."""

EXAMPLES = """\
examples:
  %(prog)s                               (all talks, in about half an hour)
  %(prog)s --quick                       (a fifth of them, in less than five minutes; fails below the floor)
  %(prog)s --only "hesitation" --jobs 1  (those with these words in their names, one after another)
  %(prog)s --results                     (all of them, and talks/results.md is written)

exit status: 0 it ran (with --quick: and nothing is below the floor), 1 something is below the floor, 2 nothing could be
played"""


def main(
    arguments: Sequence[str] | None = None, *, program: str = "python -m talks", folder: Path = Path()
) -> int:
    """Read the talks, play them, and print what came of them.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command.
        folder: What the paths of files are relative to.

    Returns:
        See `EXAMPLES`.
    """
    options = _parsed(arguments, program)
    try:
        talks = read_talks(folder / options.data if options.data else DATA, _known())
        if options.make_voices:
            return _make_voices([talk for talk in talks if talk.quick or not options.quick])
        plays = _chosen(talks, options)
        if options.check:
            print(f"{len(talks)} talks, {len(plays)} calls, {len(all_speech(talks))} lines to be spoken")
            return 0
        scores, refused = asyncio.run(_play(plays, options, folder / options.recordings))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    command = "make talks-quick" if options.quick else "make talks"
    text, found = written(scores, command), figures(scores)
    print(f"\n{text}")
    if options.results:
        RESULTS.write_text(text, encoding="utf-8")
    worse = []
    if options.quick and not options.only:
        if is_busy(scores):
            print("this machine had other work, so times are not held to the floor")
        worse = [
            f"below the floor of talks/floor.py: {one}"
            for one in below(found, FLOOR, without_times=is_busy(scores))
        ]
        if refused:
            worse.append(f"OpenAI would have refused {refused} requests; see above")
    print("\n".join(worse))
    print(json.dumps(last_line(found)))
    return 1 if worse else 0


def _chosen(talks: Sequence[Talk], options: argparse.Namespace) -> list[Play]:
    """The plays that are wanted; which carrier a talk gets depends on all of them.

    The short run plays no talk twice with the same brain.
    """
    plays = plays_of(talks)
    if options.quick:
        plays = list({(play.talk.name, play.brain): play for play in reversed(plays)}.values())[::-1]
    plays = [
        play
        for play in plays
        if (not options.quick or play.talk.quick)
        and (not options.only or options.only.lower() in f"{play.label} {play.talk.file.stem}".lower())
        and options.carrier in (None, play.carrier)
        and options.brain in (None, play.brain)
    ]
    if not plays:
        raise EmulatorError("no talk is like that: see the names in talks/data, or leave out --only")
    return plays


async def _play(
    plays: Sequence[Play], options: argparse.Namespace, recordings: Path
) -> tuple[list[TalkScore], int]:
    """Play them; returns what came of each, and how many requests the scripted model has refused."""
    # What loads models, networks and numbers is only needed here.
    from emulator.line.speech import Ears
    from talks.dialogue_words import NAME
    from talks.listening import words_at_the_ear
    from talks.parts import Recorded, prepared
    from talks.player import Player
    from talks.scoring import score
    from talks.scripted_model import ScriptedModel
    from talks.stage import AGENTS, OWN_AGENTS, staged
    from talks.understanding import lines_of

    facts = {name: read_agent(name, (OWN_AGENTS, AGENTS)) for name in {play.talk.agent for play in plays}}
    sounds = Recorded()
    # A line without speech is found before a server is started.
    ready = [await asyncio.to_thread(prepared, play, sounds) for play in plays]
    begin = time.monotonic()
    of_model = {play.talk.name: play.talk for play in plays if play.brain == "model"}
    model = ScriptedModel(list(facts.values()), lines_of(of_model.values(), facts, NAME))
    brains = [brain for brain in BRAINS if any(play.brain == brain for play in plays)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(model)
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="talks-")))
        stages = {}
        for brain in brains:
            thinks = model.environment() if brain == "model" else {"LLM": "local"}
            (scratch / brain).mkdir()
            stack.callback(_keep_log, scratch / brain / "server.log", recordings / f"server-{brain}.log")
            stages[brain] = await stack.enter_async_context(
                staged(scratch / brain, {"STT": "local", "TTS": "local", **thinks})
            )
        print(f"{len(plays)} calls, {options.jobs} at a time", flush=True)
        player = Player(stages, sounds, facts, recordings, lambda line: print(line, flush=True))
        played = await player.play_all(ready, options.jobs)
    print(f"played in {time.monotonic() - begin:.0f} s; listening to the recordings", flush=True)
    ears = await asyncio.to_thread(Ears)
    scores = []
    for one in played:
        evidence = one.evidence
        evidence.heard = await asyncio.to_thread(
            words_at_the_ear, one.heard, ears.transcribe, list(evidence.bot)
        )
        scores.append(score(evidence, facts[evidence.play.talk.agent]))
        path = recordings / f"{evidence.play.label}.txt"
        if path.exists():
            path.write_text(f"{told(scores[-1])}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    if model.complaints:
        print("the scripted model was sent what OpenAI would not take, or what a model cannot use:")
        print("\n".join(f"  {number} x {text}" for text, number in model.complaints.most_common()))
    return scores, model.refused


def _keep_log(log: Path, to: Path) -> None:
    if log.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(log.read_bytes())


def _known() -> Known:
    """The voices and sounds that there are."""
    from talks.effects import CODECS, NOISES, SOUNDS
    from talks.voices import VOICES

    return Known(VOICES, NOISES, SOUNDS, CODECS)


def _make_voices(talks: Sequence[Talk]) -> int:
    from talks.player import COLLEAGUE_SAYS
    from talks.voices import make

    make([*all_speech(talks), COLLEAGUE_SAYS])
    return 0


def _parsed(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__.splitlines()[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="the talks that are marked quick; fails below the floor"
    )
    parser.add_argument(
        "--only", metavar="WORDS", help="talks, or files of them, with these words in their names"
    )
    parser.add_argument("--carrier", choices=CARRIERS, help="over one carrier only")
    parser.add_argument("--brain", choices=BRAINS, help="with one brain only")
    parser.add_argument(
        "--jobs", type=int, help=f"calls at a time (default {JOBS}, with --quick {QUICK_JOBS})"
    )
    parser.add_argument("--data", help="another folder with talks")
    parser.add_argument(
        "--recordings", default="recordings/talks", help="where each call is kept to be listened to"
    )
    parser.add_argument("--results", action="store_true", help="write talks/results.md")
    parser.add_argument("--check", action="store_true", help="read the talks, and play none")
    parser.add_argument(
        "--make-voices", action="store_true", help="speak all lines, or those of --quick, and play no talk"
    )
    options = parser.parse_args(arguments)
    if options.jobs is None:
        options.jobs = QUICK_JOBS if options.quick else JOBS
    if options.jobs < 1:
        parser.error("--jobs: give at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
