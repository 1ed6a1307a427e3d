"""What detects speech and the end of a turn in a call, on the models that all calls of a process share."""

from __future__ import annotations

import onnxruntime
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.vad.silero import SileroOnnxModel, SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams

from conversation.turns.ears import load_ears
from conversation.turns.sessions import SILERO, shared_session
from conversation.turns.smart_turn import SharedSmartTurn

PHONE_VAD = VADParams(start_secs=0.1, min_volume=0.4)
"""What counts as speech on a phone line. Pipecat's 0.2 s and 0.6 are for a microphone at the mouth: a lone "yes" has
less voice in it than 0.2 s, and a quiet caller's is not loud enough. The model's confidence keeps coughs out."""

_PHONE_RATE = 8000
"""Of the audio in a phone call's pipeline, in Hz."""


class _SharedSileroModel(SileroOnnxModel):
    """Silero's state of one call, on a session that is not its own."""

    def __init__(self, session: onnxruntime.InferenceSession):
        self.session = session
        self.sample_rates = [8000, 16000]
        self.reset_states()


class SharedSileroVAD(SileroVADAnalyzer):
    """Pipecat's Silero analyzer on the shared session, for callers whose sound comes over no phone line."""

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
    SharedSmartTurn().judge_silence()
