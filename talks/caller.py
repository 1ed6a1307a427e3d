"""The person of a talk at their phone: does what the talk says when it says so, hearing what the bot does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emulator.legs.call import Call
from emulator.line.caller import CallerLine, Digits, Keypad, Manners, ScriptedCaller
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline
from talks.format import Turn

REPLY_SECS = 8.0
"""How long a reply is waited for before the person goes on."""

INTO_SECS = 12.0
"""How long the bot's speech is waited for, to speak into it."""

GOODBYE_SECS = 12.0
"""How long a bot may be silent after the last line before the person hangs up."""

LONGEST_SPEECH_MS = 60_000
STILL_SPEAKING_MS = 120
AUDIBLE_DB = -35.0
"""From which level on, in relation to the loudest 20 ms of a recording, it is heard: soft callers count, too."""


@dataclass(frozen=True, eq=False)
class Part:
    """A turn that is ready to be done.

    Attributes:
        turn: What it is.
        samples: What is said, as it comes out of the phone; empty for keys and silence.
        words: What is said, for the timeline.
    """

    turn: Turn
    samples: Pcm
    words: str


@dataclass
class Done:
    """A turn as it was done; times in ms since the answer.

    Attributes:
        turn: What it was.
        start_ms: The first sound of it; where keys and silence begin.
        end_ms: The end of its last sound.
        in_time: Whether it came at the moment that it names: the bot did speak where it was to be spoken into.
    """

    turn: Turn
    start_ms: int
    end_ms: int
    in_time: bool = True


def sound_of(samples: Pcm) -> tuple[int, int]:
    """First and last audible moment of a recording in ms from its beginning, however soft it is."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1))
    if not len(levels) or not levels.max():
        return 0, len(samples) * 1000 // SAMPLE_RATE
    loud = np.flatnonzero(levels >= levels.max() * 10 ** (AUDIBLE_DB / 20))
    return int(loud[0]) * FRAME_MS, int(loud[-1] + 1) * FRAME_MS


class TalkingCaller(ScriptedCaller):
    """Does the turns of a talk.

    Args:
        parts: The turns, in order.
        line: Where to speak and listen.
        press: Takes each key.
        timeline: Where it is written down.
        fail: Takes what did not go as the talk says.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        line: PhoneLine,
        press: Keypad,
        timeline: Timeline,
        fail: Callable[[str], None],
    ) -> None:
        """Prepare; nothing is said before `run`."""
        super().__init__((), line, press, timeline, fail, Manners(goodbye_timeout=GOODBYE_SECS))
        self._parts = parts
        self.done: list[Done] = []

    @classmethod
    def take_over(cls, call: Call, parts: Sequence[Part]) -> TalkingCaller:
        """Put such a person to the phone of a call that has not begun."""
        taken = cls(parts, call.line, call._press, call.timeline, call.fail)
        call.caller = taken
        return taken

    @property
    def unspoken(self) -> int:
        """How many turns were not done; a bot that has hung up before is no fault of the script."""
        return 0

    @property
    def left(self) -> Sequence[Part]:
        """The turns that were not done."""
        return self._parts[len(self.done) :]

    async def run(self) -> None:
        """Do all turns; returns when the person hangs up. A bot that hangs up first cancels this."""
        for part in self._parts:
            in_time = await self._moment(part.turn)
            await self._do(part, in_time)
            if part.turn.hang_up:
                self.left_as_planned = True
                return
        await self._until_bot_hangs_up()

    # Doing

    async def _do(self, part: Part, in_time: bool) -> None:
        turn, line = part.turn, self._line
        done = Done(turn, line.now_ms, line.now_ms, in_time)
        if turn.press is not None:
            self.done.append(done)
            await self._press_all(Digits(turn.press))
            done.end_ms = self.lines[-1].end_ms
        elif turn.silence is not None:
            self.done.append(done)
            self._timeline.note("caller_silent", f"the {self.who} says nothing for {turn.silence:g} s")
            await line.until_ms(line.now_ms + round(turn.silence * 1000))
            # What a bot says into the silence is an answer to it: only its beginning counts.
        elif len(part.samples):
            first_ms, last_ms = sound_of(part.samples)
            done.start_ms, done.end_ms = line.now_ms + first_ms, line.now_ms + last_ms
            self.done.append(done)
            await self._say(part, done)
        else:
            self.done.append(done)

    async def _say(self, part: Part, done: Done) -> None:
        self.lines.append(CallerLine(part.words, done.start_ms, done.end_ms))
        kind = "caller_speech"
        self._timeline.note(kind, part.words, at_ms=done.start_ms, edge="start", text=part.words)
        self._line.mouthpiece.speak(part.samples)
        while self._line.mouthpiece.speaking:
            await self._line.tick()
        spoken = f"{self.who} stops after {(done.end_ms - done.start_ms) / 1000:.1f} s"
        self._timeline.note(kind, spoken, at_ms=done.end_ms, edge="stop")

    # Waiting

    async def _moment(self, turn: Turn) -> bool:
        """Wait until a turn's time has come; False when what it waits for did not come."""
        if turn.into is not None:
            return await self._into(turn.into)
        before = self.done[-1] if self.done else None
        if turn.then is not None and before is not None:
            await self._line.until_ms(before.end_ms + round(turn.then * 1000))
            return True
        replied = await self._reply(before)
        await self._quiet(before.end_ms if before else 0, turn.after)
        return replied

    async def _reply(self, before: Done | None) -> bool:
        """Wait for what is said to the line before, where something is to be said."""
        line, hearing = self._line, self._line.hearing
        start_ms, end_ms = (before.start_ms, before.end_ms) if before else (0, 0)
        if before is not None and before.turn.waits is not None:
            await line.until_ms(end_ms + round(before.turn.waits * 1000))
            return True
        if before is not None and (before.turn.keeps_talking or before.turn.silence is not None):
            return True
        while hearing.reply_to(start_ms, end_ms) is None:
            await line.tick()
            silent_since = max(end_ms, hearing.last_audible_ms or 0, line.rang_ms)
            if line.now_ms - silent_since >= REPLY_SECS * 1000:
                return False
        return True

    async def _quiet(self, end_ms: int, secs: float) -> None:
        line, begin_ms = self._line, self._line.now_ms
        while line.now_ms - max(end_ms, line.hearing.last_audible_ms or 0, line.rang_ms) < secs * 1000:
            await line.tick()
            if line.other_end.is_nobody:
                begin_ms = line.now_ms
            if line.now_ms - begin_ms > LONGEST_SPEECH_MS:
                self._fail(f"the bot talked for {LONGEST_SPEECH_MS // 1000} s; the {self.who} interrupts")
                return

    async def _into(self, secs: float) -> bool:
        """Wait until the bot has been speaking for so long since the line before."""
        line = self._line
        from_ms = self.done[-1].end_ms if self.done else 0
        limit_ms = line.now_ms + INTO_SECS * 1000
        while line.now_ms < limit_ms:
            said = line.hearing.utterances
            if said and line.now_ms - said[-1].end_ms <= STILL_SPEAKING_MS:
                if line.now_ms - max(from_ms, said[-1].start_ms) >= secs * 1000:
                    return True
            await line.tick()
        return False

    async def _until_bot_hangs_up(self) -> None:
        """Wait for the bot to hang up, for as long as people do; then hang up."""
        line = self._line
        while True:
            await line.tick()
            last_ms = max(self.done[-1].end_ms, line.hearing.last_audible_ms or 0, line.engaged_ms)
            if line.now_ms - last_ms >= GOODBYE_SECS * 1000:
                return


class TalkingColleague(TalkingCaller):
    """A person whom the bot calls: speaks first, and hangs up when nothing more comes."""

    who = "person"

    async def _reply(self, before: Done | None) -> bool:
        # The person who picks up speaks first.
        return before is None or await super()._reply(before)
