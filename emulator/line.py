"""The phone line between the caller and the carrier: a clock of 20 ms frames with a mouth and an ear."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.codecs import FRAME_MS, FRAME_SAMPLES, Pcm
from emulator.earpiece import Earpiece
from emulator.hearing import SpeechStarted, SpeechWatch
from emulator.timeline import Timeline

LATE_MS = 100
"""A frame later than this is noted: the machine was busy, and what was measured is not only the bot's fault."""


class StreamEnd(Protocol):
    """What the line needs of a media stream."""

    def say(self, frame: Pcm) -> None:
        """Send 20 ms of the caller's voice."""

    def return_marks(self, names: list[str]) -> None:
        """Tell the bot that the audio before these marks was played."""


@dataclass(frozen=True)
class OtherEnd:
    """Who is at the other end of a line, and how the timeline tells that they are heard.

    Attributes:
        who: `bot`, `ringing` (nobody yet) or `colleague`; for a colleague's own line `caller`.
        kind: The kind of the timeline's entries.
        starts: Text of the entry when they begin to be heard.
        stops: Text of the entry when they are silent again; the length of the speech is added.
    """

    who: str
    kind: str
    starts: str
    stops: str


BOT = OtherEnd("bot", "bot_speech", "bot starts to speak", "bot stops after")
RINGING = OtherEnd("ringing", "bot_speech", "sound while it rings", "sound stops after")


class PhoneLine:
    """Runs from the answer to the hang-up.

    Every 20 ms, on an absolute schedule so that nothing drifts, one frame of the caller goes to the stream
    and one frame of the bot reaches the ear. A late tick is made up for at once.

    Args:
        timeline: Where speech is written down; its zero is the first frame.
        noise_db: Level of constant noise on the caller's side in dB relative to full scale, for example -50;
            None for none.
        begins_ms: The line's first frame on the timeline; other than 0 for the second leg of a call.
        other_end: Who is heard at first.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        noise_db: float | None = None,
        begins_ms: int = 0,
        other_end: OtherEnd = BOT,
    ) -> None:
        """Prepare a silent line."""
        self.earpiece = Earpiece()
        self.hearing = SpeechWatch()
        self.stream: StreamEnd | None = None
        self.said: list[Pcm] = []
        self.heard: list[Pcm] = []
        self.worst_lag_ms = 0
        self.signal: Iterator[Pcm] | None = None
        """Frames of the network's own tones (ringing, keys): heard and recorded, but nobody's speech."""
        self.second: PhoneLine | None = None
        """A line that takes its time from this one: two clocks would drift apart and tear holes into speech."""
        self.rang_ms = 0
        """When the caller last heard a colleague's phone ring (or waited for it to ring)."""
        self.engaged_ms = 0
        """When it last rang, or somebody else than the bot was at the other end."""
        self.other_end = other_end
        self._begins_ms = begins_ms
        self._timeline = timeline
        self._mouth: deque[Pcm] = deque()
        self._tick = asyncio.Event()
        self._down = False
        self._noise = None if noise_db is None else 32768 * 10 ** (noise_db / 20)
        self._random = np.random.default_rng(20)

    @property
    def now_ms(self) -> int:
        """Where the line is: the end of the last frame, in ms since the call was answered."""
        return self._begins_ms + len(self.heard) * FRAME_MS

    @property
    def speaking(self) -> bool:
        """Whether the caller still has something to say in the mouth."""
        return bool(self._mouth)

    def speak(self, samples: Pcm) -> None:
        """Let the caller say this, behind what is being said."""
        if len(samples):
            self._mouth.append(samples)

    async def tick(self) -> None:
        """Wait for the next frame. Raises asyncio.CancelledError only; after the hang-up it waits for ever."""
        await self._tick.wait()

    async def until_ms(self, at_ms: int) -> None:
        """Wait until the line's clock has reached a time."""
        while self.now_ms < at_ms:
            await self.tick()

    async def run(self) -> None:
        """Run the clock until `hang` or cancellation."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while True:
            due = begin + (self.now_ms - self._begins_ms) / 1000
            lag = loop.time() - due
            if lag < 0:
                await asyncio.sleep(-lag)
            else:
                # Catching up: let the sockets be read in between, or a busy machine would look like a silent
                # bot.
                for _ in range(3):
                    await asyncio.sleep(0)
            if self._down:
                return
            lag_ms = round((loop.time() - due) * 1000)
            if lag_ms > LATE_MS and self.worst_lag_ms <= LATE_MS:
                self._timeline.note("note", f"this machine is busy: the line's clock is {lag_ms} ms late")
            self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)
            self.step()

    def hang(self) -> None:
        """Stop the clock for good; nothing is said or heard after this."""
        self._down = True
        self._finish_hearing()

    def listen_to(self, other_end: OtherEnd) -> None:
        """From now on somebody else is heard."""
        self._finish_hearing()
        self.other_end = other_end

    def step(self) -> None:
        """Let 20 ms pass, on this line and on the second one. For `run`, and for a line without its own clock."""
        at_ms = self.now_ms
        # What is spoken during a frame can be sent when it ends, not before.
        spoken = self.said[-1] if self.said else None
        self.said.append(self._next_spoken())
        heard = self.earpiece.step()
        self.heard.append(self._with_signal(heard.frame))
        if self.other_end is not BOT:
            self.engaged_ms = self.now_ms
        if self.other_end is RINGING:
            self.rang_ms = self.now_ms
        if heard.underrun_ms is not None:
            self._timeline.note(
                "underrun",
                f"{heard.underrun_ms} ms of silence in the middle of speech",
                at_ms=at_ms,
                ms=heard.underrun_ms,
            )
        if self.stream is not None:
            self.stream.return_marks(heard.marks)
            if spoken is not None:
                self.stream.say(spoken)
        for event in self.hearing.hear(heard.frame, at_ms):
            if isinstance(event, SpeechStarted):
                if len(self.hearing.utterances) == 1 and self.other_end is BOT:
                    self._timeline.note(
                        "first_audio", "the first sound reaches the caller", at_ms=event.at_ms
                    )
                self._timeline.note(
                    self.other_end.kind, self.other_end.starts, at_ms=event.at_ms, edge="start"
                )
            else:
                self._note_stop(event.start_ms, event.end_ms)
        if self.second is not None:
            self.second.step()
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    def _with_signal(self, frame: Pcm) -> Pcm:
        tone = None if self.signal is None else next(self.signal, None)
        if tone is None:
            self.signal = None
            return frame
        return np.clip(frame.astype(np.int32) + tone, -32768, 32767).astype(np.int16)

    def _finish_hearing(self) -> None:
        for event in self.hearing.finish():
            self._note_stop(event.start_ms, event.end_ms)

    def _note_stop(self, start_ms: int, end_ms: int) -> None:
        self._timeline.note(
            self.other_end.kind,
            f"{self.other_end.stops} {(end_ms - start_ms) / 1000:.1f} s",
            at_ms=end_ms,
            edge="stop",
            start_ms=start_ms,
            end_ms=end_ms,
        )

    def _next_spoken(self) -> Pcm:
        frame = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        filled = 0
        while filled < FRAME_SAMPLES and self._mouth:
            taken = self._mouth[0][: FRAME_SAMPLES - filled]
            frame[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) == len(self._mouth[0]):
                self._mouth.popleft()
            else:
                self._mouth[0] = self._mouth[0][len(taken) :]
        if self._noise is not None:
            noisy = frame + self._random.normal(0.0, self._noise, FRAME_SAMPLES)
            frame = np.clip(noisy, -32768, 32767).astype(np.int16)
        return frame
