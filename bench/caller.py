"""One caller of the load: listens, answers when the bot is done, interrupts it, and hesitates.

The wire, its encodings and its rules are those of the emulator's media socket. In the place of the emulator's phone
line, which steps in frames of 20 ms, stand an ear and a mouth that note times to the fraction of a ms.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, cast

from bench.playout import Answer, Playout
from bench.recordings import Recordings, line_noise
from emulator.carriers import CARRIERS
from emulator.carriers.carrier import Readings
from emulator.carriers.credentials import Credentials
from emulator.documents.parsing import Verb
from emulator.legs.stream import MediaStream
from emulator.line.caller import audible_span
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline

AUDIBLE_PEAK = 500
"""Samples from here on are the scripted voice, on the 16-bit scale; silence and its codec's noise stay below."""

FINISHED, BARGE_IN, HESITANT = "finished", "barge_in", "hesitant"
TURNS = (FINISHED, BARGE_IN, HESITANT, FINISHED, BARGE_IN)
"""What a caller does, in turn; callers begin at different places."""

PAUSE_SECS = (0.4, 1.2)
"""How long a polite caller waits when the bot is done."""

INTERRUPTS_SECS = (0.7, 1.5)
"""How far into an answer an impatient caller speaks."""

PATIENCE_SECS = 6.0
"""Longer than the 3 s after which Pipecat ends a turn that sounded unfinished."""

NUMBERS = ("+12025550143", "+12025550100")


@dataclass
class Turn:
    """One thing that the caller said, and what came of it; times are ms on the load's clock.

    Parameters:
        kind: Of `TURNS`.
        piece: Which of the recordings it was, of those for its kind.
        onset_ms: When its first sound was on the wire, less the frame that it takes to say it.
        end_ms: When its last sound was on the wire.
        response_ms: From then to the first sound of the answer; None when none came.
        clear_ms: For an interruption: from the onset to the bot's `clear`; None when none came.
        cut_in: Whether the bot began an answer while the caller was not done.
    """

    kind: str
    piece: int
    onset_ms: float
    end_ms: float
    response_ms: float | None = None
    clear_ms: float | None = None
    cut_in: bool = False


@dataclass
class CallFigures:
    """What one call has measured."""

    first_audio_ms: float | None = None
    turns: list[Turn] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    marks_sent: int = 0
    marks_returned: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


class Ear:
    """What the emulator's media socket needs of an ear, by the clock: nothing is stepped."""

    def __init__(self, playout: Playout, now_ms: Any) -> None:
        """Begin in silence."""
        self.playout = playout
        self._now_ms = now_ms
        self._marks: deque[tuple[asyncio.TimerHandle, str]] = deque()
        self.stream: MediaStream | None = None

    def play(self, samples: Pcm) -> None:
        """Audio has come."""
        if len(samples):
            audible = bool((samples > AUDIBLE_PEAK).any())
            self.playout.arrive(self._now_ms(), len(samples) * 1000 / SAMPLE_RATE, audible=audible)

    def mark(self, name: str) -> list[str]:
        """A mark has come: it goes back when what was sent before it has been heard."""
        left_ms = self.playout.left_ms(self._now_ms())
        if left_ms <= 0:
            return [name]
        timer = asyncio.get_running_loop().call_later(left_ms / 1000, self._return)
        self._marks.append((timer, name))
        return []

    def clear(self) -> list[str]:
        """What was not played is taken back, and every mark returns."""
        self.playout.clear(self._now_ms())
        return self.forget()

    def forget(self) -> list[str]:
        """No mark returns later; returns those that were waiting."""
        names = [name for _, name in self._marks]
        for timer, _ in self._marks:
            timer.cancel()
        self._marks.clear()
        return names

    def _return(self) -> None:
        _, name = self._marks.popleft()
        if self.stream is not None:
            self.stream.return_marks([name])

    @property
    def buffered_ms(self) -> int:
        """What is left to be played."""
        return round(self.playout.left_ms(self._now_ms()))

    audible_ms = buffered_ms


class Caller:
    """One call from the socket's opening to its end; the load asks it for a frame every 20 ms.

    Args:
        number: Which of the callers, from 0: callers are not alike.
        carrier: `twilio` or `telnyx`.
        url: The bot's media socket.
        recordings: What can be said.
        turns: What the caller does; empty for one who only listens.
    """

    bot_is_heard = True
    """For the media socket, in the place of a line."""

    def __init__(
        self,
        number: int,
        carrier: str,
        url: str,
        recordings: Recordings,
        turns: Sequence[str] = TURNS,
    ) -> None:
        """Prepare; nothing is dialled yet."""
        self.figures = CallFigures()
        self.stream: MediaStream | None = None
        self.earpiece = Ear(Playout(), self.now_ms)
        self._playout = self.earpiece.playout
        self._url = url
        self._recordings = recordings
        self._random = Random(number)
        self._turns = [*turns[number % len(turns) :], *turns[: number % len(turns)]] if turns else []
        self._place = 0
        # Callers do not say the same things at the same time.
        self._next = {FINISHED: number, HESITANT: number}
        self._idle = line_noise(SAMPLE_RATE * 2, seed=number).reshape(-1, FRAME_SAMPLES)
        self._frames = 0
        self._saying: deque[Pcm] = deque()
        self._last_sound = 0
        self._turn: Turn | None = None
        self._answers_before = 0
        self._waits_until_ms: float | None = None
        self._zero = 0.0
        self._media = self._socket(carrier)

    @staticmethod
    def now_ms() -> float:
        """The load's clock."""
        return time.monotonic() * 1000

    def _socket(self, carrier: str) -> MediaStream:
        dialect = CARRIERS[carrier].dialect(Credentials(), Readings())
        leg = dialect.new_leg(*NUMBERS, "PCMU")
        stream, _ = dialect.open_stream(
            leg, Verb("Stream", {"url": self._url, "bidirectionalMode": "rtp"}), {}
        )
        self._headers, self._agent = dialect.socket_headers(self._url), dialect.user_agent()
        timeline = Timeline()
        return MediaStream(
            stream, cast(PhoneLine, self), timeline, self.figures.problems.append, lambda _: self._cleared()
        )

    async def run(self) -> None:
        """Dial, and talk until cancelled or until the bot closes its socket, which it has no reason to.

        Raises:
            StreamRefused: The socket could not be opened.
        """
        await self._media.open(self._url, self._headers, self._agent)
        self.earpiece.stream = self._media
        self._zero = self.now_ms()
        try:
            ended = await self._media.run()
            self.figures.problems.append(f"the bot closed its socket (code {ended.code})")
        finally:
            self._finish()

    def step(self) -> None:
        """Say 20 ms."""
        if self.stream is None:
            return
        self._think(self.now_ms())
        self._frames += 1
        if not self._saying:
            self.stream.say(self._idle[self._frames % len(self._idle)])
            return
        self.stream.say(self._saying.popleft())
        self._last_sound -= 1
        now, turn = self.now_ms(), self._turn
        if turn is None:
            return  # The last sound was answered already; what follows is the line.
        if not turn.onset_ms:
            turn.onset_ms = now - FRAME_MS
            self._answers_before = len(self._playout.answers)
        if self._last_sound == 0:
            turn.end_ms = now
            self._waits_until_ms = now + PATIENCE_SECS * 1000

    # What to do next

    def _think(self, now: float) -> None:
        if self.figures.first_audio_ms is None and self._playout.answers:
            self.figures.first_audio_ms = self._playout.answers[0].began_ms - self._zero
        if self._turn is not None:
            self._look_for_an_answer(self._turn, now)
        elif self._turns and not self._saying and self._playout.answers and self._is_my_turn(now):
            self._speak(self._turns[self._place % len(self._turns)])

    def _is_my_turn(self, now: float) -> bool:
        last = self._playout.answers[-1]
        if self._waits_until_ms is None:
            if self._turns[self._place % len(self._turns)] == BARGE_IN:
                self._waits_until_ms = last.began_ms + self._random.uniform(*INTERRUPTS_SECS) * 1000
            elif self._playout.current is None and not self._playout.left_ms(now):
                self._waits_until_ms = now + self._random.uniform(*PAUSE_SECS) * 1000
        return self._waits_until_ms is not None and now >= self._waits_until_ms

    def _speak(self, kind: str) -> None:
        self._waits_until_ms = None
        self._place += 1
        which = HESITANT if kind == HESITANT else FINISHED
        pieces = self._recordings.hesitant if which == HESITANT else self._recordings.finished
        piece = self._next[which] % len(pieces)
        samples = pieces[piece]
        self._next[which] += 1
        first_ms, last_ms = audible_span(samples)
        # The line's noise before the first sound is not spoken: the onset is the first frame's.
        samples = samples[first_ms * SAMPLE_RATE // 1000 :]
        samples = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES]
        self._saying.extend(samples.reshape(-1, FRAME_SAMPLES))
        self._last_sound = (last_ms - first_ms) // FRAME_MS
        self._turn = Turn(kind, piece, 0.0, 0.0)

    def _look_for_an_answer(self, turn: Turn, now: float) -> None:
        new = self._playout.answers[self._answers_before :] if turn.onset_ms else []
        if not turn.end_ms:
            turn.cut_in = turn.cut_in or bool(new)
            return
        answer = next((one for one in new if one.began_ms >= turn.end_ms), None)
        if answer is None:
            # It may have begun before the end, and have been left to go on: then the caller was talked over.
            talked_over = bool(new) and new[-1].cleared_ms is None
            turn.cut_in = turn.cut_in or bool(new)
            if not talked_over and self._waits_until_ms is not None and now < self._waits_until_ms:
                return
        else:
            turn.response_ms = answer.began_ms - turn.end_ms
        self.figures.turns.append(turn)
        self._turn = None
        self._waits_until_ms = None

    def _cleared(self) -> None:
        turn = self._turn
        if turn is not None and turn.kind == BARGE_IN and turn.onset_ms and turn.clear_ms is None:
            turn.clear_ms = self.now_ms() - turn.onset_ms

    def _finish(self) -> None:
        self.earpiece.forget()
        self.figures.answers = self._playout.answers
        self.figures.marks_sent = self._media.marks_sent
        self.figures.marks_returned = self._media.marks_returned
