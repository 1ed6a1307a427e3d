"""The end of a turn, judged by Smart Turn: one model and one pool of threads a process, and an early start.

The model takes some 30 ms, and Pipecat asks it when the pause has lasted long enough to be reported. Here it is asked
when two thirds of that time have passed, as if the rest were silent as well; its answer is there when it is needed.
When speech goes on, it is not used.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.turn.smart_turn.base_smart_turn import BaseSmartTurn, SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.metrics.metrics import MetricsData

from conversation.turns.features import log_mel
from conversation.turns.sessions import SMART_TURN, shared_session

MODEL_SAMPLES = 8 * 16000
"""What the model looks at: the last eight seconds at 16 kHz, after silence where there are fewer."""

THREADS = min(2, os.cpu_count() or 1)
"""How many turns are judged at the same time. On two cores more would only take the time from each other."""


class SharedSmartTurn(LocalSmartTurnAnalyzerV3):
    """Pipecat's Smart Turn analyzer on the shared session and threads."""

    _ahead: asyncio.Future[tuple[EndOfTurnState, MetricsData | None]] | None = None

    def __init__(self, *, sample_rate: int | None = None, params: SmartTurnParams | None = None):
        """Initialize the analyzer of one call.

        Args:
            sample_rate: The rate of its audio in Hz; the pipeline's when not given.
            params: Times.
        """
        # Not Smart Turn's own constructor, which loads the model; a test compares the attributes and the results.
        BaseSmartTurn.__init__(self, sample_rate=sample_rate, params=params)
        self._log_data = False  # it would write callers' voices to files
        self._session = shared_session(SMART_TURN)

    def judge_silence(self) -> None:
        """Run the model once. Blocks."""
        self._predict_endpoint(np.zeros(MODEL_SAMPLES, np.float32))

    def think_ahead(self, rest_secs: float) -> None:
        """Begin to judge a pause that may be the end of the turn.

        Args:
            rest_secs: How much longer it must last to be reported; taken for silent.
        """
        self.think_no_more()
        rest = np.zeros(round(rest_secs * self.sample_rate), np.int16)
        self._ahead = asyncio.get_running_loop().run_in_executor(
            self._model_executor,
            self._process_speech_segment,
            [*self._audio_buffer, (time.monotonic(), rest)],
        )

    def think_no_more(self) -> None:
        """Forget the pause: speech goes on, or the turn is over."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()

    async def analyze_end_of_turn(self) -> tuple[EndOfTurnState, MetricsData | None]:
        """Judge whether the turn has ended, or wait for the judgement that was begun."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return await super().analyze_end_of_turn()
        state, result = await ahead
        if state is EndOfTurnState.COMPLETE:
            self._clear(state)
        return state, result

    def update_vad_start_secs(self, vad_start_secs: float) -> None:
        """Begin with speech where it was reported, whatever length the pieces of audio have."""
        super().update_vad_start_secs(vad_start_secs)
        self.think_no_more()
        if self._speech_start_time == 0:
            self._speech_start_time = time.monotonic()  # type: ignore[assignment]  # Pipecat begins with 0

    def clear(self) -> None:
        """Begin anew."""
        self.think_no_more()
        super().clear()

    async def cleanup(self) -> None:
        """Think no more. The threads are the process's."""
        self.think_no_more()
        await super().cleanup()

    @property
    def _model_executor(self) -> ThreadPoolExecutor:
        return _threads()

    def _predict_endpoint(self, audio_array: np.ndarray) -> dict[str, Any]:
        samples = self._resample_to_model_rate(audio_array)[-MODEL_SAMPLES:]
        samples = np.pad(samples, (MODEL_SAMPLES - len(samples), 0))
        outputs: Any = self._session.run(None, {"input_features": log_mel(samples)[np.newaxis]})
        probability = outputs[0][0].item()
        return {"prediction": int(probability > 0.5), "probability": probability}


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="local-turns")
