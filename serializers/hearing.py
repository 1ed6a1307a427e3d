"""The caller's side of a media socket: read no faster than it can have been said, and heard by an ear as it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StartFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADParamsUpdateFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketClient,
    FastAPIWebsocketInputTransport,
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)

from serializers.pace import Pace


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


LATELY = 30
"""How many of these are kept, for who wants to know what was heard a moment ago."""


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
        self._though_muted: Callable[[], bool] = lambda: False
        self._piece = bytearray()
        self._pieces: deque[bytes] = deque(maxlen=LATELY)

    def listen(self, ear: Ear, at_once: Callable[[], bool], though_muted: Callable[[], bool]) -> None:
        """Have an ear hear the audio; to be called before the pipeline starts.

        Args:
            ear: The ear.
            at_once: Whether audio must go on message by message now.
            though_muted: Whether the ear hears a caller who is being muted.
        """
        self._ear, self._at_once, self._though_muted = ear, at_once, though_muted

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
                self._ear.mute(isinstance(frame, UserMuteStartedFrame) and not self._though_muted())
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
        self._pieces.append(piece)
        await self._pass_on(InputAudioRawFrame(piece, self.sample_rate, 1))

    async def _pass_on(self, frame: InputAudioRawFrame) -> None:
        if frame.audio and self._params.audio_in_passthrough:
            await self.push_frame(frame)

    def heard_lately(self, secs: float) -> bytes:
        """The last of the caller's audio that has come in, for an ear: 16-bit PCM, no more than so many seconds."""
        audio = b"".join((*self._pieces, self._piece))
        return audio[max(0, len(audio) - 2 * round(secs * self.sample_rate)) :]

    def _told(self, frame: Frame) -> None:
        self.create_task(self._tell(frame), f"{self}::{frame.name}")

    async def _tell(self, frame: Frame) -> None:
        await self._pass_piece_on()
        await self.push_frame(frame)

    def _close_ear(self) -> None:
        if self._ear is not None:
            self._ear.close()
