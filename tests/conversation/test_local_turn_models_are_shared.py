"""Voice activity and end of turn: one session a process, and for each call the same results as Pipecat's own."""

import asyncio
import threading
import time

import numpy as np
import pytest
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState

from conversation.turns.detectors import load_turn_models, shared_turn_analyzer, shared_vad


@pytest.fixture(scope="module")
def speech() -> bytes:
    """Two sentences with pauses around them, 16 kHz."""
    pytest.importorskip("piper", reason="the local stack is not installed: make setup")
    from conversation.local.models import local_models

    render = local_models().render
    pause = bytes(32000)
    return pause + render("Where can I park my car?", 16000) + pause + render("Thank you.", 16000) + pause * 2


def windows(pcm: bytes, size: int = 1024):
    return [pcm[start : start + size] for start in range(0, len(pcm) - size, size)]


@pytest.mark.parametrize("rate", [8000, 16000])
def test_confidence_is_that_of_pipecats_own_analyzer(speech, rate):
    if rate == 8000:
        speech = np.frombuffer(speech, np.int16)[::2].tobytes()
    own, shared = SileroVADAnalyzer(sample_rate=rate), shared_vad(sample_rate=rate)
    other = shared_vad(sample_rate=rate)  # another call on the same session
    states = []
    for analyzer in (own, shared, other):
        analyzer.set_sample_rate(rate)
    for window in windows(speech, own.num_frames_required() * 2):
        own._run_analyzer(window)
        states.append(shared._run_analyzer(window))
        other._run_analyzer(bytes(len(window)))
        assert shared._vad_state == own._vad_state
    assert {VADState.SPEAKING, VADState.QUIET} <= set(states)
    assert shared.voice_confidence(windows(speech)[40][: own.num_frames_required() * 2]) == pytest.approx(
        own.voice_confidence(windows(speech)[40][: own.num_frames_required() * 2])
    )


def test_every_attribute_of_pipecats_analyzers_is_there():
    assert set(vars(shared_vad())) == set(vars(SileroVADAnalyzer()))
    assert set(vars(shared_turn_analyzer())) == set(vars(LocalSmartTurnAnalyzerV3()))


async def test_the_end_of_a_turn_is_that_of_pipecats_own_analyzer(speech):
    results = []
    for analyzer in (LocalSmartTurnAnalyzerV3(), shared_turn_analyzer()):
        analyzer.set_sample_rate(16000)
        for window in windows(speech[32000:96000], 640):
            analyzer.append_audio(window, True)
        state, metrics = await analyzer.analyze_end_of_turn()
        results.append((state, metrics.probability))
        await analyzer.cleanup()
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], abs=1e-4)


def test_parameters_are_the_calls_own():
    quick = shared_vad(sample_rate=16000, params=VADParams(stop_secs=0.1))
    usual = shared_vad(sample_rate=16000)
    quick.set_sample_rate(16000)
    usual.set_sample_rate(16000)
    assert quick.params.stop_secs == 0.1 != usual.params.stop_secs


def test_a_call_costs_no_loading_once_the_models_are_there():
    load_turn_models()
    started = time.monotonic()
    for _ in range(20):
        shared_vad()
        shared_turn_analyzer()
    assert time.monotonic() - started < 0.2


def test_the_sessions_are_the_same_for_all_calls():
    assert shared_vad()._model.session is shared_vad()._model.session
    assert shared_turn_analyzer()._session is shared_turn_analyzer()._session


def test_calls_do_not_disturb_each_other_when_they_talk_at_once(speech):
    expected = [shared_vad_confidences(speech)]
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append(shared_vad_confidences(speech))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for confidences in found:
        assert confidences == pytest.approx(expected[0], abs=1e-5)


def shared_vad_confidences(speech: bytes) -> list[float]:
    analyzer = shared_vad(sample_rate=16000)
    analyzer.set_sample_rate(16000)
    return [float(np.ravel(analyzer.voice_confidence(window))[0]) for window in windows(speech)]


async def test_cleaning_up_one_call_leaves_the_others():
    first, second = shared_vad(sample_rate=16000), shared_vad(sample_rate=16000)
    second.set_sample_rate(16000)
    await first.cleanup()
    assert await asyncio.wait_for(second.analyze_audio(bytes(1024)), 2) == VADState.QUIET
