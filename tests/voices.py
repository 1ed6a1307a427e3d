"""Voices that report their words as hosted ones do, made of the same beeps as in `tests.talking_bot`."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import numpy as np
from pipecat.frames.frames import TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from tests.talking_bot import MS_PER_CHARACTER

RATE = 8000
PIECE_MS = 100


def beeps(text: str, context_id: str) -> list[TTSAudioRawFrame]:
    """The sound of a text in pieces of a tenth of a second."""
    count = len(text) * MS_PER_CHARACTER * RATE // 1000
    samples = (np.sin(np.arange(count) * 2 * np.pi * 440 / RATE) * 8000).astype(np.int16)
    step = PIECE_MS * RATE // 1000
    return [
        TTSAudioRawFrame(samples[at : at + step].tobytes(), RATE, 1, context_id=context_id)
        for at in range(0, count, step)
    ]


class TimedBeeps(TTSService):
    """A voice that times its words, as Cartesia and ElevenLabs do; the times of a turn count from its beginning.

    Args:
        words_first: Whether a word is reported before its audio, as one provider does, or after it, as the other.
    """

    def __init__(self, *, words_first: bool) -> None:
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=RATE,
            settings=TTSSettings(),
        )
        self._words_first = words_first
        self._spoken_secs: dict[str, float] = defaultdict(float)

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str):
        begins = self._spoken_secs[context_id]
        words, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            words.append((word, begins + at * MS_PER_CHARACTER / 1000))
            at += len(word)
        self._spoken_secs[context_id] += len(text) * MS_PER_CHARACTER / 1000
        until = begins
        for piece in beeps(text, context_id):
            until += piece.num_frames / RATE
            here, words = [w for w in words if w[1] < until], [w for w in words if w[1] >= until]
            if self._words_first:
                await self.add_word_timestamps(here, context_id)
            yield piece
            if not self._words_first:
                await self.add_word_timestamps(here, context_id)


class ToldAheadBeeps(TTSService):
    """A voice that takes all sentences and sends their sound later, as Deepgram does: texts come before the audio."""

    def __init__(self) -> None:
        super().__init__(push_start_frame=True, sample_rate=RATE, settings=TTSSettings())
        self._texts: dict[str, list[str]] = defaultdict(list)

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str):
        self._texts[context_id].append(text)
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        assert context_id is not None
        self.create_task(self._send(context_id, self._texts.pop(context_id)))

    async def _send(self, context_id: str, texts: list[str]) -> None:
        await asyncio.sleep(0.05)
        for text in texts:
            for piece in beeps(text, context_id):
                await self.append_to_audio_context(context_id, piece)
        await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
        await self.remove_audio_context(context_id)
