"""Voice activity and end of turn with one ONNX session a process.

Pipecat builds both sessions anew for every call, on the event loop: 65 ms of stall and 50 MB a call. The sessions hold
no state between runs and ONNX Runtime lets several threads use one, so calls share them and keep only their own state.
The classes below are Pipecat's own with another way of getting the session.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
from pipecat.audio.turn.smart_turn.base_smart_turn import BaseSmartTurn, SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroOnnxModel, SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams

from conversation.turns.ears import load_ears
from conversation.turns.sessions import SILERO, SMART_TURN, shared_session

PHONE_VAD = VADParams(start_secs=0.1, min_volume=0.4)
"""What counts as speech on a phone line. Pipecat's 0.2 s and 0.6 are for a microphone at the mouth: a lone "yes" has
less voice in it than 0.2 s, and a quiet caller's is not loud enough. The model's confidence keeps coughs out."""

_RATE = 16000
"""Of the audio in a pipeline, in Hz."""

_PHONE_RATE = 8000
"""The same of a phone call's."""


class _SharedSileroModel(SileroOnnxModel):
    """Silero's state of one call, on a session that is not its own."""

    def __init__(self, session: onnxruntime.InferenceSession):
        self.session = session
        self.sample_rates = [8000, 16000]
        self.reset_states()


class SharedSileroVAD(SileroVADAnalyzer):
    """Pipecat's Silero analyzer on the shared session."""

    def __init__(self, *, sample_rate: int | None = None, params: VADParams | None = None):
        """Initialize the analyzer of one call.

        Args:
            sample_rate: 8000 or 16000 Hz; the pipeline's when not given.
            params: Thresholds and times.
        """
        # Not Silero's own constructor, which loads the model. What it sets besides is set here; a test compares the
        # two analyzers over the same audio, so that a new Pipecat cannot part them unnoticed.
        VADAnalyzer.__init__(self, sample_rate=sample_rate, params=params)
        self._model = _SharedSileroModel(shared_session(SILERO))
        self._windows_since_reset = 0
        self._low_confidence_windows = 0


class SharedSmartTurn(LocalSmartTurnAnalyzerV3):
    """Pipecat's Smart Turn analyzer on the shared session."""

    def __init__(self, *, sample_rate: int | None = None, params: SmartTurnParams | None = None):
        """Initialize the analyzer of one call.

        Args:
            sample_rate: The rate of its audio in Hz; the pipeline's when not given.
            params: Times.
        """
        BaseSmartTurn.__init__(self, sample_rate=sample_rate, params=params)
        self._log_data = False  # it would write callers' voices to files
        self._session = shared_session(SMART_TURN)

    def judge_silence(self) -> None:
        """Run the model once. Blocks."""
        self._predict_endpoint(np.zeros(_RATE, np.float32))


def shared_vad(*, sample_rate: int | None = None, params: VADParams | None = None) -> SharedSileroVAD:
    """Make the voice activity detector of one call; takes no time once `load_turn_models` has run.

    Args:
        sample_rate: 8000 or 16000 Hz; the pipeline's when not given.
        params: Thresholds and times.
    """
    return SharedSileroVAD(sample_rate=sample_rate, params=params)


def shared_turn_analyzer(*, params: SmartTurnParams | None = None) -> SharedSmartTurn:
    """Make the end-of-turn analyzer of one call; takes no time once `load_turn_models` has run.

    Args:
        params: Times.
    """
    return SharedSmartTurn(params=params)


def load_turn_models() -> None:
    """Load both sessions, and run each once: what they need in memory comes with the first run, and takes its time.

    Blocks for some 150 ms, so call it in a thread before the first call.
    """
    load_ears(_PHONE_RATE)
    SharedSmartTurn(sample_rate=_RATE).judge_silence()
