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
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from fastapi import WebSocket
from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStoppedFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADParamsUpdateFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketClient,
    FastAPIWebsocketInputTransport,
    FastAPIWebsocketOutputTransport,
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.utils.utils import obj_id

from serializers.base import MediaStreamSerializer
from serializers.frames import MarkFrame
from serializers.pace import Pace

LEAD_SECS = 0.3
"""How far ahead of its playing audio is sent, in seconds. People have measured gaps in the delivery of up to 0.23 s."""


class PacedClient(FastAPIWebsocketClient):
    """A socket that is not read faster than its audio can have been said.

    Parameters:
        pace: The pace of this socket. A message counts when it is read, its audio when its length is known.
    """

    pace: Pace

    async def receive(self) -> AsyncIterator[bytes | str]:
        """Yield the messages, each when its time has come."""
        async for message in super().receive():
            if delay := self.pace.delay():
                if self.pace.held_back == 1:
                    logger.warning("A media stream sends more than anybody can say; it is slowed down")
                await asyncio.sleep(delay)
            self.pace.message()
            yield message


PIECE_SECS = 0.1
"""How much of the caller's audio goes into the pipeline at a time, in seconds, when an ear has heard it already."""


class Ear(Protocol):
    """Listens for speech in the audio of one call."""

    def begin(self, sample_rate: int, tell: Callable[[Frame], None]) -> None:
        """Begin to listen, in the running loop.

        Args:
            sample_rate: Of the audio, in Hz.
            tell: Takes a frame for the pipeline, which goes there behind all audio that was heard so far.
        """
        ...

    def hear(self, audio: bytes) -> None:
        """Take the next piece of 16-bit mono PCM; it must not take long."""
        ...

    def mute(self, muted: bool) -> None:
        """Hear nothing for a while, or hear again."""
        ...

    def set_params(self, params: VADParams) -> None:
        """Change what counts as speech."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class PhoneInputTransport(FastAPIWebsocketInputTransport):
    """Lets an ear hear the audio that comes in, and passes it on; counts it, and the keys."""

    _client: PacedClient

    def __init__(
        self,
        transport: FastAPIWebsocketTransport,
        client: FastAPIWebsocketClient,
        params: FastAPIWebsocketParams,
    ):
        """Initialize the input side.

        Args:
            transport: The transport that this is the input of.
            client: The socket, shared with the output side.
            params: The transport's parameters.
        """
        super().__init__(transport, client, params)
        self._ear: Ear | None = None
        self._at_once: Callable[[], bool] = lambda: False
        self._piece = bytearray()

    def listen(self, ear: Ear, at_once: Callable[[], bool]) -> None:
        """Have an ear hear the audio; to be called before the pipeline starts.

        Args:
            ear: The ear.
            at_once: Whether audio must go on message by message now.
        """
        self._ear, self._at_once = ear, at_once

    async def start(self, frame: StartFrame) -> None:
        """Begin to listen."""
        if self._ear is not None:
            self._ear.begin(self.sample_rate, self._told)
        await super().start(frame)

    async def set_transport_ready(self, frame: StartFrame) -> None:
        """Make no queue for audio, and no task that empties it: nothing would wait in it."""

    async def stop(self, frame: EndFrame) -> None:
        """Listen no more."""
        self._close_ear()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Listen no more."""
        self._close_ear()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Listen no more."""
        self._close_ear()
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Have the ear follow what concerns it: whether the caller is muted, and what counts as speech."""
        if self._ear is not None:
            if isinstance(frame, UserMuteStartedFrame | UserMuteStoppedFrame):
                self._ear.mute(isinstance(frame, UserMuteStartedFrame))
            elif isinstance(frame, VADParamsUpdateFrame):
                self._ear.set_params(frame.params)
        await super().process_frame(frame, direction)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame on."""
        if isinstance(frame, InputDTMFFrame):
            self._client.pace.key()
        await super().push_frame(frame, direction)

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        """Take a piece of the caller's audio, and pass on what has come together."""
        self._client.pace.audio(frame.num_frames / frame.sample_rate)
        if self._paused:
            return
        if self._params.audio_in_filter:
            frame.audio = await self._params.audio_in_filter.filter(frame.audio)
        if self._ear is None:
            await self._pass_on(frame)
            return
        self._ear.hear(frame.audio)
        self._piece += frame.audio
        if len(self._piece) >= 2 * PIECE_SECS * self.sample_rate or self._at_once():
            await self._pass_piece_on()

    async def _pass_piece_on(self) -> None:
        piece = bytes(self._piece)
        self._piece.clear()
        await self._pass_on(InputAudioRawFrame(piece, self.sample_rate, 1))

    async def _pass_on(self, frame: InputAudioRawFrame) -> None:
        if frame.audio and self._params.audio_in_passthrough:
            await self.push_frame(frame)

    def _told(self, frame: Frame) -> None:
        self.create_task(self._tell(frame), f"{self}::{frame.name}")

    async def _tell(self, frame: Frame) -> None:
        await self._pass_piece_on()
        await self.push_frame(frame)

    def _close_ear(self) -> None:
        if self._ear is not None:
            self._ear.close()


PIECE_10MS = 10
"""How much of the bot's audio is sent at a time, in hundredths of a second."""

LEAST_SECS = 0.02
"""What is shorter than this, in seconds, goes out behind a mark within an utterance: no message is shorter."""

SILENCE_SECS = 0.02
"""How much silence is sent at a time, in seconds: in step with its playing, so that words do not queue behind it."""


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
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._played_until = 0.0

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
        if not self._may_speak() or self._is_taken_back(frame):
            return False
        if not await self._write_frame(frame):
            return False
        now = time.monotonic()
        self._played_until = max(self._played_until, now) + frame.num_frames / frame.sample_rate
        await asyncio.sleep(max(0.0, self._played_until - LEAD_SECS - now))
        return True

    async def write_transport_frame(self, frame: Frame) -> None:
        """Send a mark; the audio before it has been sent by now, but for what was too short for a message."""
        if not (isinstance(frame, MarkFrame) and self._may_speak()) or self._is_taken_back(frame):
            return
        if rest := self._serializer.flush():
            await self._client.send(rest)
        if await self._write_frame(frame) and self._on_mark_sent is not None:
            self._on_mark_sent(frame.mark)

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
        self._output = PhoneOutputTransport(
            self,
            self._client,
            self._params,
            serializer,
            on_mark_sent=on_mark_sent,
            may_speak=may_speak,
        )

    @property
    def heard_hz(self) -> int:
        """The rate of the caller's audio as it comes from the carrier, in Hz."""
        return self._wire_rate

    def listen(self, ear: Ear, *, at_once: Callable[[], bool] = lambda: False) -> None:
        """Have an ear hear the caller's audio; to be called before the pipeline starts.

        Args:
            ear: What it says goes into the pipeline behind the audio that it has heard.
            at_once: Whether the audio must go into the pipeline message by message now, instead of in pieces.
        """
        self._hearing.listen(ear, at_once)
