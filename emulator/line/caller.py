"""The scripted caller: says lines, presses keys, waits for the bot as a polite person does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm, loudness
from emulator.line.earpiece import AUDIBLE
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline

KEYS = frozenset("0123456789*#ABCD")
KEY_GAP_MS = 240
LONGEST_SPEECH_MS = 60_000
PAUSE_MS = {"w": 500, "W": 1000}


@dataclass(frozen=True)
class Say:
    """A sentence, spoken by the local voice. With `after_reply` off it is said at once, over the bot if need be."""

    text: str
    after_reply: bool = True


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording: 16-bit mono samples at 8 kHz, and the words that are said in it, if they are known."""

    samples: Pcm
    text: str = "(recording)"
    after_reply: bool = True


@dataclass(frozen=True)
class Digits:
    """Keys: 0-9 * # A-D, `w` for a pause of half a second, `W` for a second."""

    digits: str
    after_reply: bool = True


@dataclass(frozen=True)
class Wait:
    """Stay on the line silently for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Until(Wait):
    """Stay on the line until something is so.

    Attributes:
        seconds: Not longer than this; then it is noted as a shortcoming and the script goes on.
        what: What is waited for, for that note.
        holds: Whether it is so; asked after every 20 ms of the line.
        after_reply: Wait for one's turn first, as before speaking.
    """

    seconds: float = 15.0
    what: str = "its turn"
    holds: Callable[[PhoneLine], bool] = lambda _: True
    after_reply: bool = False


@dataclass(frozen=True)
class HangUp:
    """The caller hangs up at once, or with `after_reply` after the bot's reply."""

    after_reply: bool = False


ScriptItem = Say | Audio | Digits | Wait | HangUp


def tone(duration_ms: int, *, frequency: float = 440.0, level: float = 0.3) -> Pcm:
    """A beep, for scripts and bots without a voice. `level` is 0 to 1 of full scale."""
    time = np.arange(duration_ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    return (np.sin(2 * np.pi * frequency * time) * level * 32767).astype(np.int16)


@dataclass
class CallerLine:
    """A line as it was delivered: times in ms since the answer."""

    said: str
    start_ms: int
    end_ms: int
    digits: str | None = None


@dataclass(frozen=True)
class Manners:
    """How patient the caller is, in seconds.

    Attributes:
        patience: Silence of the bot after which it is the caller's turn.
        reply_timeout: Silence after a line after which the caller gives up waiting.
        goodbye_timeout: How long after the last line the bot may take to hang up.
    """

    patience: float = 0.9
    reply_timeout: float = 15.0
    goodbye_timeout: float = 20.0


class Keypad(Protocol):
    """Takes the caller's keys."""

    def __call__(self, digit: str) -> None:
        """Press one key."""


class Person(Protocol):
    """Who is at a leg's phone, as the leg sees it.

    Attributes:
        who: What the person is called in the timeline's texts.
        lines: What was said so far.
    """

    who: str
    lines: list[CallerLine]

    @property
    def left_as_planned(self) -> bool:
        """Whether the person hung up as was meant to be."""

    @property
    def unspoken(self) -> int:
        """How many lines are left that were to be said."""

    async def run(self) -> None:
        """Be on the phone; returns when the person hangs up."""


class ScriptedCaller:
    """Delivers a script on a line.

    While a colleague's phone rings the caller waits, however long that takes. Once handed over, the caller
    hangs up without a complaint when the script is done and nothing was said for `goodbye_timeout`.

    Args:
        script: What to do, in order; sentences must have become `Audio` already.
        line: Where to speak and listen.
        press: Takes each key.
        timeline: Where it is written down.
        fail: Takes what did not go as scripted, one short sentence each.
        manners: How patient to be.
    """

    who = "caller"
    """What the person is called in the timeline's texts; the kinds of its entries are the same for all people."""

    def __init__(
        self,
        script: Sequence[Audio | Digits | Wait | HangUp],
        line: PhoneLine,
        press: Keypad,
        timeline: Timeline,
        fail: Callable[[str], None],
        manners: Manners,
    ) -> None:
        """Prepare; nothing is said before `run`."""
        self.lines: list[CallerLine] = []
        self.left_as_planned = False
        """Whether the script's own `HangUp` was reached: the caller was to hang up."""
        self._script = script
        self._line = line
        self._press = press
        self._timeline = timeline
        self._fail = fail
        self._manners = manners
        self._unanswered = 0

    @property
    def unspoken(self) -> int:
        """How many scripted lines were not delivered."""
        return sum(isinstance(item, (Audio, Digits)) for item in self._script) - len(self.lines)

    async def run(self) -> None:
        """Play the script; returns when the caller hangs up. A bot that hangs up first cancels this."""
        for item in self._script:
            if not isinstance(item, Wait) and item.after_reply and not await self._turn_is_mine():
                return
            match item:
                case Until():
                    if item.after_reply and not await self._turn_is_mine():
                        return
                    await self._wait_until(item)
                case Wait(seconds):
                    await self._line.until_ms(self._line.now_ms + round(seconds * 1000))
                case HangUp():
                    # A hang-up comes no sooner to the far end than the words before it.
                    await self._line.until_ms(self._line.now_ms + self._line.impairments.ear_ms)
                    self.left_as_planned = True
                    return
                case Digits():
                    await self._press_all(item)
                case Audio():
                    await self._speak(item)
        await self._until_bot_hangs_up()

    async def _wait_until(self, item: Until) -> None:
        limit_ms = self._line.now_ms + round(item.seconds * 1000)
        while not item.holds(self._line):
            if self._line.now_ms >= limit_ms:
                self._fail(f"the {self.who} waited {item.seconds:g} s in vain for: {item.what}")
                return
            await self._line.tick()

    async def _speak(self, item: Audio) -> None:
        start_ms = self._line.now_ms
        first_ms, last_ms = audible_span(item.samples)
        line = CallerLine(item.text, start_ms + first_ms, start_ms + last_ms)
        self.lines.append(line)
        kind = "caller_speech"
        self._timeline.note(kind, item.text, at_ms=line.start_ms, edge="start", text=item.text)
        self._line.mouthpiece.speak(item.samples)
        while self._line.mouthpiece.speaking:
            await self._line.tick()
        spoken = f"{self.who} stops after {(line.end_ms - line.start_ms) / 1000:.1f} s"
        self._timeline.note(kind, spoken, at_ms=line.end_ms, edge="stop")

    async def _press_all(self, item: Digits) -> None:
        start_ms = self._line.now_ms
        line = CallerLine(f"(keys {item.digits})", start_ms, start_ms, digits=item.digits)
        self.lines.append(line)
        for digit in item.digits:
            if digit in PAUSE_MS:
                await self._line.until_ms(self._line.now_ms + PAUSE_MS[digit])
                continue
            self._note_key(digit)
            self._press(digit)
            line.end_ms = self._line.now_ms
            await self._line.until_ms(self._line.now_ms + KEY_GAP_MS)

    def _note_key(self, digit: str) -> None:
        self._timeline.note("digits", digit, digit=digit)

    async def _turn_is_mine(self) -> bool:
        """Wait until the bot has spoken and is silent. False when the caller has had enough and hangs up."""
        start_ms, end_ms = self._last_line()
        hearing = self._line.hearing
        while hearing.reply_to(start_ms, end_ms) is None:
            await self._line.tick()
            silent_since = max(end_ms, hearing.last_audible_ms or 0, self._line.rang_ms)
            if self._line.now_ms - silent_since >= self._manners.reply_timeout * 1000:
                return self._gave_up()
        self._unanswered = 0
        begin_ms = self._line.now_ms
        while (
            self._line.now_ms - max(hearing.last_audible_ms or 0, self._line.rang_ms)
            < self._manners.patience * 1000
        ):
            await self._line.tick()
            if self._line.other_end.is_nobody:
                begin_ms = self._line.now_ms
            if self._line.now_ms - begin_ms > LONGEST_SPEECH_MS:
                self._fail(
                    f"the bot talked for {LONGEST_SPEECH_MS // 1000} s without a pause; the caller interrupts"
                )
                break
        return True

    def _gave_up(self) -> bool:
        after = f"after {self.lines[-1].said!r}" if self.lines else "after the answer"
        self._unanswered += 1
        go_on = self._unanswered < 2
        what = "goes on" if go_on else "hangs up"
        self._fail(f"the bot said nothing for {self._manners.reply_timeout:.0f} s {after}; the caller {what}")
        return go_on

    async def _until_bot_hangs_up(self) -> None:
        _, end_ms = self._last_line()
        hearing = self._line.hearing
        while True:
            await self._line.tick()
            limit_ms = max(end_ms, self._line.engaged_ms) + self._manners.goodbye_timeout * 1000
            silent_ms = self._line.now_ms - max(end_ms, hearing.last_audible_ms or 0, self._line.rang_ms)
            if self._line.other_end.is_person and silent_ms >= self._manners.goodbye_timeout * 1000:
                return
            # People do not hang up in the middle of the other's sentence, but they do not listen for ever either.
            if self._line.now_ms >= limit_ms and silent_ms >= self._manners.patience * 1000:
                break
            if self._line.now_ms >= limit_ms + LONGEST_SPEECH_MS:
                break
        self._fail(
            f"the bot did not hang up within {self._manners.goodbye_timeout:.0f} s of the caller's last line"
        )

    def _last_line(self) -> tuple[int, int]:
        return (self.lines[-1].start_ms, self.lines[-1].end_ms) if self.lines else (0, 0)


def audible_span(samples: Pcm) -> tuple[int, int]:
    """First and last audible moment of a recording, in ms from its beginning; its whole length if it is silent."""
    frames = [samples[at : at + FRAME_SAMPLES] for at in range(0, len(samples), FRAME_SAMPLES)]
    loud = [index for index, frame in enumerate(frames) if loudness(frame) >= AUDIBLE]
    total_ms = len(samples) * 1000 // SAMPLE_RATE
    if not loud:
        return 0, total_ms
    return loud[0] * FRAME_MS, min(total_ms, (loud[-1] + 1) * FRAME_MS)
