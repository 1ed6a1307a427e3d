"""Smart Turn begins while a pause may still be one within a sentence, in threads that all calls share."""

import asyncio
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.turn.smart_turn._whisper_features import compute_whisper_log_mel_features
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.utils.asyncio.task_manager import TaskManager, TaskManagerParams

from conversation.turns.detectors import shared_turn_analyzer
from conversation.turns.ear import CallerGoesOnFrame, CallerPausesFrame
from conversation.turns.features import log_mel
from conversation.turns.pausing import WholeSentenceUserTurnStopStrategy
from conversation.turns.smart_turn import MODEL_SAMPLES, THREADS

RATE = 8000
REST_SECS = 0.064


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Twelve seconds of a person who reads, at 16 kHz."""
    moonshine = pytest.importorskip("moonshine_voice", reason="the local stack is not installed: make setup")
    with wave.open(str(Path(moonshine.__file__).parent / "assets" / "two_cities.wav")) as file:
        step = file.getframerate() // 16000
        samples = np.frombuffer(file.readframes(12 * file.getframerate()), np.int16)
        return samples[:: file.getnchannels() * step]


@pytest.mark.parametrize("secs", [0.3, 1, 2.513, 5, 7.99, 8])
def test_the_features_are_pipecats_own(speech, secs):
    said = speech[: round(secs * 16000)].astype(np.float32) / 32768
    samples = np.pad(said, (MODEL_SAMPLES - len(said), 0))
    assert log_mel(samples) == pytest.approx(compute_whisper_log_mel_features(samples), abs=1e-6)


def test_the_features_of_silence_are_pipecats_own():
    samples = np.zeros(MODEL_SAMPLES, np.float32)
    assert log_mel(samples) == pytest.approx(compute_whisper_log_mel_features(samples), abs=1e-6)


BUSY = """
import os, time
import numpy as np
from conversation.turns.smart_turn import SharedSmartTurn
turn = SharedSmartTurn(sample_rate=16000)
turn.judge_silence()
samples = np.random.default_rng(1).normal(0, 0.1, 128000).astype(np.float32)
process, thread = time.process_time(), time.thread_time()
for _ in range(20):
    turn._predict_endpoint(samples)
    time.sleep(0.01)
print((time.process_time() - process) / (time.thread_time() - thread))
"""


def test_nothing_spins_beside_it_where_the_host_has_loaded_numpy_before_us():
    environment = {"PATH": "", "OPENBLAS_NUM_THREADS": "4", "PYTHONPATH": "."}
    done = subprocess.run(
        [sys.executable, "-c", BUSY], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout.split()[-1]) < 1.15


class Talk:
    """A turn in the hands of the strategy that ends it."""

    def __init__(self) -> None:
        self.analyzer = shared_turn_analyzer()
        self.analyzer.set_sample_rate(RATE)
        self.strategy = WholeSentenceUserTurnStopStrategy(turn_analyzer=self.analyzer)
        self.runs: list[int] = []
        judge = self.analyzer._predict_endpoint

        def noted(audio):
            self.runs.append(len(audio))
            return judge(audio)

        self.analyzer._predict_endpoint = noted  # type: ignore[method-assign]

    async def begin(self) -> None:
        tasks = TaskManager()
        tasks.setup(TaskManagerParams(loop=asyncio.get_running_loop()))
        self.strategy._task_manager = tasks
        self.strategy.add_event_handler("on_push_frame", _nowhere)
        await self.strategy.process_frame(VADUserStartedSpeakingFrame(start_secs=0.1))

    def hear(self, samples: np.ndarray) -> None:
        for at in range(0, len(samples), 800):
            self.analyzer.append_audio(samples[at : at + 800].tobytes(), True)


async def _nowhere(*_: object) -> None:
    return None


async def test_the_judgement_that_was_begun_is_the_one_that_counts(speech):
    talk = Talk()
    await talk.begin()
    said, silence = speech[: 4 * 16000 : 2], np.zeros(round(REST_SECS * RATE), np.int16)
    talk.hear(said)
    await talk.strategy.process_frame(CallerPausesFrame(rest_secs=REST_SECS))
    talk.hear(silence)
    await talk.strategy.process_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
    assert talk.runs == [len(said) + len(silence)]
    own = LocalSmartTurnAnalyzerV3(sample_rate=RATE)
    own.set_sample_rate(RATE)
    expected = own._predict_endpoint(np.concatenate([said, silence]).astype(np.float32) / 32768)
    assert talk.strategy._turn_complete is bool(expected["prediction"])
    await talk.strategy.cleanup()


async def test_a_pause_within_speech_is_forgotten_and_the_next_one_judged_anew(speech):
    talk = Talk()
    await talk.begin()
    said = speech[: 2 * 16000 : 2]
    talk.hear(said)
    await talk.strategy.process_frame(CallerPausesFrame(rest_secs=REST_SECS))
    await talk.strategy.process_frame(CallerGoesOnFrame())
    talk.hear(said)
    await talk.strategy.process_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
    assert talk.runs[-1] == 2 * len(said)
    await talk.strategy.cleanup()


@pytest.mark.parametrize("ends", ["speech", "the turn"])
async def test_a_judgement_is_not_kept_beyond(speech, ends):
    talk = Talk()
    await talk.begin()
    said = speech[: 2 * 16000 : 2]
    talk.hear(said)
    await talk.strategy.process_frame(CallerPausesFrame(rest_secs=REST_SECS))
    if ends == "speech":  # its end was not reported, as the caller was muted
        await talk.strategy.process_frame(VADUserStartedSpeakingFrame(start_secs=0.1))
    else:
        await talk.strategy.handle_user_turn_stopped()
    talk.hear(said)
    talk.hear(said)
    state, _ = await talk.analyzer.analyze_end_of_turn()
    assert state in EndOfTurnState
    assert talk.runs[-1] >= 2 * len(said)
    await talk.strategy.cleanup()


async def test_nothing_is_begun_when_nobody_speaks():
    talk = Talk()
    talk.hear(np.zeros(800, np.int16))
    await talk.strategy.process_frame(CallerPausesFrame(rest_secs=REST_SECS))
    await asyncio.sleep(0.05)
    assert talk.runs == []


async def test_all_calls_think_in_the_same_few_threads(speech):
    talks = [Talk() for _ in range(12)]
    before = {thread.name for thread in threading.enumerate()}
    for talk in talks:
        talk.hear(speech[:16000:2])
    await asyncio.gather(*(talk.analyzer.analyze_end_of_turn() for talk in talks))
    more = {thread.name for thread in threading.enumerate()} - before
    assert len(more) <= THREADS
    assert all(len(talk.runs) == 1 for talk in talks)
    for talk in talks:
        await talk.strategy.cleanup()
    state, _ = await talks[0].analyzer.analyze_end_of_turn()  # the others' threads are there still
    assert state in EndOfTurnState
