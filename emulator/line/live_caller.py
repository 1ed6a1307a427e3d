"""A caller who is not played: somebody speaks, listens and presses keys while the call goes on.

What is said comes from elsewhere, on a clock of its own and with jitter, so it is buffered a little before it is
spoken. The line takes 20 ms at a time whatever comes: where nothing is there, there is a gap, and gaps are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from emulator.line.caller import CallerLine, Keypad
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.hearing import SpeechStarted, SpeechStopped, SpeechWatch
from emulator.line.line import PhoneLine
from emulator.line.mouthpiece import Mouthpiece
from emulator.timeline import Timeline

PREFILL_MS = 60
"""How much has to wait before it is spoken: what a busy browser and a busy machine are late now and then."""

LONGEST_PREFILL_MS = 160
MORE_MS = 20
"""After a gap so much more is kept back, up to the longest: the browser or the machine is busier than was thought."""

MOST_MS = 400
"""More than this is what piled up while something stood still; the oldest of it is thrown away."""

SPOKEN = "(speech)"
"""What a live caller said, for the report: nobody has written it down."""


class LiveMouthpiece(Mouthpiece):
    """A jitter buffer in front of the line."""

    def __init__(self, noise_db: float | None = None) -> None:
        """Nothing to say yet."""
        super().__init__(noise_db)
        self.gaps = 0
        """How often the buffer ran dry while somebody spoke into it."""
        self.dropped_ms = 0
        self._waiting = 0
        self._flows = False
        self._prefill_ms = PREFILL_MS

    @property
    def waiting_ms(self) -> int:
        """How much is buffered."""
        return self._waiting * 1000 // SAMPLE_RATE

    def speak(self, samples: Pcm) -> None:
        """Take what was just said."""
        super().speak(samples)
        self._waiting += len(samples)
        if self.waiting_ms > MOST_MS:
            surplus = self._waiting - self._prefill_ms * SAMPLE_RATE // 1000
            self._queue.extendleft([np.concatenate(self._take_all())[surplus:]])
            self._waiting -= surplus
            self.dropped_ms += surplus * 1000 // SAMPLE_RATE

    def step(self) -> Pcm:
        """The next 20 ms."""
        self._flows = self._flows or self.waiting_ms >= self._prefill_ms
        held = [] if self._flows else self._take_all()
        if self._flows and self._waiting < FRAME_SAMPLES:
            self._flows = False
            self._prefill_ms = min(self._prefill_ms + MORE_MS, LONGEST_PREFILL_MS)
            self.gaps += 1
        frame = super().step()
        self._queue.extend(held)
        self._waiting = sum(len(one) for one in self._queue)
        return frame

    def _take_all(self) -> list[Pcm]:
        waiting = list(self._queue)
        self._queue.clear()
        return waiting


class LiveCaller:
    """The person at the phone, as a `Call` has one. Times are ms since the answer.

    Args:
        line: Where to speak and listen.
        press: Takes each key.
        timeline: Where speech and keys are written down.
        hear: Takes each 20 ms that are heard, from the answer on.
    """

    who = "caller"
    unspoken = 0
    left_as_planned = True

    def __init__(
        self, line: PhoneLine, press: Keypad, timeline: Timeline, hear: Callable[[Pcm], None]
    ) -> None:
        """Listen from the answer on."""
        self.lines: list[CallerLine] = []
        self.mouthpiece = line.mouthpiece = LiveMouthpiece(line.mouthpiece.noise_db)
        self._line = line
        self._press = press
        self._timeline = timeline
        self.hear = hear
        """Takes each 20 ms that are heard."""
        self._speech = SpeechWatch()
        self._left = False
        self._replied_to_ms: int | None = None

    def speak(self, samples: Pcm) -> None:
        """Say this, 8 kHz samples; only what is said after the answer is heard by anybody."""
        if self._line.heard:
            self.mouthpiece.speak(samples)

    def press(self, digit: str) -> None:
        """Press a key."""
        self._timeline.note("digits", digit, digit=digit)
        self.lines.append(CallerLine(f"(keys {digit})", self._line.now_ms, self._line.now_ms, digits=digit))
        self._press(digit)

    def hang_up(self) -> None:
        """Put the receiver down."""
        self._left = True

    def waited_ms(self, at_ms: int) -> int | None:
        """How long the caller has waited at this time since their last sound.

        Returns:
            None where nothing was said since the last time that this was asked.
        """
        last = self._speech.last_audible_ms
        if last is None or last == self._replied_to_ms:
            return None
        self._replied_to_ms = last
        return max(0, at_ms - last)

    async def run(self) -> None:
        """Stay on the line; returns when the receiver is put down. A bot that hangs up first cancels this."""
        done = 0
        while not self._left:
            await self._line.tick()
            for at in range(done, len(self._line.heard)):
                self.hear(self._line.heard[at])
                for event in self._speech.hear(self._line.said[at], at * FRAME_MS):
                    self._note(event)
            done = len(self._line.heard)
            self._lengthen()
        # What is being said is said to its end, for the report
        for stopped in self._speech.finish():
            self._note(stopped)
        await asyncio.sleep(0)

    def _lengthen(self) -> None:
        """What is being said lasts until now: whoever records it does not take it for silence."""
        last = self._speech.last_audible_ms
        line = next((one for one in reversed(self.lines) if one.digits is None), None)
        if line is not None and last is not None:
            line.end_ms = max(line.end_ms, last)

    def _note(self, event: SpeechStarted | SpeechStopped) -> None:
        kind = "caller_speech"
        if isinstance(event, SpeechStarted):
            self.lines.append(CallerLine(SPOKEN, event.at_ms, event.at_ms))
            self._timeline.note(
                kind, f"{self.who} starts to speak", at_ms=event.at_ms, edge="start", text=SPOKEN
            )
            return
        line = next((one for one in reversed(self.lines) if one.digits is None), None)
        if line is not None:
            line.end_ms = event.end_ms
        text = f"{self.who} stops after {(event.end_ms - event.start_ms) / 1000:.1f} s"
        self._timeline.note(kind, text, at_ms=event.end_ms, edge="stop")
