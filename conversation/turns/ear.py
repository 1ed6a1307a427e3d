"""The ear of a call: who speaks, and when, found in the sound as it arrives.

Pipecat's detector stands behind the recogniser. Here it stands where the sound comes in
(`serializers.transport.PhoneInputTransport`), and is asked without a thread.

What is made of the judgement of its windows is Pipecat's own state machine (`VADAnalyzer`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState
from pipecat.frames.frames import (
    Frame,
    SystemFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

PAUSE_SECS = 0.12
"""Silence of this length may be the end of speech: what judges turns can begin to think."""

IDLE_SECS = 1.0
"""Speech ends when no sound has come in for this long, as in Pipecat's `VADController`."""


@dataclass
class CallerPausesFrame(SystemFrame):
    """The caller, who was speaking, has been silent for a moment; it may be the end of what they say.

    Parameters:
        rest_secs: How much longer the silence must last to be reported as the end of speech.
    """

    rest_secs: float


@dataclass
class CallerGoesOnFrame(SystemFrame):
    """The pause that `CallerPausesFrame` reported was none."""


class Ear:
    """Hears one call with an analyzer of Pipecat's, asked at once and without its thread.

    It says what it hears in frames: `VADUserStartedSpeakingFrame`, `VADUserStoppedSpeakingFrame`, `CallerPausesFrame`
    and `CallerGoesOnFrame`.
    """

    def __init__(self, analyzer: VADAnalyzer):
        """Initialize the ear.

        Args:
            analyzer: Judges windows of sound; no other call may use it.
        """
        self._analyzer = analyzer
        self._tell: Callable[[Frame], None] | None = None
        self._reported = VADState.QUIET
        self._pausing = False
        self._muted = False
        self._heard_at = 0.0
        self._idle: asyncio.TimerHandle | None = None

    def begin(self, sample_rate: int, tell: Callable[[Frame], None]) -> None:
        """Begin to listen, in the running loop.

        Args:
            sample_rate: Of the sound, in Hz.
            tell: Told what is heard, never from within `hear` of a shared ear, and from no other thread.
        """
        self._tell = tell
        self._analyzer.set_sample_rate(sample_rate)

    def hear(self, audio: bytes) -> None:
        """Take the next piece of sound, of any length.

        Args:
            audio: 16-bit mono PCM.
        """
        if self._tell is None or self._muted:
            return
        self._heard_at = time.monotonic()
        self._listen(audio)

    def mute(self, muted: bool) -> None:
        """Hear nothing for a while, or hear again. What was heard before stays as it is."""
        self._muted = muted

    def set_params(self, params: VADParams) -> None:
        """Change what counts as speech."""
        self._analyzer.set_params(params)

    def close(self) -> None:
        """Listen no more."""
        self._tell = None
        self._forget_idle()

    def _listen(self, audio: bytes) -> None:
        self._decide(audio)

    def _decide(self, audio: bytes) -> None:
        analyzer, before = self._analyzer, self._reported
        state = analyzer._run_analyzer(audio)
        self._look_for_pauses(state)
        if state in (VADState.SPEAKING, VADState.QUIET) and state is not before:
            self._report(state)

    def _look_for_pauses(self, state: VADState) -> None:
        analyzer = self._analyzer
        if state is VADState.STOPPING:
            window_secs = analyzer._vad_frames / analyzer.sample_rate
            if not self._pausing and analyzer._vad_stopping_count * window_secs >= PAUSE_SECS:
                self._pausing = True
                rest = analyzer._vad_stop_frames - analyzer._vad_stopping_count
                self._say(CallerPausesFrame(rest_secs=rest * window_secs))
        elif self._pausing:
            self._pausing = False
            if state is VADState.SPEAKING:
                self._say(CallerGoesOnFrame())

    def _report(self, state: VADState) -> None:
        self._reported = state
        self._forget_idle()
        params = self._analyzer.params
        if state is VADState.SPEAKING:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECS, self._look_whether_idle)
            self._say(VADUserStartedSpeakingFrame(start_secs=params.start_secs))
        else:
            self._say(VADUserStoppedSpeakingFrame(stop_secs=params.stop_secs))

    def _look_whether_idle(self) -> None:
        rest = self._heard_at + IDLE_SECS - time.monotonic()
        if rest > 0:
            self._idle = asyncio.get_running_loop().call_later(rest, self._look_whether_idle)
        else:
            self._report(VADState.QUIET)

    def _forget_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _say(self, frame: Frame) -> None:
        if self._tell is not None:
            self._tell(frame)
