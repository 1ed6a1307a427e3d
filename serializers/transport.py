"""The media socket of a phone call as a Pipecat transport, in the place of Pipecat's FastAPI WebSocket transport.

It differs from that one, which it extends, in these things:

* **Marks.** A `MarkFrame` waits in the audio queue like a piece of audio and goes out after what was said before it.
* **Whole utterances.** Audio is brought to the rate of the wire before it is cut into pieces, where Pipecat flushes its
  resampler when the voice stops. A serializer that has to resample keeps the last moment of an utterance for the next.
* **Pieces of a tenth of a second.** Pipecat sends 25 messages a second. A mark, or the end of an utterance, does not
  wait until its piece is full, nor is the piece filled up with silence: what there is goes out before it.
* **A lead.** Pipecat sends audio in step with its playing, some 80 ms ahead, so any stall of the event loop or the
  network is heard as a gap. Carriers queue what they get and a barge-in empties their queue (`clear`), so we stay
  `LEAD_SECS` ahead.
* **A pause.** Who may want the word is heard at once: what the carrier has not played is taken back, kept, and said
  after all if it was nothing (`hold`, `go_on`).
* **A pace.** What comes in faster than it can have been said waits in the network (`serializers/pace.py`).
* **An ear.** Whoever listens for speech hears the caller's audio as it arrives, message by message. Into the pipeline
  it goes without another queue, and in pieces of `PIECE_SECS`: each is handed from task to task and written to a
  recogniser's socket. What the ear says goes into the pipeline behind the audio that it has heard.

It does not hang up: at the pipeline's end it closes the socket. What becomes of the call is up to the document or the
command that had the carrier open the socket.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from fastapi import WebSocket
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketClient,
    FastAPIWebsocketOutputTransport,
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.utils.utils import obj_id

from serializers.base import MediaStreamSerializer
from serializers.frames import MarkFrame
from serializers.hearing import Ear, PacedClient, PhoneInputTransport
from serializers.kept import BACK_SECS, Follower, Kept, KeptSpeech, Piece, SentMark
from serializers.loud import begins_after
from serializers.pace import Pace

LEAD_SECS = 0.3
"""How far ahead of its playing audio is sent, in seconds. People have measured gaps in the delivery of up to 0.23 s."""


PIECE_10MS = 10
"""How much of the bot's audio is sent at a time, in hundredths of a second."""

LEAST_SECS = 0.02
"""What is shorter than this, in seconds, goes out behind a mark within an utterance: no message is shorter."""

SILENCE_SECS = 0.02
"""How much silence is sent at a time, in seconds: in step with its playing, so that words do not queue behind it."""

BEGINNINGS = 8
"""How many beginnings of the bot's speech are remembered, for who wants to know how long the caller has waited."""

LONGEST_HOLD_SECS = 5.0
"""No pause of the bot is longer, in seconds: whoever began it has forgotten it. Pipecat takes a voice that cannot be
written for 10 s for the end of the call."""


class _Hold:
    def __init__(self, at: float, rest: list[Kept], follower: Follower) -> None:
        self.at = at
        self.rest = rest
        self.follower = follower
        self.over = asyncio.Event()
        self.goes_on = False


class PhoneOutputTransport(FastAPIWebsocketOutputTransport):
    """Sends audio ahead of its playing, and marks in order with it."""

    def __init__(
        self,
        transport: FastAPIWebsocketTransport,
        client: FastAPIWebsocketClient,
        params: FastAPIWebsocketParams,
        serializer: MediaStreamSerializer,
        *,
        on_mark_sent: Callable[[str], None] | None,
        may_speak: Callable[[], bool],
    ):
        """Initialize the output side.

        Args:
            transport: The transport that this is the output of.
            client: The socket, shared with the input side.
            params: The transport's parameters.
            serializer: The carrier's wire format, the same as in `params`.
            on_mark_sent: Called with a mark's name when it is on the wire.
            may_speak: Whether audio and marks may go out now; else they are thrown away.
        """
        super().__init__(transport, client, params)
        self._serializer = serializer
        self._may_speak = may_speak
        self._on_mark_sent = on_mark_sent
        self._played_until = 0.0
        self._interruption = 0
        self._taken_back = 0
        self._silence: asyncio.Task[None] | None = None
        self._spoken = False
        self._kept = KeptSpeech()
        self._held: _Hold | None = None
        self._is_heard = False
        self._beginnings: deque[float] = deque(maxlen=BEGINNINGS)

    async def start(self, frame: StartFrame) -> None:
        """Begin with silence."""
        await super().start(frame)
        if self._silence is None:
            self._silence = self.create_task(self._send_silence())

    async def cleanup(self) -> None:
        """Send nothing more, not even silence."""
        if self._silence is not None:
            await self.cancel_task(self._silence)
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Forget the schedule when a barge-in empties the carrier's queue, and what is on its way there."""
        if isinstance(frame, InterruptionFrame):
            self._interruption, self._taken_back = frame.id, obj_id()
            self._kept.take_back(time.monotonic())
            held, self._held = self._held, None
            if held is not None:
                held.over.set()
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._played_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether the bot has been paused."""
        return self._held is not None

    def played_between(self, since: float, until: float) -> bytes:
        """What the carrier has played of the bot, and when.

        Args:
            since: From when on, by `time.monotonic`, at most `KEPT_SECS` ago.
            until: Up to when.

        Returns:
            16-bit PCM at `sample_rate`.
        """
        return self._kept.played_between(since, until, self.sample_rate)

    def began_after(self, moment: float) -> float | None:
        """When the bot was first to be heard after a moment, beginning from silence.

        Args:
            moment: By `time.monotonic`.

        Returns:
            By the same clock, when the carrier plays the first sound; None when there was none, or none is known any
            more.
        """
        return next((begun for begun in self._beginnings if begun >= moment), None)

    async def hold(self, follower: Follower) -> bool:
        """Pause the bot as quickly as a barge-in stops it. What it says meanwhile waits.

        `go_on` ends it, or an interruption.

        Args:
            follower: Told what is taken back, and sent once more.

        Returns:
            Whether the bot is paused now; not where something is being said that nothing may take back.
        """
        now = time.monotonic()
        if self._held is not None or not self._may_speak() or self._kept.is_promised(now):
            return False
        rest = self._kept.take_back(now)
        marks = [item.name for item in rest if isinstance(item, SentMark)]
        # Before the carrier returns them: a mark comes back from a queue that is emptied as if it had been played.
        names = iter(follower.taken_back(marks))
        rest = [SentMark(next(names), item.ends) if isinstance(item, SentMark) else item for item in rest]
        self._held = _Hold(now, rest, follower)
        self._played_until = min(self._played_until, now)
        if rest:
            await self._write_frame(InterruptionFrame())
        return True

    async def go_on(self, word_began: Callable[[bytes, int], float] = lambda *_: 0.0) -> None:
        """Have a bot that was paused go on where it was heard, at the beginning of a word.

        Args:
            word_began: How many seconds before its end the last word of some speech began, 16-bit PCM at a rate in Hz.
                No more than `BACK_SECS` is said again.
        """
        held = self._held
        if held is None or held.goes_on:
            return
        held.goes_on = True
        played, rate = self._kept.played_before(held.at)
        samples = round(min(word_began(played, rate), BACK_SECS) * rate) if played else 0
        again = Piece(played[max(0, len(played) - 2 * samples) :] if samples else b"", rate or 1, held.at)
        held.follower.goes_on(again.secs)
        try:
            for item in [again, *held.rest]:
                if self._held is not held:
                    return  # interrupted after all
                if isinstance(item, SentMark):
                    await self._send_mark(item.name)
                elif item.audio:
                    held.follower.audio_sent(item.secs)
                    await self._send(item.audio, item.rate, interruptible=item.interruptible)
        finally:
            if self._held is held:
                self._held = None
                held.over.set()

    async def _wait_while_held(self, frame: Frame) -> None:
        while (held := self._held) is not None:
            if frame.interruptible:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_HOLD_SECS):
                        await held.over.wait()
            if self._held is held:
                await (held.over.wait() if held.goes_on else self.go_on())

    async def _handle_frame(self, frame: Frame) -> None:
        is_said = isinstance(frame, OutputAudioRawFrame | MarkFrame)
        if is_said and frame.interruptible and frame.id < self._interruption:
            return  # an interruption is a system frame: it overtakes what waits between two processors
        if isinstance(frame, MarkFrame):
            await self._send_what_there_is(frame, least_secs=LEAST_SECS)
        elif isinstance(frame, TTSStoppedFrame):
            await self._send_what_there_is(frame)
        await super()._handle_frame(frame)

    async def _send_what_there_is(self, frame: Frame, *, least_secs: float = 0.0) -> None:
        """Do not wait until a piece is full: put what there is of it into the audio queue, before the frame."""
        sender = self._media_senders.get(frame.transport_destination)
        if sender is None or sender._buffered_audio_bytes <= 2 * least_secs * self.sample_rate:
            return
        audio, uninterruptible = sender._take_audio_chunk()
        await sender._enqueue_audio_chunk(audio, uninterruptible)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Send a piece of audio, then wait until the carrier holds no more than the lead.

        Returns:
            Whether the socket took it.
        """
        self._spoken = True
        if self._held is not None:
            await self._wait_while_held(frame)
        if not self._may_speak() or self._is_taken_back(frame):
            return False
        if not await self._send(frame.audio, frame.sample_rate, interruptible=frame.interruptible):
            return False
        await asyncio.sleep(max(0.0, self._played_until - LEAD_SECS - time.monotonic()))
        return True

    async def _send(self, audio: bytes, rate: int, *, interruptible: bool) -> bool:
        # Kept before it is sent: a pause may come while the socket takes it.
        now = time.monotonic()
        starts = max(self._played_until, now)
        self._is_heard = self._is_heard and now < self._played_until
        if not self._is_heard and (secs := begins_after(audio, rate)) is not None:
            self._is_heard = True
            self._beginnings.append(starts + secs)
        self._kept.add(Piece(audio, rate, starts, interruptible))
        self._played_until = starts + len(audio) / 2 / rate
        return await self._write_frame(OutputAudioRawFrame(audio, rate, 1))

    async def write_transport_frame(self, frame: Frame) -> None:
        """Send a mark; the audio before it has been sent by now, but for what was too short for a message."""
        if self._held is not None and isinstance(frame, MarkFrame):
            await self._wait_while_held(frame)
        if not (isinstance(frame, MarkFrame) and self._may_speak()) or self._is_taken_back(frame):
            return
        await self._send_mark(frame.mark)

    async def _send_mark(self, name: str) -> None:
        if not name:
            return
        self._kept.add(SentMark(name, self._played_until))
        if rest := self._serializer.flush():
            await self._client.send(rest)
        if await self._write_frame(MarkFrame(name)) and self._on_mark_sent is not None:
            self._on_mark_sent(name)

    def _is_taken_back(self, frame: Frame) -> bool:
        """Whether an interruption has come between the queue, which Pipecat has taken the frame from, and the wire.

        Sent behind the `clear`, it would be heard: the last tenth of a second of what was interrupted.
        """
        return frame.interruptible and frame.id < self._taken_back

    async def _send_silence(self) -> None:
        nothing = bytes(2 * int(self.sample_rate * SILENCE_SECS))
        due = time.monotonic()
        while not self._spoken and await self._write_frame(OutputAudioRawFrame(nothing, self.sample_rate, 1)):
            due = max(due + SILENCE_SECS, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


class PhoneTransport(FastAPIWebsocketTransport):
    """A call's media socket, after its handshake.

    Event handlers available: those of `FastAPIWebsocketTransport`.
    """

    def __init__(
        self,
        websocket: WebSocket,
        serializer: MediaStreamSerializer,
        params: FastAPIWebsocketParams | None = None,
        *,
        on_mark_sent: Callable[[str], None] | None = None,
        may_speak: Callable[[], bool] = lambda: True,
    ):
        """Initialize the transport.

        Args:
            websocket: The accepted socket, its `start` message already read.
            serializer: The carrier's wire format.
            params: As for Pipecat's transport. What a call leaves no choice of is overridden: serializer, audio both
                ways, the rate of the bot's audio, and no look at the Origin header, which carriers do not send.
            on_mark_sent: Called with a mark's name when it is on the wire.
            may_speak: Whether audio and marks may go out now; else they are thrown away.
        """
        given = params or FastAPIWebsocketParams()
        of_a_call = {
            "serializer": serializer,
            "audio_in_enabled": True,
            "audio_out_enabled": True,
            "audio_out_sample_rate": serializer.sample_rate,
            "allowed_origins": [],
        }
        if "audio_out_10ms_chunks" not in given.model_fields_set:
            of_a_call["audio_out_10ms_chunks"] = PIECE_10MS
        super().__init__(websocket, given.model_copy(update=of_a_call))
        self._client = PacedClient(websocket, self._callbacks, self._params.ws_close_timeout)
        self._client.pace = Pace()
        self._wire_rate = serializer.wire_rate
        self._input = self._hearing = PhoneInputTransport(self, self._client, self._params)
        self._output = self._speaking = PhoneOutputTransport(
            self,
            self._client,
            self._params,
            serializer,
            on_mark_sent=on_mark_sent,
            may_speak=may_speak,
        )

    def heard_lately(self, secs: float) -> bytes:
        """The last of the caller's audio that has come in: 16-bit PCM, no more than so many seconds."""
        return self._hearing.heard_lately(secs)

    @property
    def hears_hz(self) -> int:
        """The rate of `heard_lately`, in Hz."""
        return self._hearing.sample_rate

    @property
    def voice(self) -> PhoneOutputTransport:
        """Where the bot's speech goes out; it can be paused there."""
        return self._speaking

    @property
    def heard_hz(self) -> int:
        """The rate of the caller's audio as it comes from the carrier, in Hz."""
        return self._wire_rate

    def listen(
        self,
        ear: Ear,
        *,
        at_once: Callable[[], bool] = lambda: False,
        though_muted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Have an ear hear the caller's audio; to be called before the pipeline starts.

        Args:
            ear: What it says goes into the pipeline behind the audio that it has heard.
            at_once: Whether the audio must go into the pipeline message by message now, instead of in pieces.
            though_muted: Whether the ear hears a caller to whom the bot does not listen now.
        """
        self._hearing.listen(ear, at_once, though_muted)
