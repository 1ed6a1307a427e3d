"""The media socket of a phone call as a Pipecat transport, in the place of Pipecat's FastAPI WebSocket transport.

It differs from that one, which it extends, in these things:

* **Marks.** A `MarkFrame` waits in the audio queue like a piece of audio and goes out after what was said before it.
* **Whole utterances.** Audio is brought to the rate of the wire before it is cut into pieces, where Pipecat flushes its
  resampler when the voice stops. A serializer that has to resample keeps the last moment of an utterance for the next.
* **A lead.** Pipecat sends audio in step with its playing, some 80 ms ahead, so any stall of the event loop or the
  network is heard as a gap. Carriers queue what they get and a barge-in empties their queue (`clear`), so we stay
  `LEAD_SECS` ahead.
* **A pace.** What comes in faster than it can have been said waits in the network (`serializers/pace.py`).

It does not hang up: at the pipeline's end it closes the socket. What becomes of the call is up to the document or the
command that had the carrier open the socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from fastapi import WebSocket
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketClient,
    FastAPIWebsocketInputTransport,
    FastAPIWebsocketOutputTransport,
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)

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


class PhoneInputTransport(FastAPIWebsocketInputTransport):
    """Counts the audio and the keys that come in."""

    _client: PacedClient

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame on."""
        if isinstance(frame, InputDTMFFrame):
            self._client.pace.key()
        await super().push_frame(frame, direction)

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        """Pass a piece of the caller's audio on."""
        self._client.pace.audio(frame.num_frames / frame.sample_rate)
        await super().push_audio_frame(frame)


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
        """Forget the schedule when a barge-in empties the carrier's queue."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._played_until = 0.0

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Send a piece of audio, then wait until the carrier holds no more than the lead.

        Returns:
            Whether the socket took it.
        """
        self._spoken = True
        if not self._may_speak():
            return False
        if not await self._write_frame(frame):
            return False
        now = time.monotonic()
        self._played_until = max(self._played_until, now) + frame.num_frames / frame.sample_rate
        await asyncio.sleep(max(0.0, self._played_until - LEAD_SECS - now))
        return True

    async def write_transport_frame(self, frame: Frame) -> None:
        """Send a mark; the audio before it has been sent by now, but for what was too short for a message."""
        if not (isinstance(frame, MarkFrame) and self._may_speak()):
            return
        if rest := self._serializer.flush():
            await self._client.send(rest)
        if await self._write_frame(frame) and self._on_mark_sent is not None:
            self._on_mark_sent(frame.mark)

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
        super().__init__(websocket, given.model_copy(update=of_a_call))
        self._client = PacedClient(websocket, self._callbacks, self._params.ws_close_timeout)
        self._client.pace = Pace()
        self._input = PhoneInputTransport(self, self._client, self._params)
        self._output = PhoneOutputTransport(
            self,
            self._client,
            self._params,
            serializer,
            on_mark_sent=on_mark_sent,
            may_speak=may_speak,
        )
