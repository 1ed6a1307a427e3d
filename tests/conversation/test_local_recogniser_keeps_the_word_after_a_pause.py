"""The detector reports the pause in "thank you, goodbye" late; the second word must not lose its beginning to that."""

import numpy as np
import pytest
from pipecat.frames.frames import InputAudioRawFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from conversation.local.speech import HEARD_UNTIL, LocalMoonshineSTT

RATE = 16000
FIRST, SECOND = 1000, 2000


class Recorder:
    """Stands in for the models: keeps what it was given to hear."""

    def __init__(self):
        self.segments = []
        self.speech = []

    async def hear_alone(self, pcm, rate, speech, *_):
        assert rate == RATE
        self.segments.append(np.frombuffer(pcm, np.int16))
        self.speech.append(speech)
        return ""


def audio(value, secs):
    frame = np.full(RATE // 50, value, np.int16).tobytes()
    return [InputAudioRawFrame(frame, RATE, 1) for _ in range(round(secs * 50))]


async def test_what_came_in_before_the_pause_was_noticed_opens_the_next_segment():
    models = Recorder()
    frames = [
        VADUserStartedSpeakingFrame(),
        *audio(FIRST, 1.0),
        *audio(0, 0.2),
        *audio(SECOND, 0.1),  # has begun when the detector's report arrives
        SleepFrame(0.1),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        *audio(SECOND, 0.3),
        SleepFrame(0.1),
        VADUserStartedSpeakingFrame(),
        *audio(0, 0.2),
        SleepFrame(0.1),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        SleepFrame(0.1),
    ]
    await run_test(
        LocalMoonshineSTT(models=models),
        frames_to_send=frames,
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE),
    )
    first, second = models.segments
    assert (first == FIRST).sum() == RATE
    assert (first == SECOND).sum() == 0
    assert (second == SECOND).sum() == round(0.4 * RATE)
    assert (second == FIRST).sum() == 0


async def test_a_detector_that_is_late_loses_no_word():
    models = Recorder()
    start, stop = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame(stop_secs=0.2)
    start.metadata[HEARD_UNTIL] = round(0.1 * RATE) * 2
    stop.metadata[HEARD_UNTIL] = round(1.2 * RATE) * 2
    frames = [
        *audio(FIRST, 1.0),
        *audio(0, 0.2),
        *audio(SECOND, 0.9),
        SleepFrame(0.1),
        start,  # a second and more after the word has begun
        stop,
        SleepFrame(0.1),
        VADUserStartedSpeakingFrame(),
        *audio(0, 0.2),
        SleepFrame(0.1),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        SleepFrame(0.1),
    ]
    await run_test(
        LocalMoonshineSTT(models=models),
        frames_to_send=frames,
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE),
    )
    first, second = models.segments
    assert (first == FIRST).sum() == RATE
    assert (first == SECOND).sum() == 0
    assert (second == SECOND).sum() == round(0.9 * RATE)


async def test_speech_soon_after_a_pause_is_looked_at_from_its_beginning():
    models = Recorder()
    frames = [
        VADUserStartedSpeakingFrame(),
        *audio(FIRST, 1.0),
        *audio(0, 0.2),
        SleepFrame(0.1),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        *audio(0, 0.2),
        *audio(SECOND, 0.15),
        SleepFrame(0.1),
        VADUserStartedSpeakingFrame(),
        *audio(SECOND, 1.0),
        *audio(0, 0.2),
        SleepFrame(0.1),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        SleepFrame(0.1),
    ]
    await run_test(
        LocalMoonshineSTT(models=models),
        frames_to_send=frames,
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE),
    )
    begin, _ = models.speech[1]
    assert begin == pytest.approx(0.4, abs=0.05)
