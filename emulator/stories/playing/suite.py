"""Plays many stories, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.line.impairments import IDEAL, Profile
from emulator.line.speech import Ears, Voice
from emulator.stories.playing.outcome import Outcome, Speech
from emulator.stories.playing.play import play
from emulator.stories.playing.serving import Server
from emulator.stories.story import Story


@dataclass(frozen=True)
class Performance:
    """One story on one carrier."""

    story: Story
    carrier: str


def performances(
    stories: Sequence[Story],
    *,
    carrier: str | None = None,
    only: Sequence[str] = (),
    voice: str | None = None,
) -> list[Performance]:
    """What there is to play.

    Args:
        stories: The stories.
        carrier: Only on this one.
        only: Parts of names of files or stories; empty for all.
        voice: Only stories whose people speak in this one, `beeps` or `words`.
    """
    return [
        Performance(story, name)
        for story in stories
        for name in story.carriers
        if carrier in (None, name)
        and voice in (None, story.voice)
        and (not only or any(part in story.file.stem or part in story.name for part in only))
    ]


async def load_speech() -> Speech:
    """The local voice and ears.

    Raises:
        ModelsMissing: They are not installed.
    """
    voice, ears = await asyncio.gather(asyncio.to_thread(Voice), asyncio.to_thread(Ears))
    return Speech(voice.speak, ears.transcribe)


async def play_all(
    wanted: Sequence[Performance],
    server: Server,
    *,
    jobs: int = 1,
    again: int = 0,
    credentials: Credentials | None = None,
    keep: Path | None = None,
    tell: Callable[[Outcome], None] = lambda _: None,
    line: Profile = IDEAL,
) -> list[Outcome]:
    """Play stories; those in words come last and one at a time, because a real voice needs the whole machine.

    Args:
        wanted: What to play.
        server: Starts the server under test.
        jobs: How many at a time.
        again: If at most so many have failed, each of them is played once more in the end, with nothing beside it:
            a busy machine can make a caller late. If more have, something is broken, and none is.
        credentials: The emulated account.
        keep: A folder for recordings and servers' output, with one for each story in it.
        tell: Called with each outcome as it comes.
        line: How the lines behave where a story does not say so itself.

    Returns:
        The last outcome of each.

    Raises:
        ModelsMissing: A story's people speak in words, and the local voice is not installed.
    """
    slots = asyncio.Semaphore(jobs)
    in_words = [one for one in wanted if one.story.voice == "words"]
    speech = await load_speech() if in_words else None

    async def perform(one: Performance) -> Outcome:
        async with slots:
            place = None if keep is None else keep / f"{one.story.file.stem}-{one.carrier}"
            try:
                outcome = await play(
                    one.story,
                    one.carrier,
                    server,
                    credentials=credentials,
                    speech=speech if one in in_words else None,
                    keep=place,
                    line=line,
                )
            except EmulatorError as error:
                outcome = Outcome(one.story, one.carrier, trouble=str(error))
            tell(outcome)
            return outcome

    quick = [one for one in wanted if one.story.voice != "words"]
    outcomes = list(await asyncio.gather(*(perform(one) for one in quick)))
    for one in in_words:
        outcomes.append(await perform(one))
    failed = [number for number, outcome in enumerate(outcomes) if not outcome.passed]
    if len(failed) <= again:
        for number in failed:
            outcomes[number] = await perform(Performance(outcomes[number].story, outcomes[number].carrier))
            outcomes[number].times = 2
    return outcomes
