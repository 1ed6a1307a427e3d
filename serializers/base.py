"""What the media streams of all carriers have in common, whatever their messages look like.

A carrier's own serializer decides what its messages mean and how ours are written. This module keeps the promises that
hold for each of them: nothing that arrives can raise out of `deserialize()`, whatever cannot be used is counted and
logged once, and nothing undocumented is ever sent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.utils import create_stream_resampler
from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.processors.frameworks.rtvi.models import MESSAGE_LABEL
from pipecat.serializers.base_serializer import FrameSerializer

from serializers.codecs import Codec
from serializers.frames import MarkFrame, MarkReturnedFrame
from serializers.messages import BadMessage, parse_message, short_text

IGNORED: Counter[str] = Counter()
"""How many messages or chunks of all streams of this process were not used, by reason; see `MediaStreamSerializer`."""


@dataclass(frozen=True)
class SerializerOptions:
    """How audio is encoded on streams that leave a choice.

    Parameters:
        outbound_encoding: What we send: `PCMU`, `PCMA` or `L16`. It must be what the stream was opened with
            (`bidirectionalCodec`); the carrier does not report it.
        l16_enabled: Whether L16 may be used at all. Its byte order and true rate are not settled by the
            carrier's documentation, so it is opt-in.
        l16_byte_order: Byte order of L16 on the wire, both ways.
        l16_sample_rate: Rate in Hz of the L16 that we send; what the carrier sends has the rate that its
            `start` names.
    """

    outbound_encoding: str = "PCMU"
    l16_enabled: bool = False
    l16_byte_order: Literal["little", "big"] = "little"
    l16_sample_rate: int = 16000


class Overhearing(Protocol):
    """Takes what is said on a stream, both ways, as it is on the wire. Neither may take long, nor fail."""

    def caller_said(self, wire: bytes) -> None:
        """Take audio of the caller, in order."""
        ...

    def bot_said(self, wire: bytes) -> None:
        """Take audio of the bot: the carrier plays it behind what it has not played yet."""
        ...

    def bot_taken_back(self) -> None:
        """Note that the carrier throws away what it has not played of the bot."""
        ...


class MediaStreamSerializer(FrameSerializer):
    """Base of the serializers of phone media streams.

    One instance serves one stream, both ways. It does no I/O, holds no credentials and never ends a call:
    `EndFrame` and `CancelFrame` serialize to nothing.

    Parameters:
        ignored: How many messages or chunks were not used, by reason. The reasons are a fixed set of names:
            `binary`, `too_long`, `too_many_parts`, `not_json`, `too_deep`, `not_an_object`, `unknown_event`,
            `foreign_stream`, `outbound_track`, `bad_media`, `bad_base64`, `bad_samples`, `bad_dtmf`, `unknown_digit`,
            `bad_mark`, `bad_error`, `missing_chunk`, `late_chunk`, `duplicate_chunk`, `failed` (towards the
            pipeline) and `not_sendable`, `not_mono`, `odd_bytes` (towards the carrier).
        stopped: Whether the carrier has said that the stream or the whole call is over.
        overhearing: Who else hears the stream; None, as nearly always, for nobody.
    """

    def __init__(self, stream_id: str, *, inbound: Codec, outbound: Codec):
        """Create the serializer of one stream.

        Args:
            stream_id: The carrier's id of the stream.
            inbound: The codec of the caller's audio.
            outbound: The codec of the bot's audio.
        """
        super().__init__()
        self.ignored: Counter[str] = Counter()
        self.stopped = False
        self.overhearing: Overhearing | None = None
        self._stream_id = stream_id
        self._inbound = inbound
        self._outbound = outbound
        self._pipeline_rate = inbound.sample_rate
        # Pipecat's own resamplers, but towards the pipeline the quickest one: its default holds the caller's voice
        # back by 62 ms on average, in lumps of 95 ms. None forgets what it holds when the next audio is late: a network
        # that delivers late has lost nothing, and would get a hole in the middle of a word.
        self._input_resampler = create_stream_resampler(quality="QQ", clear_after_secs=None)
        self._output_resampler = create_stream_resampler(clear_after_secs=None)
        self._output_rate: int | None = None

    @property
    def sample_rate(self) -> int:
        """The rate of the bot's audio on the wire, in Hz."""
        return self._outbound.sample_rate

    @property
    def wire_rate(self) -> int:
        """The rate of the caller's audio on the wire, in Hz."""
        return self._inbound.sample_rate

    @property
    def codecs(self) -> tuple[Codec, Codec]:
        """How the caller's audio is encoded on the wire, and the bot's."""
        return self._inbound, self._outbound

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Take the rate of the pipeline's input; Pipecat calls this from both halves of a transport.

        Args:
            setup: Of it only `audio_in_sample_rate` (Hz) is used.
        """
        self._pipeline_rate = setup.audio_in_sample_rate

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Turn a frame into one message for the carrier.

        Args:
            frame: `AudioRawFrame` becomes audio, `MarkFrame` a mark behind it, and `InterruptionFrame` asks the
                carrier to throw away what it has not played. All other frames become nothing; application messages
                are dropped, because a carrier counts an unknown message as our error.

        Returns:
            The message, or `None` when there is nothing to send (yet).
        """
        if isinstance(frame, AudioRawFrame):
            audio, rate = self._sound_of(frame), self._outbound.sample_rate
            if audio and frame.sample_rate != rate:
                audio = await self._output_resampler.resample(audio, frame.sample_rate, rate)
            wire = self._outbound.encode(audio)
            if self.overhearing is not None and wire:
                self.overhearing.bot_said(wire)
            payload = self._pack(wire)
            return self._media_message(payload) if payload else None
        if isinstance(frame, InterruptionFrame):
            # What the filter still holds belongs to the words that are being taken back.
            await self._output_resampler.reset()
            self._discard()
            if self.overhearing is not None:
                self.overhearing.bot_taken_back()
            return self._clear_message()
        if isinstance(frame, MarkFrame):
            return self._mark_message(frame.mark)
        if isinstance(frame, (OutputTransportMessageFrame, OutputTransportMessageUrgentFrame)):
            if not (isinstance(frame.message, dict) and frame.message.get("label") == MESSAGE_LABEL):
                self._ignore("not_sendable")
        return None

    def flush(self) -> str | bytes | None:
        """The audio that is held back because it is too short for a message of its own, as one message.

        To be sent before a mark, so that the mark comes after it. Streams without a least length hold nothing
        back.
        """
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Turn one message of the carrier into a frame.

        Args:
            data: The message as it came from the socket.

        Returns:
            `InputAudioRawFrame`, `InputDTMFFrame`, `MarkReturnedFrame`, `StreamStoppedFrame`, on some
            carriers `StreamErrorFrame`; `None` when the message carries nothing for the pipeline or cannot be
            used. Never raises: Pipecat's receive loop takes any exception for the end of the call.
        """
        try:
            if isinstance(data, str):
                return await self._read_message(parse_message(data))
            return await self._read_binary(data)
        except BadMessage as bad:
            self._ignore(bad.reason)
        except Exception as error:
            # A defect of ours, not of the message; losing 20 ms is better than losing the caller.
            self._ignore("failed", type(error).__name__)
        return None

    async def _read_binary(self, data: bytes) -> Frame | None:
        """Read a binary message; raise `BadMessage` for one that cannot be used. Most carriers send none at all."""
        raise BadMessage("binary")

    async def _heard(self, wire: bytes) -> Frame | None:
        """The caller's audio, off the wire and in order."""
        if not wire:
            return None
        if self.overhearing is not None:
            self.overhearing.caller_said(wire)
        pcm, rate = self._inbound.decode(wire), self._pipeline_rate
        if self._inbound.sample_rate != rate:
            pcm = await self._input_resampler.resample(pcm, self._inbound.sample_rate, rate)
        # Right after its start a resampler takes some audio in before any comes out.
        return InputAudioRawFrame(pcm, rate, 1) if pcm else None

    def _whole_samples(self, wire: bytes) -> bytes:
        """The caller's audio, if it can be cut into samples."""
        if len(wire) % self._inbound.sample_bytes:
            raise BadMessage("bad_samples")
        return wire

    def _mark_returned(self, name: Any) -> Frame:
        """The carrier has played, or thrown away, what was sent before a mark."""
        text = short_text(name)
        if text is None:
            raise BadMessage("bad_mark")
        return MarkReturnedFrame(mark=text)

    def _key_pressed(self, digit: Any) -> Frame:
        """The caller has pressed a key."""
        if not isinstance(digit, str):
            raise BadMessage("bad_dtmf")
        try:
            return InputDTMFFrame(button=KeypadEntry(digit))
        except ValueError:
            raise BadMessage("unknown_digit") from None

    def _sound_of(self, frame: AudioRawFrame) -> bytes:
        """The samples of a frame that can be encoded, and a resampler that has heard nothing of another rate."""
        if frame.num_channels != 1:
            self._ignore("not_mono")
            return b""
        audio = frame.audio
        if len(audio) % 2:
            self._ignore("odd_bytes")
            audio = audio[:-1]
        if frame.sample_rate != self._output_rate:
            # A stream resampler serves one rate; a pipeline has one, but a frame may come from elsewhere.
            self._output_rate = frame.sample_rate
            self._output_resampler = create_stream_resampler(clear_after_secs=None)
        return audio

    def _ignore(self, reason: str, detail: str = "") -> None:
        self.ignored[reason] += 1
        IGNORED[reason] += 1
        if self.ignored[reason] == 1:
            # Once per reason: at 50 messages a second a broken peer would fill the log. Never the content.
            logger.warning(f"Media stream {self._stream_id}: ignoring {reason} {detail}".rstrip())

    @abstractmethod
    async def _read_message(self, message: dict[str, Any]) -> Frame | None:
        """Read a JSON message; raise `BadMessage` for one that cannot be used."""

    @abstractmethod
    def _media_message(self, payload: bytes) -> str | bytes:
        """The message for encoded audio."""

    @abstractmethod
    def _clear_message(self) -> str | bytes:
        """The message for throwing away what was not played yet."""

    @abstractmethod
    def _mark_message(self, name: str) -> str | bytes:
        """The message for a mark behind the audio that was sent."""

    def _pack(self, wire: bytes) -> bytes:
        """The audio that may be sent after this was encoded."""
        return wire

    def _discard(self) -> None:
        """Forget audio that was held back."""
        return None
