"""The phone line between a person's phone and the carrier: 20 ms frames with a mouth and an ear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from emulator.line.clock import Clock
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, Pcm, loudness, mixed
from emulator.line.earpiece import AUDIBLE, Earpiece
from emulator.line.hearing import SpeechStarted, SpeechWatch
from emulator.line.impairments import LineImpairments
from emulator.line.mouthpiece import Mouthpiece
from emulator.line.other_end import BOT, OtherEnd
from emulator.line.seams import Seams
from emulator.timeline import Timeline

HEARD_AGAIN_MS = 500
"""A bot that was silent for so long while other people talked interrupts them anew."""

LATE_MS = 100
"""A frame later than this is noted: the machine was busy, and what was measured is not only the bot's fault."""


class StreamEnd(Protocol):
    """What the line needs of a media stream."""

    def say(self, frame: Pcm) -> bool:
        """Send 20 ms of the caller's voice; whether the stream takes any yet."""

    def return_marks(self, names: list[str]) -> None:
        """Tell the bot that the audio before these marks was played."""


class Company(Protocol):
    """What a line needs of the room where others hear it; `emulator.line.room.Room` is one."""

    @property
    def talking(self) -> bool:
        """Whether at least two can hear each other."""

    def leave(self, line: PhoneLine) -> None:
        """Go out."""

    def press(self, line: PhoneLine, digit: str) -> None:
        """A key of this line is heard by all others."""

    def mix_for(self, line: PhoneLine) -> Pcm | None:
        """What this line hears of the others in this frame; None for silence."""

    def bots_for(self, line: PhoneLine) -> list[Pcm]:
        """What this line hears in this frame of the bots on the others' media streams."""


class PhoneLine:
    """Runs from the answer to the hang-up.

    With every step of the network's clock one frame of the person at the phone goes to the media stream and to the
    other lines in the same room, and one frame of theirs reaches the person's ear.

    Args:
        timeline: Where speech is written down; its zero is the first frame.
        clock: What steps the line.
        noise_db: Level of constant noise on the caller's side in dB relative to full scale, for example -50;
            None for none.
        impairments: What the line does to what is heard on it; nothing when not given.
    """

    def __init__(
        self,
        timeline: Timeline,
        clock: Clock,
        *,
        noise_db: float | None = None,
        impairments: LineImpairments | None = None,
    ) -> None:
        """Prepare a silent line."""
        self.impairments = impairments or LineImpairments()
        self.seams = Seams(timeline)
        self.earpiece = Earpiece()
        self.mouthpiece = Mouthpiece(noise_db)
        self.hearing = SpeechWatch()
        self.stream: StreamEnd | None = None
        self.said: list[Pcm] = []
        self.heard: list[Pcm] = []
        self.worst_lag_ms = 0
        self.signal: Iterator[Pcm] | None = None
        """Frames of the network's own tones (ringing, keys): heard and recorded, but not counted as speech."""
        self.room: Company | None = None
        """Where other lines are heard; see `Room.join`."""
        self.plays_here = True
        """Whether what the bot sends on this line's stream is heard at its own ear."""
        self.plays_there = False
        """Whether it is heard by the others in the room."""
        self.played: Pcm | None = None
        """The bot's last frame, if the others hear it."""
        self.talked_over_ms = 0
        """How much a bot was heard here while this line was connected with people."""
        self._talked_over_until_ms: int | None = None
        self.spoken: Pcm | None = None
        """What was said in the frame before this one: it can be sent when that frame ends, not before."""
        self.rang_ms = 0
        """When the caller last heard a colleague's phone ring (or waited for it to ring)."""
        self.engaged_ms = 0
        """When it last rang, or another person than the bot was at the other end."""
        self.other_end = BOT
        self.timeline = timeline
        self.people: list[tuple[int, int]] = []
        """When people of the network were at the other end, in ms: `[start, end)`."""
        self._clock = clock
        self._running: asyncio.Future[None] | None = None
        self._person_since_ms: int | None = None
        self._tick = asyncio.Event()

    @property
    def now_ms(self) -> int:
        """Where the line is: the end of the last frame, in ms since the call was answered."""
        return len(self.heard) * FRAME_MS

    @property
    def ear_ms(self) -> int:
        """When what the carrier plays now is heard, in ms since the call was answered."""
        return self.timeline.now_ms() + self.impairments.ear_ms

    async def tick(self) -> None:
        """Wait for the next frame. Raises asyncio.CancelledError only; after the hang-up it waits for ever."""
        await self._tick.wait()

    async def until_ms(self, at_ms: int) -> None:
        """Wait until the line's clock has reached a time."""
        while self.now_ms < at_ms:
            await self.tick()

    def start(self) -> asyncio.Future[None]:
        """Begin; the future is done when the line is hung up, and has the error if a step fails."""
        self._running = asyncio.get_running_loop().create_future()
        self._clock.attach(self)
        return self._running

    def hang(self) -> None:
        """Stop for good; nothing is said or heard after this."""
        self._clock.detach(self)
        if self.room is not None:
            self.room.leave(self)
        self._finish_hearing()
        self._note_person(self.other_end)
        self.seams.end()
        self.stream = None
        if self._running is not None and not self._running.done():
            self._running.set_result(None)

    def listen_to(self, other_end: OtherEnd) -> None:
        """Note that another party is at the other end from now on."""
        self._finish_hearing()
        self._note_person(self.other_end)
        self.other_end = other_end
        if other_end.is_person:
            self._person_since_ms = self.now_ms

    @property
    def only_people(self) -> bool:
        """Whether no bot listens, and at least one other person does."""
        return self.stream is None and self.room is not None and self.room.talking

    @property
    def bot_is_heard(self) -> bool:
        """Whether the person at this line, or the others in its room, hear what the bot sends on this line's stream."""
        return self.plays_here or (self.plays_there and self.room is not None)

    @property
    def unheard_ms(self) -> int:
        """How many ms of speech to the person at the phone would be lost if the line was hung up now."""
        under_way = sum(FRAME_MS for frame in self.impairments.under_way if loudness(frame) >= AUDIBLE)
        return self.earpiece.audible_ms + under_way

    # What the clock does

    def late(self, lag_ms: int) -> None:
        """Note the first frame that comes much too late."""
        if lag_ms > LATE_MS and self.worst_lag_ms <= LATE_MS:
            self.timeline.note("note", f"this machine is busy: the line's clock is {lag_ms} ms late")
        self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)

    def broken(self, error: Exception) -> None:
        """A step failed."""
        if self._running is not None and not self._running.done():
            self._running.set_exception(error)

    def speak_frame(self) -> None:
        """Take the next 20 ms out of the mouth."""
        self.spoken = self.said[-1] if self.said else None
        self.said.append(self.impairments.at_the_mouth(self.mouthpiece.step()))

    def hear_frame(self) -> None:
        """Bring 20 ms to the ear: of the bot, of the others in the room, and the network's own tones."""
        at_ms = self.now_ms
        heard = self.earpiece.step()
        self.played = heard.frame if self.plays_there else None
        frame = heard.frame if self.plays_here else np.zeros(FRAME_SAMPLES, dtype=np.int16)
        if self.room is not None:
            frame = mixed(frame, *self.room.bots_for(self))
            self._notice_a_bot(frame, at_ms)
            if (others := self.room.mix_for(self)) is not None:
                frame = mixed(frame, others)
        frame, with_signal = self.impairments.at_the_ear(frame, self._with_signal(frame))
        self.heard.append(with_signal)
        if self.other_end is not BOT:
            self.engaged_ms = self.now_ms
        if self.other_end.is_nobody:
            self.rang_ms = self.now_ms
        if heard.underrun_ms is not None:
            self.timeline.note(
                "underrun",
                f"{heard.underrun_ms} ms of silence in the middle of speech",
                at_ms=at_ms,
                ms=heard.underrun_ms,
            )
        if self.stream is not None:
            self.stream.return_marks(heard.marks)
        if self.spoken is not None:
            self._pass_on(self.spoken, at_ms)
        for event in self.hearing.hear(frame, at_ms):
            if isinstance(event, SpeechStarted):
                if len(self.hearing.utterances) == 1 and self.other_end is BOT:
                    self.timeline.note("first_audio", "the first sound reaches the caller", at_ms=event.at_ms)
                self.timeline.note(
                    self.other_end.kind, self.other_end.starts, at_ms=event.at_ms, edge="start"
                )
            else:
                self._note_stop(event.start_ms, event.end_ms)
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    def _notice_a_bot(self, frame: Pcm, at_ms: int) -> None:
        if not self.other_end.is_person or loudness(frame) < AUDIBLE:
            return
        until_ms, self._talked_over_until_ms = self._talked_over_until_ms, at_ms + FRAME_MS
        self.talked_over_ms += FRAME_MS
        if until_ms is None or at_ms - until_ms >= HEARD_AGAIN_MS:
            text = f"the bot is heard over the {self.other_end.who}"
            self.timeline.note("talked_over", text, at_ms=at_ms)

    def _pass_on(self, spoken: Pcm, at_ms: int) -> None:
        if self.stream is not None and self.stream.say(spoken):
            self.seams.heard(at_ms, FRAME_MS)
        elif self.other_end is BOT:
            self.seams.unheard(at_ms, FRAME_MS, audible=loudness(spoken) >= AUDIBLE)

    def _with_signal(self, frame: Pcm) -> Pcm:
        tone = None if self.signal is None else next(self.signal, None)
        if tone is None:
            self.signal = None
            return frame
        return mixed(frame, tone)

    def _note_person(self, other_end: OtherEnd) -> None:
        if other_end.is_person and self._person_since_ms is not None:
            self.people.append((self._person_since_ms, self.now_ms))
            self._person_since_ms = None

    def _finish_hearing(self) -> None:
        for event in self.hearing.finish():
            self._note_stop(event.start_ms, event.end_ms)

    def _note_stop(self, start_ms: int, end_ms: int) -> None:
        self.timeline.note(
            self.other_end.kind,
            f"{self.other_end.stops} {(end_ms - start_ms) / 1000:.1f} s",
            at_ms=end_ms,
            edge="stop",
            start_ms=start_ms,
            end_ms=end_ms,
        )
