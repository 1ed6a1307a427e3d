"""The keyless speech services: Pipecat services on the models that all calls of this process share.

Importing this loads no model and needs no extra package.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from conversation.local.beam import Nearness
from conversation.local.dictation import Dictated
from conversation.local.lone_words import MARGIN, said_alone, said_over_the_bot
from conversation.local.models import VOICE, Expected, LocalModels, local_models, sentences

TTFS_P99_SECS = 0.6
"""From the end of speech to its transcript, for Pipecat's turn strategies: 260 ms for 6 s of speech, and some queue."""


FIRST_WORDS_SECS = 0.45
"""How long a caller speaks over the bot before the first early transcript, which costs 100 ms of a core."""

MORE_WORDS_SECS = 0.3
"""How long after an early transcript the next one is made."""

HEARD_UNTIL = "heard until"
"""The key of a frame's `metadata`: how many bytes of the caller's audio the recogniser had had when an audio frame
came; and, when the detector made a report, how many of them it had seen. Over no phone line it comes later in the
pipeline, as Pipecat has it; a phone's ear reports in order with the audio."""

BEFORE_SPEECH_SECS = 1.0
"""How much of what came before the start of speech belongs to a segment: the detector needs a moment to be sure."""

NOTICED_SECS = 0.15
"""About how long speech has lasted when its start is reported."""

LONGEST_LAG_SECS = 3.0
"""How far the detector may be behind the recogniser, on a machine that has too much to do."""

TRAILING_SILENCE_SECS = 0.3
"""How much silence is behind the speech of a segment: with more of it more words were written wrongly (5.2 % instead of
4.4 % with 0.7 s), and Whisper needs some."""


SOFTEST = 0.5
"""The rest of a sentence is made softer by no more than this."""

SPEECH_LEVEL = 300
"""What is softer is no speech, of 32,767."""


@dataclass
class NoWordsFrame(DataFrame):
    """The recogniser has found no words in what was speech to the detector."""


class LocalMoonshineSTT(SegmentedSTTService):
    """Transcribes what was said between two pauses, with Moonshine (or Whisper, where Moonshine is missing).

    It takes the pipeline's audio at any rate. Pipecat's own MoonshineSTTService would download a model and load it
    for each call.
    """

    def __init__(self, *, models: LocalModels | None = None, **kwargs: Any):
        """Initialize the service of one call.

        Args:
            models: The models; those of the process when not given.
            **kwargs: For `SegmentedSTTService`.
        """
        super().__init__(
            ttfs_p99_latency=kwargs.pop("ttfs_p99_latency", TTFS_P99_SECS),
            trailing_silence_secs=TRAILING_SILENCE_SECS,
            settings=STTSettings(model="local", language=Language.EN),
            **kwargs,
        )
        self._models = models or local_models()
        self._received = 0
        self._bot_speaks = False
        self._early: asyncio.Task[None] | None = None
        self._words: Sequence[str] = said_alone()
        self._margin: Callable[[], float] = lambda: MARGIN
        self._asked: Callable[[], Dictated | None] = lambda: None
        self._nearness: Nearness | None = None
        self._so_far = ""
        self._before_secs = BEFORE_SPEECH_SECS

    def listen_for(
        self,
        words: Sequence[str],
        margin: Callable[[], float],
        asked: Callable[[], Dictated | None],
        nearness: Nearness | None = None,
    ) -> None:
        """Know some words when callers say nothing else, numbers and spellings, and what callers say.

        Args:
            words: The words.
            margin: How readily one of them is taken for what was said, see `LoneWords.heard_as`.
            asked: What the bot has just asked for.
            nearness: How near texts are to what callers say. Blocks, so it runs in a thread.
        """
        self._words, self._margin, self._asked, self._nearness = words, margin, asked, nearness

    @property
    def wants_wav_segments(self) -> bool:
        """Segments come as raw PCM."""
        return False

    def can_generate_metrics(self) -> bool:
        """Processing time is measured."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Keep enough of what came before the detector reports speech."""
        await super().setup(setup)
        self._audio_buffer_size_1s = round((BEFORE_SPEECH_SECS + LONGEST_LAG_SECS) * self.sample_rate) * 2

    async def process_audio_frame(self, frame: InputAudioRawFrame, direction: FrameDirection) -> None:
        """Count what came in, and note it on the frame for the detector."""
        await super().process_audio_frame(frame, direction)
        self._received += len(frame.audio)
        frame.metadata[HEARD_UNTIL] = self._received

    async def cleanup(self) -> None:
        """Stop listening."""
        await super().cleanup()
        await self._listen_early(False)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Cut a segment where speech ended, not where this was noticed; while the bot speaks, tell early what is said.

        The detector reports a pause after `stop_secs` of it, and its report takes a moment to come here, on a busy
        machine a second. By then the next word may have begun ("thank you, goodbye"). What came in during that time is
        silence or that next word, so it opens the next segment instead of being lost at the end of this one.
        """
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self._bot_speaks = isinstance(frame, BotStartedSpeakingFrame)
            self._so_far = ""
        elif isinstance(frame, VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame):
            await self._listen_early(self._bot_speaks and isinstance(frame, VADUserStartedSpeakingFrame))
        behind = self._received - frame.metadata.get(HEARD_UNTIL, self._received)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            del self._audio_buffer[: -(round(BEFORE_SPEECH_SECS * self.sample_rate) * 2 + behind)]
            # Less than that where the segment before has ended a moment ago.
            self._before_secs = max(0, len(self._audio_buffer) - behind) / 2 / self.sample_rate
        if not isinstance(frame, VADUserStoppedSpeakingFrame):
            await super().process_frame(frame, direction)
            return
        kept = round(frame.stop_secs * self.sample_rate) * 2 + behind
        begun = bytes(self._audio_buffer[-kept:]) if kept else b""
        del self._audio_buffer[len(self._audio_buffer) - len(begun) :]
        await super().process_frame(frame, direction)
        self._audio_buffer[:0] = begun

    async def _listen_early(self, begin: bool) -> None:
        task, self._early = self._early, None
        if task is not None:
            await self.cancel_task(task)
        if begin:
            self._early = self.create_task(self._tell_early())

    async def _tell_early(self) -> None:
        """Transcribe what was said so far, again and again: only words tell an interruption from a "yeah"."""
        secs = FIRST_WORDS_SECS
        while True:
            await asyncio.sleep(secs)
            text = await self._models.hear(
                bytes(self._audio_buffer) + self._trailing_silence(), self.sample_rate
            )
            if text:
                words = InterimTranscriptionFrame(text, self._user_id, time_now_iso8601(), Language.EN)
                await self.push_frame(words)
            secs = MORE_WORDS_SECS

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        """Transcribe one segment.

        Args:
            audio: 16-bit mono PCM at the pipeline's rate.

        Yields:
            A `TranscriptionFrame`; a `NoWordsFrame` when there were no words in it.
        """
        await self.start_processing_metrics()
        # A segment has this much before the start of its speech was noticed, and silence behind its end.
        before = min(self._before_secs, len(audio) / 2 / self.sample_rate) - NOTICED_SECS
        speech = before, len(audio) / 2 / self.sample_rate - TRAILING_SILENCE_SECS
        words = [*self._words, *said_over_the_bot()] if self._bot_speaks else self._words
        expected = Expected(words, self._margin(), self._asked(), self._so_far, self._nearness)
        text = await self._models.hear_alone(audio, self.sample_rate, speech, expected)
        self._so_far = f"{self._so_far} {text}"
        await self.stop_processing_metrics()
        if text:
            yield TranscriptionFrame(text, self._user_id, time_now_iso8601(), Language.EN)
        else:
            yield NoWordsFrame()


def loudness_of(audio: bytes) -> float:
    """How loud the speech in 16-bit mono PCM is; 0 where there is none."""
    samples = np.abs(np.frombuffer(audio, np.int16).astype(np.float32))
    speech = samples[samples > SPEECH_LEVEL]
    return float(np.sqrt(np.mean(speech**2))) if speech.size else 0.0


class LocalPiperTTS(TTSService):
    """Speaks with one Piper voice that all calls share, sentence by sentence.

    Pipecat's own PiperTTSService loads the voice in its constructor: 1.3 s on the event loop and 70 MB for each call.
    """

    def __init__(self, *, models: LocalModels | None = None, **kwargs: Any):
        """Initialize the service of one call.

        Args:
            models: The models; those of the process when not given.
            **kwargs: For `TTSService`.
        """
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model="piper", voice=VOICE, language=None),
            **kwargs,
        )
        self._models = models or local_models()
        self._clause: tuple[str, float] | None = None

    def can_generate_metrics(self) -> bool:
        """Time to first byte and usage are measured."""
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Speak a text.

        Args:
            text: One or more sentences; the first starts while the others are rendered.
            context_id: Of the audio context that it belongs to.

        Yields:
            A `TTSAudioRawFrame` a sentence, at the pipeline's rate.
        """
        try:
            await self.start_tts_usage_metrics(text)
            for sentence in sentences(text):
                audio = await self._models.say(sentence, self.sample_rate)
                await self.stop_ttfb_metrics()
                audio = self._joined(audio, sentence, context_id)
                if audio:
                    yield TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)
        except Exception as error:
            logger.error(f"{self}: a sentence could not be spoken: {type(error).__name__}")
            yield ErrorFrame(error=f"local voice failed: {type(error).__name__}: {error}")
        finally:
            await self.stop_ttfb_metrics()

    def _joined(self, audio: bytes, text: str, context_id: str) -> bytes:
        """Bring the rest of a sentence to the loudness of the clause before it.

        Piper makes each text that it is given equally loud at its loudest place, and begins it with a stress.
        """
        before, self._clause = self._clause, None
        loudness = loudness_of(audio)
        if before is not None and before[0] == context_id and loudness > before[1] > 0:
            samples = np.frombuffer(audio, np.int16) * max(before[1] / loudness, SOFTEST)
            audio, loudness = samples.astype(np.int16).tobytes(), before[1]
        if text.endswith((",", ":")):
            self._clause = context_id, loudness
        return audio
