"""Measures how long callers wait for the bot, stage by stage, with Pipecat's own observer of latency.

Pipecat would hand an observer every frame of a call, the caller's sound included. Here it gets the few that it looks at
from where they pass: the caller's aggregator, the model and the voice. What Pipecat's metrics would tell it, when a
model's first words came and when a sentence was whole, is told from the same places, so no service need measure itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    ClientConnectedFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import TextAggregationMetricsData, TTFBMetricsData
from pipecat.observers.base_observer import FramePushed
from pipecat.observers.user_bot_latency_observer import (
    LatencyBreakdown,
    MeasuredFrom,
    UserBotLatencyObserver,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from calls.events.talk import NotUnderstood, Responded
from conversation.session import Session

STAGES = {
    "endpointing_wait": "end_of_turn",
    "turn_detection": "end_of_turn",
    "turn_completion": "end_of_turn",
    "waiting_for_user": "end_of_turn",
    "transcription": "recogniser",
    "llm_inference": "model",
    "awaiting_speakable_text": "model",
    "llm_tool_call": "tool",
    "function_handler": "tool",
    "sentence_aggregation": "voice",
    "speech_synthesis": "voice",
    "output_transport": "line",
}
"""Our stages by the keys of Pipecat's contributions; what is not here is `other`."""

OF_THE_CALLER = frozenset(
    {VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame, TranscriptionFrame, BotStartedSpeakingFrame}
)
OF_THE_MODEL = frozenset(
    {
        UserStoppedSpeakingFrame,
        InterruptionFrame,
        LLMFullResponseStartFrame,
        LLMTextFrame,
        FunctionCallInProgressFrame,
        FunctionCallResultFrame,
    }
)


class Waits:
    """Follows one session, and records each wait of the caller's when it is over."""

    def __init__(self, session: Session, brain_says: Sequence[str] = ()):
        """Measure nothing yet.

        Args:
            session: Keeps what was measured.
            brain_says: How what the local brain says begins when it has not understood.
        """
        self._session = session
        self._brain_says = tuple(text for text in brain_says if text)
        self._observer = UserBotLatencyObserver()
        self._observer.add_event_handler("on_latency_breakdown", self._over)
        self._asked_at: float | None = None
        self._text_at: float | None = None

    def follow(
        self,
        caller: FrameProcessor,
        model: FrameProcessor,
        voice: FrameProcessor | None,
        *,
        model_hears: bool,
    ) -> None:
        """Look at what passes.

        Args:
            caller: Where the caller's turns are made.
            model: Who answers.
            voice: Who speaks, unless the model does.
            model_hears: Whether the model keeps the turns itself, and no ear of ours tells of them.
        """
        of_caller = OF_THE_CALLER
        if model_hears:
            of_caller |= {UserStartedSpeakingFrame, UserStoppedSpeakingFrame}
        caller.add_event_handler("on_before_process_frame", self._seen(of_caller, model_hears))
        of_model = OF_THE_MODEL if voice is not None else OF_THE_MODEL | {TTSAudioRawFrame}
        model.add_event_handler("on_before_push_frame", self._seen(of_model))
        if voice is not None:
            voice.add_event_handler("on_before_push_frame", self._seen(frozenset({TTSAudioRawFrame})))
            voice.add_event_handler("on_tts_request", self._sentence_is_whole)

    async def begin(self, source: FrameProcessor) -> None:
        """The media stream has begun."""
        await self._observer.on_pipeline_started()
        await self._tell(source, ClientConnectedFrame())

    def _seen(self, wanted: frozenset[type[Frame]], follows_turns: bool = False) -> Callable[..., Any]:
        async def look(source: FrameProcessor, frame: Frame) -> None:
            if type(frame) in wanted:
                await self._take(source, frame, follows_turns)

        return look

    async def _take(self, source: FrameProcessor, frame: Frame, follows_turns: bool) -> None:
        if isinstance(frame, LLMFullResponseStartFrame):
            self._asked_at, self._text_at = time.time(), None
        elif isinstance(frame, LLMTextFrame | FunctionCallInProgressFrame):
            await self._model_has_begun(source)
            if isinstance(frame, LLMTextFrame):
                self._text_at = self._text_at or time.time()
                if self._brain_says and frame.text.strip().startswith(self._brain_says):
                    self._session.record(NotUnderstood())
        elif follows_turns and isinstance(frame, UserStartedSpeakingFrame):
            frame = VADUserStartedSpeakingFrame(start_secs=0.0)
        elif follows_turns and isinstance(frame, UserStoppedSpeakingFrame):
            frame = VADUserStoppedSpeakingFrame(stop_secs=0.0)
        await self._tell(source, frame)

    async def _model_has_begun(self, source: FrameProcessor) -> None:
        asked_at, self._asked_at = self._asked_at, None
        if asked_at is not None:
            # A metric of no length is none to Pipecat
            took = max(time.time() - asked_at, 0.0001)
            await self._tell(source, MetricsFrame([TTFBMetricsData(processor=source.name, value=took)]))

    async def _sentence_is_whole(self, voice: FrameProcessor, _context_id: str, _text: str) -> None:
        text_at, self._text_at = self._text_at, None
        if text_at is not None:
            took = TextAggregationMetricsData(processor=voice.name, value=time.time() - text_at)
            await self._tell(voice, MetricsFrame([took]))

    async def _tell(self, source: FrameProcessor, frame: Frame) -> None:
        await self._observer.on_push_frame(
            FramePushed(
                source=source,
                destination=source,
                frame=frame,
                direction=FrameDirection.DOWNSTREAM,
                timestamp=0,
            )
        )

    async def _over(self, _observer: UserBotLatencyObserver, breakdown: LatencyBreakdown) -> None:
        if not breakdown.contributions:
            return
        stages: dict[str, float] = {}
        for part in breakdown.contributions:
            name = STAGES.get(part.key, "other")
            stages[name] = stages.get(name, 0.0) + part.duration_secs * 1000
        whole = {name: round(ms) for name, ms in stages.items()}
        to = "caller" if breakdown.measured_from is MeasuredFrom.USER_SILENCE else "call"
        self._session.record(Responded(to=to, ms=sum(whole.values()), stages=whole))
