"""The processor between voice and transport: marks behind what is said, and the call's history from what comes by."""

from __future__ import annotations

from pipecat.frames.frames import (
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from calls.playout import Chunk
from conversation.attachment import Attachment
from serializers.frames import MarkFrame, MarkReturnedFrame, StreamErrorFrame, StreamStoppedFrame


def record_heard(attachment: Attachment, chunks: tuple[Chunk, ...]) -> None:
    """Write what the caller is now known to have heard into the call's history."""
    for chunk in chunks:
        if chunk.text:
            attachment.record("bot_heard", text=chunk.text)


class SpokenMarks(FrameProcessor):
    """Puts a mark behind each spoken sentence and each utterance, and takes the marks that come back.

    A voice without word times reports a sentence's text right behind its audio, so the mark goes there. One with word
    times stamps each word for a later moment; its words are gathered for the mark at the end of the utterance.

    Everything that concerns the call passes here on its way, so keys, barge-ins and the carrier's own messages are
    written down here too: an observer would see every frame at every processor for the same few.
    """

    def __init__(self, attachment: Attachment):
        """Initialize the processor.

        Args:
            attachment: The session; its `playout` follows the marks.
        """
        super().__init__()
        self._attachment = attachment
        self._playout = attachment.playout
        self._words: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Add marks on the way out, take them on the way back."""
        await super().process_frame(frame, direction)

        if isinstance(frame, MarkReturnedFrame):
            record_heard(self._attachment, self._playout.returned(frame.mark))
            return
        if isinstance(frame, InterruptionFrame):
            if self._attachment.deaf:
                # It set out before the caller was muted; the carrier must not throw the last words away for it.
                return
            if self._playout.cleared():
                self._attachment.record("interrupted")
            self._words.clear()
        elif isinstance(frame, InputDTMFFrame):
            self._attachment.record("dtmf", digits=frame.button.value)
        elif isinstance(frame, StreamStoppedFrame):
            self._attachment.detached("stopped by the carrier")
        elif isinstance(frame, StreamErrorFrame):
            self._attachment.record("error", message=f"carrier: {frame.title} {frame.code or ''}".strip())

        await self.push_frame(frame, direction)

        if isinstance(frame, TTSTextFrame) and direction is FrameDirection.DOWNSTREAM:
            if frame.pts:
                self._words.append(frame.text)
            else:
                await self._mark(frame.text, like=frame)
        elif isinstance(frame, TTSStoppedFrame) and direction is FrameDirection.DOWNSTREAM:
            words = " ".join(self._words)
            self._words.clear()
            await self._mark(words, like=frame)

    async def _mark(self, text: str, *, like: Frame) -> None:
        if text:
            self._attachment.record("bot_said", text=text)
        mark = MarkFrame(self._playout.expect(text))
        # A mark behind speech that cannot be interrupted must not be dropped by an interruption either.
        mark.interruptible = like.interruptible
        await self.push_frame(mark)


class PlayedMarks(FrameProcessor):
    """Stands behind a transport that has no marks (WebRTC, evals) and returns them itself.

    The transport passes a mark on when the audio before it was written, in step with its playing.
    """

    def __init__(self, attachment: Attachment):
        """Initialize the processor.

        Args:
            attachment: The session; its `playout` follows the marks.
        """
        super().__init__()
        self._attachment = attachment

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Return each mark that comes by."""
        await super().process_frame(frame, direction)
        if isinstance(frame, MarkFrame):
            self._attachment.playout.sent(frame.mark)
            record_heard(self._attachment, self._attachment.playout.returned(frame.mark))
            return
        await self.push_frame(frame, direction)
