"""Measures how long callers wait for the bot, stage by stage, with Pipecat's own observer of latency.

Pipecat would hand an observer every frame of a call, the caller's sound included. Here it gets the few that it looks at
from where they pass: the caller's aggregator, the model and the voice. What Pipecat's metrics would tell it, when a
model's first words came and when a sentence was whole, is told from the same places, so no service need measure itself.

The observer knows when frames passed. What a caller waits is from their last sound to the first one that they hear,
which is longer: a detector of speech is behind the sound, and a voice's audio begins with silence. On a phone line both
ends are therefore taken from the sound itself (`serializers.loud`), once for each turn.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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

from calls.events.event import CallEvent
from calls.events.talk import Detached, Interrupted, NotUnderstood, Responded, TurnMeasured
from conversation.session import Session
from serializers.loud import silent_for

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

LATELY_SECS = 3.0
"""How far back the caller's last sound is looked for, in seconds: a pause that ends a turn is shorter."""

NUMBER = re.compile(r"#\d+$")
"""Which of all that were made in this process a processor of Pipecat's is."""

APART_SECS = 0.5
"""If the sound and the detector of speech differ by more about when the caller fell silent, the sound is misjudged."""

OUT = "output_transport"
"""The key of what passes between the voice's audio and the first sound on the line."""


class PhoneLine(Protocol):
    """A phone line, as `serializers.transport.PhoneTransport` has it."""

    @property
    def hears_hz(self) -> int:
        """The rate of `heard_lately`, in Hz."""
        ...

    @property
    def voice(self) -> Any:
        """Where the bot's speech goes out; its `began_after(moment)` says when it was first to be heard."""
        ...

    def heard_lately(self, secs: float) -> bytes:
        """The last of the caller's audio that has come in: 16-bit PCM."""
        ...


@dataclass
class _Open:
    """A turn of which it is not known yet whether it is cut off.

    Parameters:
        to: As in `TurnMeasured`.
        since: When the caller's waiting began, by `time.monotonic`.
        spoke_at: When the bot's voice began by the frames, by the same clock.
        late_ms: How much earlier than the observer thinks the caller has fallen silent; None when that is not known.
        parts: What the observer says.
        heard_at: When the bot was first to be heard in it, by the same clock; None while that is not known.
    """

    to: str
    since: float
    spoke_at: float
    late_ms: float | None
    parts: list[dict[str, Any]]
    heard_at: float | None = None


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

    def __init__(self, session: Session, brain_says: Sequence[str] = (), line: PhoneLine | None = None):
        """Measure nothing yet.

        Args:
            session: Keeps what was measured.
            brain_says: How what the local brain says begins when it has not understood.
            line: Where caller and bot are heard; None where there is no phone.
        """
        self._session = session
        self._line = line
        self._open: _Open | None = None
        self._ear: FrameProcessor | None = None
        self._silent_at: float | None = None
        self._seen_events = len(session.call.arrived)
        self._stop_watching = session.call.watch(self._look_at_events)
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
        ear: FrameProcessor | None = None,
    ) -> None:
        """Look at what passes.

        Args:
            caller: Where the caller's turns are made.
            model: Who answers.
            voice: Who speaks, unless the model does.
            model_hears: Whether the model keeps the turns itself, and no ear of ours tells of them.
            ear: Who recognises words, unless the model does.
        """
        self._ear = ear
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
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._silent_at = self._last_heard()
        elif follows_turns and isinstance(frame, UserStartedSpeakingFrame):
            frame = VADUserStartedSpeakingFrame(start_secs=0.0)
        elif follows_turns and isinstance(frame, UserStoppedSpeakingFrame):
            frame = VADUserStoppedSpeakingFrame(stop_secs=0.0)
        # Words are looked at where turns are made of them, which is not who has recognised them.
        said_by = self._ear if isinstance(frame, TranscriptionFrame) else None
        await self._tell(said_by or source, frame)

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

    def _last_heard(self) -> float | None:
        """When the caller's last sound came in, by `time.monotonic`; None when that is not known."""
        if self._line is None:
            return None
        rate = self._line.hears_hz
        silent_secs = silent_for(self._line.heard_lately(LATELY_SECS), rate) if rate else None
        return None if silent_secs is None else time.monotonic() - silent_secs

    async def _over(self, _observer: UserBotLatencyObserver, breakdown: LatencyBreakdown) -> None:
        if not breakdown.contributions:
            return
        stages: dict[str, float] = {}
        for part in breakdown.contributions:
            name = STAGES.get(part.key, "other")
            stages[name] = stages.get(name, 0.0) + part.duration_secs * 1000
        whole = {name: round(ms) for name, ms in stages.items()}
        to = "caller" if breakdown.measured_from is MeasuredFrom.USER_SILENCE else "call"
        self._close()
        self._open = self._opened(to, breakdown)
        self._session.record(Responded(to=to, ms=sum(whole.values()), stages=whole))

    def _opened(self, to: str, breakdown: LatencyBreakdown) -> _Open:
        spoke_at = time.monotonic()
        since = spoke_at - breakdown.total_secs
        late_ms = None
        if to == "caller" and self._silent_at is not None and abs(since - self._silent_at) < APART_SECS:
            late_ms = (since - self._silent_at) * 1000
            since = self._silent_at
        return _Open(
            to,
            since,
            spoke_at,
            late_ms,
            [
                {
                    "key": part.key,
                    "stage": STAGES.get(part.key, "other"),
                    "owner": NUMBER.sub("", part.owner.removeprefix("config: ")),
                    "kind": part.owner_kind.value,
                    "ms": part.duration_secs * 1000,
                }
                for part in breakdown.contributions
            ],
        )

    def _look_at_events(self) -> None:
        """Close a turn that is cut off, or whose media stream has ended."""
        arrived = self._session.call.arrived
        news: Sequence[CallEvent] = arrived[self._seen_events :]
        self._seen_events = len(arrived)
        self._look_at_line()  # which forgets: a turn may be long
        for event in news:
            if isinstance(event, Interrupted) and not self._session.is_detached:
                self._close(interrupted=True)
            elif isinstance(event, Detached):
                self._close()

    def _look_at_line(self) -> None:
        turn = self._open
        if turn is not None and turn.heard_at is None and self._line is not None:
            turn.heard_at = self._line.voice.began_after(turn.since)

    def end(self) -> None:
        """Measure no more: the session is over."""
        self._close()
        self._stop_watching()

    def _close(self, *, interrupted: bool = False) -> None:
        """Record the open turn, whose first sound has gone out by now."""
        self._look_at_line()
        turn, self._open = self._open, None
        if turn is None:
            return
        call, parts, heard_at = self._session.call, turn.parts, turn.heard_at
        by_sound = heard_at is not None and (turn.to == "call" or turn.late_ms is not None)
        if turn.late_ms is not None and parts:
            parts[0]["ms"] = max(0.0, parts[0]["ms"] + turn.late_ms)
        if heard_at is not None and heard_at > turn.spoke_at:
            if parts[-1]["key"] != OUT:
                owner = {"key": OUT, "stage": "line", "owner": "sound", "kind": "line"}
                parts.append({**owner, "ms": 0.0})
            parts[-1]["ms"] += (heard_at - turn.spoke_at) * 1000
        begun = heard_at or turn.spoke_at
        after_answer_ms = None
        if call.answered_at is not None:
            since_answer = (call.clock() - call.answered_at).total_seconds()
            after_answer_ms = round((since_answer - (time.monotonic() - begun)) * 1000)
        whole = _whole(parts)
        self._session.record(
            TurnMeasured(
                n=sum(isinstance(event, TurnMeasured) for event in call.events),
                to=turn.to,
                response_ms=sum(part["ms"] for part in whole),
                parts=whole,
                by_sound=by_sound,
                interrupted=interrupted,
                after_answer_ms=after_answer_ms,
            )
        )


def _whole(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts in whole milliseconds, which add up to the whole as it is rounded."""
    made, so_far = [], 0.0
    for part in parts:
        before, so_far = so_far, so_far + part["ms"]
        made.append({**part, "ms": round(so_far) - round(before)})
    return made
